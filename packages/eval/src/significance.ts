/** Tests over users and over seeds: Wilcoxon's signed ranks, Holm's correction, mean and deviation. */

import { InputError } from '@crossgate/core';
import type { NumberColumn } from './columns';
import { normalUpperTail } from './normal';

/** Result of Wilcoxon's signed-rank test of pairs (a, b). */
export interface SignedRankTest {
  /** Number of pairs that differ; these are ranked. */
  readonly pairs: number;
  /** Number of equal pairs, which are left out, as Wilcoxon did. */
  readonly zeros: number;
  /** Mean of a − b over all pairs, equal ones included; null for no pairs. */
  readonly meanDifference: number | null;
  /** Sum of the ranks of the positive differences. */
  readonly wPlus: number;
  /** Sum of the ranks of the negative differences. */
  readonly wMinus: number;
  /**
   * Test statistic, standard normal under the null hypothesis. Positive when a tends to be larger; 0 without
   * differences.
   */
  readonly z: number;
  /** Two-sided p-value of "the differences are symmetric around 0", 0 … 1. */
  readonly pValue: number;
}

/**
 * Wilcoxon's signed-rank test (1945) of two metrics of the same users, such as values of `perUserAuc` or
 * `perUserRanking`: it asks whether the differences a − b are symmetric around 0.
 *
 * Equal magnitudes share their mean rank, and the variance is corrected for them. The p-value is the normal
 * approximation without continuity correction, as `scipy.stats.wilcoxon(method='asymptotic')`; it is good from about 20
 * differing pairs on. We prefer this test to a permutation test because it needs no seed, and because metrics of users
 * have heavy tails.
 *
 * Differences tie only where they are equal as floats: 0.9 − 0.8 and 0.2 − 0.1 are not.
 *
 * @param a [users]; @param b [users], in the same order.
 * @throws InputError for unequal lengths, and naming the first pair with a value that is not finite.
 */
export function signedRankTest(a: NumberColumn, b: NumberColumn): SignedRankTest {
  if (a.length !== b.length) throw new InputError(`a has ${a.length} entries, b has ${b.length}`);
  const differences: number[] = [];
  let sum = 0;
  for (let index = 0; index < a.length; index++) {
    const difference = (a[index] as number) - (b[index] as number);
    if (!Number.isFinite(difference)) throw new InputError(`pair ${index}: both values must be finite numbers`);
    sum += difference;
    if (difference !== 0) differences.push(difference);
  }
  const n = differences.length;
  differences.sort((x, y) => Math.abs(x) - Math.abs(y));
  let wPlus = 0;
  let tieTerm = 0;
  for (let start = 0; start < n; ) {
    let end = start + 1;
    const magnitude = Math.abs(differences[start] as number);
    while (end < n && Math.abs(differences[end] as number) === magnitude) end++;
    const rank = (start + 1 + end) / 2;
    for (let place = start; place < end; place++) if ((differences[place] as number) > 0) wPlus += rank;
    const ties = end - start;
    tieTerm += ties * (ties * ties - 1);
    start = end;
  }
  const total = (n * (n + 1)) / 2;
  const variance = (n * (n + 1) * (2 * n + 1)) / 24 - tieTerm / 48;
  const z = n === 0 ? 0 : (wPlus - total / 2) / Math.sqrt(variance);
  return {
    pairs: n,
    zeros: a.length - n,
    meanDifference: a.length === 0 ? null : sum / a.length,
    wPlus,
    wMinus: total - wPlus,
    z,
    pValue: Math.min(1, 2 * normalUpperTail(Math.abs(z))),
  };
}

/**
 * Holm's step-down correction for several tests (1979). Rejecting the hypotheses whose adjusted p-value is at most α
 * keeps the probability of any false rejection at most α, however the tests depend on each other.
 *
 * @param pValues each in [0, 1].
 * @returns the adjusted p-values, in the given order.
 * @throws InputError naming the value that is no probability.
 */
export function holmAdjust(pValues: NumberColumn): Float64Array {
  const count = pValues.length;
  for (let index = 0; index < count; index++) {
    const value = pValues[index] as number;
    if (!(value >= 0 && value <= 1)) throw new InputError(`p-value ${index} must lie in [0, 1], got ${value}`);
  }
  const order = Array.from({ length: count }, (_, index) => index);
  order.sort((x, y) => (pValues[x] as number) - (pValues[y] as number));
  const adjusted = new Float64Array(count);
  let largest = 0;
  for (const [place, index] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (count - place) * (pValues[index] as number)));
    adjusted[index] = largest;
  }
  return adjusted;
}

/** Mean and deviation of a metric over runs with different seeds. */
export interface SeedSummary {
  /** Number of runs. */
  readonly runs: number;
  /** Mean of the metric; null for no runs. */
  readonly mean: number | null;
  /** Sample standard deviation (divisor n − 1); null for fewer than two runs. */
  readonly standardDeviation: number | null;
}

/**
 * Mean and sample standard deviation of a metric over runs with different seeds.
 *
 * @param values the metric of each run.
 * @throws InputError naming the run whose value is not finite.
 */
export function summarizeSeeds(values: NumberColumn): SeedSummary {
  const runs = values.length;
  let sum = 0;
  for (let run = 0; run < runs; run++) {
    const value = values[run] as number;
    if (!Number.isFinite(value)) throw new InputError(`run ${run}: value must be a finite number, got ${value}`);
    sum += value;
  }
  if (runs === 0) return { runs, mean: null, standardDeviation: null };
  const mean = sum / runs;
  let squares = 0;
  for (let run = 0; run < runs; run++) squares += ((values[run] as number) - mean) ** 2;
  return { runs, mean, standardDeviation: runs < 2 ? null : Math.sqrt(squares / (runs - 1)) };
}

/**
 * Formats a summary as `0.7431 ± 0.0012`: only the mean for a single run, `–` for none.
 *
 * @param digits after the point.
 */
export function formatSeeds({ mean, standardDeviation }: SeedSummary, digits = 4): string {
  if (mean === null) return '–';
  return mean.toFixed(digits) + (standardDeviation === null ? '' : ` ± ${standardDeviation.toFixed(digits)}`);
}

/** Tests over users and over seeds: Wilcoxon's signed ranks, Holm's correction, mean and deviation. */

import { InputError } from '@crossgate/core';
import type { NumberColumn } from './columns';
import { normalUpperTail } from './normal';

export interface SignedRankTest {
  /** Pairs with a difference, which are ranked. */
  readonly pairs: number;
  /** Pairs without one, which are left out (Wilcoxon's own treatment). */
  readonly zeros: number;
  /** Mean of a − b over all pairs, zeros included; null for no pairs. */
  readonly meanDifference: number | null;
  /** Sum of the ranks of the positive differences. */
  readonly wPlus: number;
  readonly wMinus: number;
  /** Standard normal under the null hypothesis; positive when a tends to be larger; 0 when nothing differs. */
  readonly z: number;
  /** Two-sided. */
  readonly pValue: number;
}

/**
 * Wilcoxon's signed-rank test of two metrics of the same users (of `perUserAuc` or `perUserRanking`, say): whether the
 * differences are symmetric around 0. Equal magnitudes share their mean rank, and the variance is corrected for them;
 * normal approximation without continuity correction, as `scipy.stats.wilcoxon(method='asymptotic')`. Fit for about 20
 * differing pairs or more; chosen over a permutation test because it needs no seed and users' metrics have heavy tails.
 *
 * Differences that ought to be equal tie only where they are equal as floats: .9 − .8 and .2 − .1 are not.
 *
 * @throws InputError for unequal lengths or a value that is not finite, naming the pair
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
 * Holm's step-down correction (1979): adjusted p-values in the order given. Rejecting where they are at most α keeps
 * the chance of any false rejection at α, whatever the dependence between the tests.
 *
 * @param pValues each in [0, 1]
 * @throws InputError naming the value that is no probability
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

export interface SeedSummary {
  readonly runs: number;
  readonly mean: number | null;
  /** Sample standard deviation (divisor n − 1); null for fewer than two runs. */
  readonly standardDeviation: number | null;
}

/**
 * Mean and sample standard deviation of one metric over runs with different seeds.
 *
 * @throws InputError naming the run whose value is not finite
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

/** `0.7431 ± 0.0012`, the mean alone for a single run, `–` for none. */
export function formatSeeds({ mean, standardDeviation }: SeedSummary, digits = 4): string {
  if (mean === null) return '–';
  return mean.toFixed(digits) + (standardDeviation === null ? '' : ` ± ${standardDeviation.toFixed(digits)}`);
}

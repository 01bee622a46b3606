/** DeLong's interval for an AUC and paired test of two. */

import { InputError } from '@crossgate/core';
import { checkColumns, type NumberColumn, scoresByClass } from './columns';
import { normalQuantile, normalUpperTail } from './normal';

/** Number of sorted values below `value`, plus half of those equal to it. */
function placement(sorted: Float64Array, value: number): number {
  const count = (isLeft: (candidate: number) => boolean): number => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isLeft(sorted[middle] as number)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return (count((candidate) => candidate < value) + count((candidate) => candidate <= value)) / 2;
}

interface Components {
  readonly auc: number;
  /** For each positive, the share of negatives it beats. */
  readonly positive: Float64Array;
  /** For each negative, the share of positives that beat it. */
  readonly negative: Float64Array;
}

/**
 * The structural components of DeLong, DeLong and Clarke-Pearson (1988), in O(n log n) as by the midranks of
 * Sun and Xu (2014): sorted once per class, then placed by bisection.
 */
function components(label: NumberColumn, score: NumberColumn): Components | null {
  checkColumns(label, score);
  const { positive, negative } = scoresByClass(label, score);
  // A sample variance needs two of each class.
  if (positive.length < 2 || negative.length < 2) return null;
  const sortedPositive = positive.slice().sort();
  const sortedNegative = negative.slice().sort();
  const ofPositive = positive.map((value) => placement(sortedNegative, value) / negative.length);
  const ofNegative = negative.map((value) => 1 - placement(sortedPositive, value) / positive.length);
  return { auc: mean(ofPositive), positive: ofPositive, negative: ofNegative };
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Sample covariance (divisor n − 1). */
function covariance(a: Float64Array, b: Float64Array): number {
  const meanA = mean(a);
  const meanB = mean(b);
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += ((a[index] as number) - meanA) * ((b[index] as number) - meanB);
  return sum / (a.length - 1);
}

function aucCovariance(a: Components, b: Components): number {
  return (
    covariance(a.positive, b.positive) / a.positive.length + covariance(a.negative, b.negative) / a.negative.length
  );
}

/** An AUC with DeLong's variance. */
export interface AucInterval {
  /** Area under the ROC curve, 0 … 1. */
  readonly auc: number;
  /** DeLong's estimate of the variance of `auc`. */
  readonly variance: number;
  /** Lower and upper end of the normal interval auc ± z·√variance, clipped to [0, 1]. */
  readonly interval: readonly [number, number];
}

/**
 * AUC with DeLong's variance and interval (DeLong, DeLong & Clarke-Pearson 1988), in O(n log n). Rows are taken as
 * independent. Rows of one user are not, so the true uncertainty over users is larger: see {@link bootstrapClicks}.
 *
 * @param label [rows] of 0 or 1; @param score [rows] of any numbers but NaN.
 * @param level coverage of the interval, in (0, 1). Default 0.95.
 * @returns null when a class has fewer than two rows.
 * @throws InputError as {@link auc} does, and for a level that is not below 1.
 */
export function deLongInterval(label: NumberColumn, score: NumberColumn, level = 0.95): AucInterval | null {
  const parts = components(label, score);
  if (parts === null) return null;
  const variance = aucCovariance(parts, parts);
  const half = normalQuantile((1 + level) / 2) * Math.sqrt(variance);
  return { auc: parts.auc, variance, interval: [Math.max(0, parts.auc - half), Math.min(1, parts.auc + half)] };
}

/** A paired test of two AUCs of the same rows. */
export interface PairedAucTest {
  /** AUC of A, 0 … 1. */
  readonly aucA: number;
  /** AUC of B, 0 … 1. */
  readonly aucB: number;
  /** aucA − aucB. */
  readonly difference: number;
  /** DeLong's standard error of the difference. */
  readonly standardError: number;
  /** difference / standardError: 0 when the difference is 0, ±Infinity when only the standard error is. */
  readonly z: number;
  /** Two-sided p-value of "both AUCs are equal", 0 … 1. */
  readonly pValue: number;
  /** Lower and upper end of the normal interval of the difference, not clipped. */
  readonly interval: readonly [number, number];
}

/**
 * DeLong's paired, two-sided test of the AUCs of two score columns on the same rows (DeLong, DeLong & Clarke-Pearson
 * 1988). Rows are taken as independent, as by {@link deLongInterval}.
 *
 * @param label [rows] of 0 or 1; @param scoreA [rows]; @param scoreB [rows].
 * @param level coverage of the interval, in (0, 1). Default 0.95.
 * @returns null when a class has fewer than two rows.
 * @throws InputError as {@link auc} does, and for a level that is not below 1.
 */
export function deLongTest(
  label: NumberColumn,
  scoreA: NumberColumn,
  scoreB: NumberColumn,
  level = 0.95,
): PairedAucTest | null {
  return deLongTestOfMeans(label, [scoreA], [scoreB], level);
}

/** The mean of the components of several columns: those of the mean AUC, which is linear in them. */
function meanComponents(label: NumberColumn, scores: readonly NumberColumn[]): Components | null {
  if (scores.length === 0) throw new InputError('at least one score column is needed on each side');
  let sum: Components | null = null;
  for (const score of scores) {
    const one = components(label, score);
    if (one === null) return null;
    if (sum === null) {
      sum = one;
      continue;
    }
    const before: Components = sum;
    sum = {
      auc: before.auc + one.auc,
      positive: before.positive.map((value, index) => value + (one.positive[index] as number)),
      negative: before.negative.map((value, index) => value + (one.negative[index] as number)),
    };
  }
  if (sum === null || scores.length === 1) return sum;
  const divide = (value: number) => value / scores.length;
  return { auc: divide(sum.auc), positive: sum.positive.map(divide), negative: sum.negative.map(divide) };
}

/**
 * {@link deLongTest} for the mean AUC of several score columns per side, such as one per seed of methods A and B, all
 * on the same rows. It tells how these trained models compare on other rows of the same kind. It does not include the
 * spread between seeds, so it cannot tell how newly trained models would compare.
 *
 * @param scoresA at least one column [rows]; @param scoresB at least one column [rows].
 * @param level coverage of the interval, in (0, 1). Default 0.95.
 * @returns null when a class has fewer than two rows.
 * @throws InputError as {@link auc} does, and for a side without columns or a level that is not below 1.
 */
export function deLongTestOfMeans(
  label: NumberColumn,
  scoresA: readonly NumberColumn[],
  scoresB: readonly NumberColumn[],
  level = 0.95,
): PairedAucTest | null {
  const a = meanComponents(label, scoresA);
  const b = meanComponents(label, scoresB);
  if (a === null || b === null) return null;
  // var(A − B) through the differences themselves: equal columns give exactly 0.
  const apart: Components = {
    auc: a.auc - b.auc,
    positive: a.positive.map((value, index) => value - (b.positive[index] as number)),
    negative: a.negative.map((value, index) => value - (b.negative[index] as number)),
  };
  const standardError = Math.sqrt(aucCovariance(apart, apart));
  const difference = apart.auc;
  const z = difference === 0 ? 0 : difference / standardError;
  const half = normalQuantile((1 + level) / 2) * standardError;
  return {
    aucA: a.auc,
    aucB: b.auc,
    difference,
    standardError,
    z,
    pValue: Math.min(1, 2 * normalUpperTail(Math.abs(z))),
    interval: [difference - half, difference + half],
  };
}

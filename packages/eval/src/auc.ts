/** Area under the ROC curve, over all rows and per user. */
import { checkColumns, checkLength, countPositives, type NumberColumn, scoresByClass } from './columns';

/**
 * AUC of sorted scores: the share of (positive, negative) pairs that are in order, ties counting half.
 * Twice the count is a whole number, so the sum is exact up to 2^53.
 */
function aucOfSorted(positive: Float64Array, negative: Float64Array): number | null {
  if (positive.length === 0 || negative.length === 0) return null;
  let below = 0;
  let notAbove = 0;
  let doubled = 0;
  for (const score of positive) {
    while (below < negative.length && (negative[below] as number) < score) below++;
    while (notAbove < negative.length && (negative[notAbove] as number) <= score) notAbove++;
    doubled += below + notAbove;
  }
  return doubled / (2 * positive.length * negative.length);
}

/**
 * Area under the ROC curve: the share of (positive, negative) pairs in which the positive has the higher score, where a
 * tie counts half (the Mann–Whitney statistic; Hanley & McNeil 1982). O(n log n), with exact rank sums.
 *
 * @param label [rows] of 0 or 1.
 * @param score [rows] of any numbers but NaN; only their order matters.
 * @returns 0 … 1; null when one class is missing.
 * @throws InputError for unequal lengths, and naming the first row whose label is neither 0 nor 1 or whose score is
 * NaN.
 */
export function auc(label: NumberColumn, score: NumberColumn): number | null {
  checkColumns(label, score);
  const { positive, negative } = scoresByClass(label, score);
  return aucOfSorted(positive.sort(), negative.sort());
}

/** Why the AUC of rows with these labels is undefined, in words that follow their name; null where it is defined. */
export function whyNoAuc(label: NumberColumn): string | null {
  if (label.length === 0) return 'has no rows';
  const positives = countPositives(label);
  if (positives === 0) return 'has only negatives';
  return positives === label.length ? 'has only positives' : null;
}

/** AUC of one user's rows. */
export interface UserAuc {
  /** Id of the user. */
  readonly user: number | string;
  /** Number of the user's rows. */
  readonly rows: number;
  /** Number of the user's rows with label 1. */
  readonly positives: number;
  /** 0 … 1; null when the user has only one class. */
  readonly auc: number | null;
}

/** Scored rows as three columns of equal length. */
export interface ScoredRows {
  /** User of each row: any id. */
  readonly user: ArrayLike<number | string>;
  /** 1 for a positive row, 0 for a negative one. */
  readonly label: NumberColumn;
  /** The model's score of each row: any number but NaN; higher means more likely positive. */
  readonly score: NumberColumn;
}

/**
 * AUC of each user's own rows, in the order in which users first appear. O(n log n).
 *
 * @throws InputError as {@link auc} does.
 */
export function perUserAuc({ user, label, score }: ScoredRows): UserAuc[] {
  checkColumns(label, score);
  checkLength('user', user, label);
  const indexOf = new Map<number | string, number>();
  const userOfRow = new Int32Array(label.length);
  const rows: number[] = [];
  const positives: number[] = [];
  for (let row = 0; row < label.length; row++) {
    const id = user[row] as number | string;
    let index = indexOf.get(id);
    if (index === undefined) {
      index = indexOf.size;
      indexOf.set(id, index);
      rows.push(0);
      positives.push(0);
    }
    userOfRow[row] = index;
    rows[index] = (rows[index] as number) + 1;
    positives[index] = (positives[index] as number) + (label[row] as number);
  }
  // Scores grouped by user: positives from the start of the user's range, negatives from its end.
  const start = new Int32Array(rows.length + 1);
  for (let index = 0; index < rows.length; index++)
    start[index + 1] = (start[index] as number) + (rows[index] as number);
  const grouped = new Float64Array(label.length);
  const nextPositive = start.slice(0, rows.length);
  const nextNegative = Int32Array.from(rows, (_, index) => (start[index] as number) + (positives[index] as number));
  for (let row = 0; row < label.length; row++) {
    const next = label[row] === 1 ? nextPositive : nextNegative;
    const index = userOfRow[row] as number;
    const place = next[index] as number;
    grouped[place] = score[row] as number;
    next[index] = place + 1;
  }
  return Array.from(indexOf.keys(), (id, index) => {
    const first = start[index] as number;
    const middle = first + (positives[index] as number);
    const positive = grouped.subarray(first, middle).sort();
    const negative = grouped.subarray(middle, start[index + 1]).sort();
    return {
      user: id,
      rows: rows[index] as number,
      positives: positives[index] as number,
      auc: aucOfSorted(positive, negative),
    };
  });
}

/**
 * UAUC: the unweighted mean of per-user AUC over the users that have both classes (as in CoLLM and CCF-LLM).
 *
 * @returns `uauc`, 0 … 1, null when no user has both classes; and `users`, the number of users in the mean.
 * @throws InputError as {@link auc} does.
 */
export function uauc(rows: ScoredRows): { uauc: number | null; users: number } {
  let sum = 0;
  let users = 0;
  for (const entry of perUserAuc(rows)) {
    if (entry.auc === null) continue;
    sum += entry.auc;
    users++;
  }
  return { uauc: users === 0 ? null : sum / users, users };
}

/**
 * GAUC: the weighted mean of per-user AUC over the users that have both classes.
 *
 * @param weight of a user: the number of rows (`impressions`, Zhou et al. 2018, the default), or the number of
 * positives (as RecBole's `GAUC`).
 * @returns `gauc`, 0 … 1, null when no user has both classes; and `users`, the number of users in the mean.
 * @throws InputError as {@link auc} does.
 */
export function gauc(
  rows: ScoredRows,
  weight: 'impressions' | 'positives' = 'impressions',
): { gauc: number | null; users: number } {
  let sum = 0;
  let weights = 0;
  let users = 0;
  for (const entry of perUserAuc(rows)) {
    if (entry.auc === null) continue;
    const own = weight === 'impressions' ? entry.rows : entry.positives;
    sum += own * entry.auc;
    weights += own;
    users++;
  }
  return { gauc: users === 0 ? null : sum / weights, users };
}

/** Trivial baselines from mean labels alone. A model has to beat the one that sees the same information. */
import { InputError } from '@crossgate/core';
import { type Dataset, type SplitName, splitNames } from '@crossgate/data';
import type { BaselineName } from './declarations';

/** Settings of {@link scoreBaseline}. */
export interface BaselineOptions {
  /** Prior strength of every mean, in rows, at least 0. Default 5. */
  readonly strength?: number;
  /**
   * Factor on the user's mean residual in `running-mean`. Default 4: near ½, log-odds change four times as fast as the
   * mean.
   */
  readonly residualScale?: number;
}

/**
 * Mean train label of each dense id, shrunk toward the mean of all train rows as if `strength` further rows had that
 * mean: (positives + strength · mean) / (rows + strength). An id without train rows gets the mean itself, and so does
 * the padding 0.
 *
 * @param count number of ids, without the padding.
 * @returns [count + 1].
 */
export function smoothedMeans(ids: Int32Array, label: Uint8Array, count: number, strength: number): Float64Array {
  const rows = new Float64Array(count + 1);
  const positives = new Float64Array(count + 1);
  let total = 0;
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row] as number;
    rows[id] = (rows[id] as number) + 1;
    positives[id] = (positives[id] as number) + (label[row] as number);
    total += label[row] as number;
  }
  // Without train rows (or with one class and no prior) nothing is known: ½.
  const prior = ids.length === 0 ? 0.5 : total / ids.length;
  return rows.map((size, id) =>
    size + strength === 0 ? prior : ((positives[id] as number) + strength * prior) / (size + strength),
  );
}

/** Log-odds log(p / (1 − p)) of a probability. It is clipped to [1e-9, 1 − 1e-9], so 0 and 1 give finite values. */
export function logOdds(probability: number): number {
  const clipped = Math.min(1 - 1e-9, Math.max(1e-9, probability));
  return Math.log(clipped / (1 - clipped));
}

/** Place and time of one of the rows of a user. */
interface UserRow {
  readonly split: SplitName;
  readonly row: number;
  readonly timestamp: number;
}

/** Running mean residuals of users. */
interface Residuals {
  /** Of each row: over the user's strictly earlier rows. */
  readonly of: Record<SplitName, Float64Array>;
  /** [users + 1] over all rows of a user. */
  readonly last: Float64Array;
}

/**
 * The running mean residual of each row's user, over that user's strictly earlier rows of all splits:
 * (sum of label − item mean) / (count + strength). Earlier means an earlier second: rows of one second, of which
 * MovieLens has many, do not see one another.
 */
function runningResiduals(dataset: Dataset, itemMean: Float64Array, strength: number): Residuals {
  const result = {} as Record<SplitName, Float64Array>;
  const last = new Float64Array(dataset.users.length);
  const rowsOf: UserRow[][] = dataset.users.map(() => []);
  for (const split of splitNames) {
    const { rows, user, timestamp } = dataset.splits[split];
    result[split] = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      rowsOf[user[row] as number]?.push({ split, row, timestamp: timestamp[row] as number });
    }
  }
  const residualOf = ({ split, row }: UserRow) => {
    const { item, label } = dataset.splits[split];
    return (label[row] as number) - (itemMean[item[row] as number] as number);
  };
  for (const [user, rows] of rowsOf.entries()) {
    rows.sort((a, b) => a.timestamp - b.timestamp);
    let sum = 0;
    let count = 0;
    for (const { split, row, timestamp } of rows) {
      // Only rows of an earlier second count; the row itself ends the loop at the latest.
      for (let earlier = rows[count] as UserRow; earlier.timestamp < timestamp; earlier = rows[++count] as UserRow) {
        sum += residualOf(earlier);
      }
      result[split][row] = sum / (count + strength || 1);
    }
    for (const row of rows.slice(count)) sum += residualOf(row);
    last[user] = sum / (rows.length + strength || 1);
  }
  return { of: result, last };
}

/** A trivial baseline on a data set. */
export interface BaselineScorer {
  /** One score per row of a split, in row order. */
  rows(split: SplitName): Float64Array;
  /** One score per pair of dense ids, as of a row that comes after all others: what is known of users is everything. */
  pairs(user: Int32Array, item: Int32Array): Float64Array;
}

/**
 * Makes a trivial baseline. All means are of train labels, shrunk toward the overall train mean with `strength`.
 *
 * - `item-mean`: the item's mean (a probability).
 * - `mean`: log-odds of the item's mean plus log-odds of the user's mean.
 * - `running-mean`: log-odds of the item's mean plus `residualScale` times the user's running mean residual. That sees
 *   every earlier label of the user, also those of the validation and test period.
 *
 * Only `item-mean` gives probabilities.
 * @throws InputError for a strength below 0 and an option that is not finite.
 */
export function baselineScorer(name: BaselineName, dataset: Dataset, options: BaselineOptions = {}): BaselineScorer {
  const { strength = 5, residualScale = 4 } = options;
  if (!(strength >= 0 && strength < Number.POSITIVE_INFINITY))
    throw new InputError(`strength must be ≥ 0, got ${strength}`);
  if (!Number.isFinite(residualScale)) throw new InputError(`residualScale must be finite, got ${residualScale}`);
  const { train } = dataset.splits;
  const itemMean = smoothedMeans(train.item, train.label, dataset.itemCount, strength);
  if (name === 'item-mean') {
    const pairs = (_: Int32Array, item: Int32Array) => Float64Array.from(item, (id) => itemMean[id] as number);
    return { pairs, rows: (split) => pairs(dataset.splits[split].user, dataset.splits[split].item) };
  }
  const itemLogOdds = itemMean.map(logOdds);
  const sum = (item: Int32Array, ofUser: (row: number) => number) =>
    Float64Array.from(item, (id, row) => (itemLogOdds[id] as number) + ofUser(row));
  if (name === 'mean') {
    const userLogOdds = smoothedMeans(train.user, train.label, dataset.userCount, strength).map(logOdds);
    const pairs = (user: Int32Array, item: Int32Array) =>
      sum(item, (row) => userLogOdds[user[row] as number] as number);
    return { pairs, rows: (split) => pairs(dataset.splits[split].user, dataset.splits[split].item) };
  }
  const residuals = runningResiduals(dataset, itemMean, strength);
  return {
    pairs: (user, item) => sum(item, (row) => residualScale * (residuals.last[user[row] as number] as number)),
    rows: (split) => sum(dataset.splits[split].item, (row) => residualScale * (residuals.of[split][row] as number)),
  };
}

/**
 * Scores a split by a trivial baseline, see {@link baselineScorer}.
 *
 * @returns one score per row, in row order
 * @throws as {@link baselineScorer}
 */
export function scoreBaseline(
  name: BaselineName,
  dataset: Dataset,
  split: SplitName,
  options: BaselineOptions = {},
): Float64Array {
  return baselineScorer(name, dataset, options).rows(split);
}

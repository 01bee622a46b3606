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

/**
 * The running mean residual of each row's user, over that user's strictly earlier rows of all splits:
 * (sum of label − item mean) / (count + strength). Earlier means an earlier second: rows of one second, of which
 * MovieLens has many, do not see one another.
 *
 * @returns one column per split
 */
function runningResiduals(dataset: Dataset, itemMean: Float64Array, strength: number): Record<SplitName, Float64Array> {
  const result = {} as Record<SplitName, Float64Array>;
  const rowsOf: UserRow[][] = dataset.users.map(() => []);
  for (const split of splitNames) {
    const { rows, user, timestamp } = dataset.splits[split];
    result[split] = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      rowsOf[user[row] as number]?.push({ split, row, timestamp: timestamp[row] as number });
    }
  }
  for (const rows of rowsOf) {
    rows.sort((a, b) => a.timestamp - b.timestamp);
    let sum = 0;
    let count = 0;
    for (const { split, row, timestamp } of rows) {
      // Only rows of an earlier second count; the row itself ends the loop at the latest.
      for (let earlier = rows[count] as UserRow; earlier.timestamp < timestamp; earlier = rows[++count] as UserRow) {
        const { item, label } = dataset.splits[earlier.split];
        sum += (label[earlier.row] as number) - (itemMean[item[earlier.row] as number] as number);
      }
      result[split][row] = sum / (count + strength || 1);
    }
  }
  return result;
}

/**
 * Scores a split by a trivial baseline. All means are of train labels, shrunk toward the overall train mean with
 * `strength`.
 *
 * - `item-mean`: the item's mean (a probability).
 * - `mean`: log-odds of the item's mean plus log-odds of the user's mean.
 * - `running-mean`: log-odds of the item's mean plus `residualScale` times the user's running mean residual. That sees
 *   every earlier label of the user, also those of the validation and test period.
 *
 * @returns one score per row, in row order; only `item-mean` gives probabilities.
 * @throws InputError for a strength below 0 and an option that is not finite.
 */
export function scoreBaseline(
  name: BaselineName,
  dataset: Dataset,
  split: SplitName,
  options: BaselineOptions = {},
): Float64Array {
  const { strength = 5, residualScale = 4 } = options;
  if (!(strength >= 0 && strength < Number.POSITIVE_INFINITY))
    throw new InputError(`strength must be ≥ 0, got ${strength}`);
  if (!Number.isFinite(residualScale)) throw new InputError(`residualScale must be finite, got ${residualScale}`);
  const { train } = dataset.splits;
  const { item, user } = dataset.splits[split];
  const itemMean = smoothedMeans(train.item, train.label, dataset.itemCount, strength);
  const ofItem = Float64Array.from(item, (id) => itemMean[id] as number);
  if (name === 'item-mean') return ofItem;
  const itemLogOdds = ofItem.map(logOdds);
  if (name === 'mean') {
    const userLogOdds = smoothedMeans(train.user, train.label, dataset.userCount, strength).map(logOdds);
    return itemLogOdds.map((value, row) => value + (userLogOdds[user[row] as number] as number));
  }
  const residual = runningResiduals(dataset, itemMean, strength)[split];
  return itemLogOdds.map((value, row) => value + residualScale * (residual[row] as number));
}

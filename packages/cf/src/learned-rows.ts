/** The train rows that a loss learns from. */
import type { CfModel } from './backend';
import { hasNegatives, negativePool } from './negative-pool';
import type { CfTrainerOptions } from './trainer-options';
import type { ClickColumns } from './training-data';

/** The name of a loss. */
type Loss = NonNullable<CfTrainerOptions['loss']>;

/** Whether a loss of single rows compares them with sampled negatives. */
export function isSampled(loss: Loss): boolean {
  return loss === 'sampled-bce' || loss === 'bpr';
}

/**
 * The rows that a loss learns from: all for `bce`, else those with label 1. A user who likes every seen item has no
 * negatives, so a loss with sampled ones learns nothing from that user's rows.
 *
 * @returns row numbers, ascending.
 */
export function learnedRows({ itemSeen }: Pick<CfModel, 'itemSeen'>, train: ClickColumns, loss: Loss): Int32Array {
  const all = Int32Array.from({ length: train.rows }, (_, row) => row);
  if (loss === 'bce') return all;
  const liked = all.filter((row) => train.label[row] === 1);
  if (!isSampled(loss)) return liked;
  const pool = negativePool(itemSeen, train);
  return liked.filter((row) => hasNegatives(pool, train.user[row]!));
}

/** How many users have rows with label 1 of which a loss with sampled negatives learns from none. */
export function countLeftOut({ rows, user, label }: ClickColumns, learned: Int32Array, loss: Loss): number {
  if (!isSampled(loss)) return 0;
  const liking = new Set<number>();
  for (let row = 0; row < rows; row++) if (label[row] === 1) liking.add(user[row]!);
  for (const row of learned) liking.delete(user[row]!);
  return liking.size;
}

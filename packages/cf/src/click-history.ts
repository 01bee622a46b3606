/** Histories that also say what the user disliked, as models of the classes H and P read them. */
import { type Dataset, type SplitName, splitNames } from '@crossgate/data';

/**
 * A history with labels: `[…clicks, 0, …positives]`, each part oldest first. A click on item i is i if the user liked
 * it and −i if not. The positives are from a time of which only the liked items are known. A history without a 0 has
 * positives only, so a plain history of positives is also a ClickHistory.
 */
export type ClickHistory = Int32Array;

/** Histories of users, as a model reads them. */
export interface UserHistories {
  /**
   * What was known of the user when this row is scored: the last `limit` entries (default: all). The 0 between the two
   * parts does not count.
   */
  before(split: SplitName, row: number, limit?: number): ClickHistory;
  /** What is known of a user after all rows: the last `limit` entries (default: all). */
  latest(user: number, limit?: number): ClickHistory;
}

/**
 * Histories with labels, as far as an information class allows.
 *
 * - `H`: the user's train rows of earlier seconds with their labels, then the items that the user liked between these
 *   and the row.
 * - `P`: the user's rows of earlier seconds with their labels, whatever their split.
 */
export function clickHistories(dataset: Dataset, information: 'H' | 'P'): UserHistories {
  const clicksOf: { time: number; entry: number }[][] = dataset.users.map(() => []);
  const trainPositives = new Int32Array(dataset.users.length);
  for (const split of splitNames) {
    if (information === 'H' && split !== 'train') continue;
    const { rows, user, item, label, timestamp } = dataset.splits[split];
    for (let row = 0; row < rows; row++) {
      const [id, liked] = [user[row]!, label[row]!];
      clicksOf[id]!.push({ time: timestamp[row]!, entry: liked ? item[row]! : -item[row]! });
      if (split === 'train') trainPositives[id]! += liked;
    }
  }
  for (const clicks of clicksOf) clicks.sort((a, b) => a.time - b.time);
  /** The clicks of a user before a time and, in class H, the positives since train. */
  const join = (user: number, time: number, positives: Int32Array | null, limit: number) => {
    const clicks = clicksOf[user]!;
    const known = countBefore(clicks, time);
    const later = last(positives?.subarray(trainPositives[user]) ?? new Int32Array(0), limit);
    const kept = clicks.slice(Math.max(0, known + later.length - limit), known);
    return Int32Array.from([...kept.map(({ entry }) => entry), 0, ...later]);
  };
  return {
    before(split, row, limit = Number.POSITIVE_INFINITY) {
      const { user, timestamp } = dataset.splits[split];
      const positives = information === 'H' && split !== 'train' ? dataset.history(split, row) : null;
      return join(user[row]!, timestamp[row]!, positives, limit);
    },
    latest(user, limit = Number.POSITIVE_INFINITY) {
      const positives = information === 'H' ? dataset.positives(user) : null;
      return join(user, Number.POSITIVE_INFINITY, positives, limit);
    },
  };
}

/** Histories of positives alone, as MF, LightGCN and SASRec take them. */
export function positiveHistories(dataset: Dataset): UserHistories {
  return {
    before: (split, row, limit) => dataset.history(split, row, limit),
    latest: (user, limit = Number.POSITIVE_INFINITY) => last(dataset.positives(user), limit),
  };
}

/** Number of clicks with an earlier time; they are sorted by it. */
function countBefore(clicks: readonly { readonly time: number }[], time: number): number {
  let [low, high] = [0, clicks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (clicks[middle]!.time < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function last(history: Int32Array, limit: number): Int32Array {
  return history.subarray(Math.max(0, history.length - limit));
}

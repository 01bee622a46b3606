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

/** An item with the sign of its label, and when. */
interface Click {
  readonly time: number;
  readonly entry: number;
}

const none = new Int32Array(0);

/**
 * Histories with labels, as far as an information class allows.
 *
 * - `H`: the user's train rows of earlier seconds with their labels, then the items that the user liked between these
 *   and the row.
 * - `P`: the user's rows of earlier seconds with their labels, whatever their split.
 */
export function clickHistories(dataset: Dataset, information: 'H' | 'P'): UserHistories {
  const clicksOf: Click[][] = dataset.users.map(() => []);
  /** Of class H: what is liked outside of train. */
  const laterOf: Click[][] = dataset.users.map(() => []);
  const trainPositives = new Int32Array(dataset.users.length);
  for (const split of splitNames) {
    const { rows, user, item, label, timestamp } = dataset.splits[split];
    const isTold = information === 'P' || split === 'train';
    for (let row = 0; row < rows; row++) {
      const [id, liked] = [user[row]!, label[row]!];
      const click = { time: timestamp[row]!, entry: liked ? item[row]! : -item[row]! };
      if (isTold) clicksOf[id]!.push(click);
      else if (liked) laterOf[id]!.push(click);
      if (split === 'train') trainPositives[id]! += liked;
    }
  }
  for (const clicks of [...clicksOf, ...laterOf]) clicks.sort((a, b) => a.time - b.time);
  /** The clicks of a user before a time, and in class H the positives outside of train. */
  const join = (user: number, time: number, positives: Int32Array, limit: number) => {
    const clicks = clicksOf[user]!;
    const known = countBefore(clicks, time);
    const later = last(positives, limit);
    const kept = clicks.slice(Math.max(0, known + later.length - limit), known);
    return Int32Array.from([...kept.map(({ entry }) => entry), 0, ...later]);
  };
  return {
    before(split, row, limit = Number.POSITIVE_INFINITY) {
      const { user, timestamp } = dataset.splits[split];
      const told = information === 'P' || split === 'train';
      const positives = told ? none : dataset.history(split, row).subarray(trainPositives[user[row]!]);
      return join(user[row]!, timestamp[row]!, positives, limit);
    },
    latest(user, limit = Number.POSITIVE_INFINITY) {
      const positives = Int32Array.from(laterOf[user]!, ({ entry }) => entry);
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

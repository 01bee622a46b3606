/** Finds the row of a (user, item) pair in a data set. */
import { type Dataset, type SplitName, splitNames } from './dataset';

/** The place of a row in a data set. */
export interface RowPlace {
  /** The split that has the row. */
  readonly split: SplitName;
  /** Number of the row in its split, from 0. */
  readonly row: number;
}

/**
 * Prepares a data set for finding rows by user and item. It groups rows by user, since a Map of all pairs could not
 * hold more than 2²⁴.
 *
 * @returns a function that takes dense ids of a user and an item, and gives the place of their row: the last one where
 * there are several, and null where there is none.
 */
export function rowFinder(dataset: Dataset): (user: number, item: number) => RowPlace | null {
  const offsets = new Int32Array(dataset.userCount + 2);
  for (const split of splitNames) for (const user of dataset.splits[split].user) offsets[user + 1]!++;
  for (let user = 0; user <= dataset.userCount; user++) offsets[user + 1]! += offsets[user]!;
  const next = offsets.slice();
  const [splitOf, rowOf] = [new Uint8Array(offsets.at(-1)!), new Int32Array(offsets.at(-1)!)];
  for (const [index, split] of splitNames.entries()) {
    for (const [row, user] of dataset.splits[split].user.entries()) {
      const place = next[user]!++;
      splitOf[place] = index;
      rowOf[place] = row;
    }
  }
  return (user, item) => {
    for (let place = offsets[user + 1]! - 1; place >= offsets[user]!; place--) {
      const [split, row] = [splitNames[splitOf[place]!]!, rowOf[place]!];
      if (dataset.splits[split].item[row] === item) return { split, row };
    }
    return null;
  };
}

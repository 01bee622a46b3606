/** Which row of a data set a pair of user and item is. */
import { type Dataset, type SplitName, splitNames } from './dataset';

/** A row of a split. */
export interface RowPlace {
  readonly split: SplitName;
  readonly row: number;
}

/** Finds the row that a pair is, the last where there are several. Rows lie by user: a Map of all pairs would end at 2^24. */
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

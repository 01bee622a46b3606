/** Which users and items have train rows. */
import type { Dataset } from '@crossgate/data';

/** Flags of the users and items that have train rows. */
export interface SeenFlags {
  /** [users + 1]: 1 where the user has train rows, else 0. Index 0, the padding, is 0. */
  readonly userSeen: Uint8Array;
  /** [items + 1]: 1 where the item has train rows, else 0. Index 0, the padding, is 0. */
  readonly itemSeen: Uint8Array;
}

/** Flags of the users and items of the train split of a data set. */
export function seenInTrain(dataset: Dataset): SeenFlags {
  const { user, item } = dataset.splits.train;
  const userSeen = new Uint8Array(dataset.userCount + 1);
  const itemSeen = new Uint8Array(dataset.itemCount + 1);
  for (const id of user) userSeen[id] = 1;
  for (const id of item) itemSeen[id] = 1;
  return { userSeen, itemSeen };
}

/** The graph of LightGCN: the positive rows of a data set's train split, as [edges] columns of dense ids. */
export function positiveEdges(dataset: Dataset): { user: Int32Array; item: Int32Array } {
  const { user, item, label } = dataset.splits.train;
  return { user: user.filter((_, row) => label[row] === 1), item: item.filter((_, row) => label[row] === 1) };
}

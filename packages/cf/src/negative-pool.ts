/** What sampled losses draw negatives from: seen items that are no positive of the user in train. */
import { InputError } from '@crossgate/gpu';

/** Pairs that are no negatives: rows with label 1. */
export interface KnownPositives {
  readonly user: ArrayLike<number>;
  readonly item: ArrayLike<number>;
  readonly label: ArrayLike<number>;
}

/** Seen items, and those of them that each user has a positive with. */
export interface NegativePool {
  /** Seen items, ascending. */
  readonly candidates: Uint32Array;
  /** [users + 1]: where each user's positives begin and end; users are those of the rows. */
  readonly offsets: Uint32Array;
  /** Seen items, ascending for each user, each once. */
  readonly positives: Uint32Array;
}

/** @param itemSeen [items + 1]: 1 for items that may be drawn */
export function negativePool(itemSeen: Uint8Array, { user, item, label }: KnownPositives): NegativePool {
  const candidates = Uint32Array.from(itemSeen.keys()).filter((id) => itemSeen[id] === 1);
  const isKnown = (row: number) => label[row] === 1 && itemSeen[item[row]!] === 1;
  let users = 0;
  for (let row = 0; row < user.length; row++) users = Math.max(users, user[row]! + 1);
  const starts = new Uint32Array(users + 1);
  for (let row = 0; row < user.length; row++) if (isKnown(row)) starts[user[row]! + 1]!++;
  for (let id = 0; id < users; id++) starts[id + 1]! += starts[id]!;
  const next = starts.slice();
  const all = new Uint32Array(starts[users]!);
  for (let row = 0; row < user.length; row++) if (isKnown(row)) all[next[user[row]!]!++] = item[row]!;
  const offsets = new Uint32Array(users + 1);
  let length = 0;
  for (let id = 0; id < users; id++) {
    const own = all.subarray(starts[id], starts[id + 1]).sort();
    // An item that was chosen twice counts once.
    for (let place = 0; place < own.length; place++) {
      if (place === 0 || own[place] !== own[place - 1]) all[length++] = own[place]!;
    }
    offsets[id + 1] = length;
  }
  return { candidates, offsets, positives: all.slice(0, length) };
}

/** Whether there is an item that a user can be shown as a negative. */
export function hasNegatives({ candidates, offsets }: NegativePool, user: number): boolean {
  return candidates.length > offsets[user + 1]! - offsets[user]!;
}

/** The refusal of data in which nobody can be shown a negative. @param items how many are seen */
export function noNegatives(loss: string, items: number): InputError {
  return new InputError(
    `every user with a positive in train has one with ${items === 1 ? 'the only item' : `all ${items} items`} there, so ${loss} has no negatives to sample`,
    { code: 'config.value', place: 'cf.loss', fix: 'learn from labels (bce), or by softmax over all items' },
  );
}

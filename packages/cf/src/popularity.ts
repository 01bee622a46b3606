/** What is popular, which is the same for everybody, and whether a model knows more of a user. */
import type { Dataset } from '@crossgate/data';
import type { CfBackend } from './backend';

/**
 * How many users have a positive with each item, in all splits; each user counts once.
 *
 * @returns [items + 1], by dense id.
 */
export function itemPopularity(dataset: Dataset): Int32Array {
  const counts = new Int32Array(dataset.itemCount + 1);
  for (let user = 1; user <= dataset.userCount; user++) {
    for (const item of new Set(dataset.positives(user))) counts[item]!++;
  }
  return counts;
}

/**
 * Whether a model has anything of a user to go by: train rows or, where it reads histories, an entry of the user's with
 * an item that has train rows. A list for another user is not personal.
 *
 * @param user dense id.
 * @param history of the user, at most `limit` entries; needed where the model reads histories.
 */
export function knowsUser(
  { historyLength, userSeen, itemSeen }: Pick<CfBackend, 'historyLength' | 'userSeen' | 'itemSeen'>,
  user: number,
  history?: (user: number, limit: number) => Int32Array,
): boolean {
  if (historyLength === 0) return userSeen[user] === 1;
  // A disliked item is negative. The 0 that parts clicks from positives is no item, and not seen.
  return history?.(user, historyLength).some((entry) => itemSeen[Math.abs(entry)] === 1) ?? false;
}

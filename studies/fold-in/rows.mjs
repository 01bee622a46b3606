// The rows of the study: who is held out, what is known of them, and what the models are asked about them. Pure.

/** Rows as columns of equal length. @typedef {import('@crossgate/cf').ClickColumns} Rows */
/** Dense ids of items. @typedef {{ liked: number[], disliked: number[] }} Clicks */

/** Every fifth user is held out. @param {number} user dense id */
export const isHeldOut = (user) => user % 5 === 0;

/**
 * @param {Rows} rows
 * @param {(user: number, label: number) => boolean} keep
 * @returns {Rows} those that are kept, in their order
 */
export function pick({ user, item, label }, keep) {
  /** @type {(value: number, row: number) => boolean} */
  const kept = (_, row) => keep(user[row] ?? 0, label[row] ?? 0);
  const users = user.filter(kept);
  return { rows: users.length, user: users, item: item.filter(kept), label: label.filter(kept) };
}

/**
 * Which users and items have rows, as `seenInTrain` gives it for the train split of a data set.
 * @param {Rows} rows
 * @param {{ userCount: number, itemCount: number }} sizes
 */
export function seenIn({ user, item }, { userCount, itemCount }) {
  const seen = { userSeen: new Uint8Array(userCount + 1), itemSeen: new Uint8Array(itemCount + 1) };
  for (const id of user) seen.userSeen[id] = 1;
  for (const id of item) seen.itemSeen[id] = 1;
  return seen;
}

/**
 * Adds negatives to rows of positives alone: every user of the rows with each item that the user has no row with.
 * @param {Rows} positives
 * @param {import('@crossgate/data').Dataset} dataset
 * @returns {Rows} the positives, then the negatives
 */
export function amongAllItems(positives, { itemCount, splits }) {
  const key = (/** @type {number} */ user, /** @type {number} */ item) => user * (itemCount + 1) + item;
  /** @type {Set<number>} */
  const rated = new Set();
  for (const { user, item } of Object.values(splits))
    for (const [row, id] of user.entries()) rated.add(key(id, item[row] ?? 0));
  const [user, item] = [[...positives.user], [...positives.item]];
  for (const id of new Set(positives.user))
    for (let other = 1; other <= itemCount; other++)
      if (!rated.has(key(id, other))) {
        user.push(id);
        item.push(other);
      }
  const label = new Uint8Array(user.length);
  label.set(positives.label);
  return { rows: user.length, user: Int32Array.from(user), item: Int32Array.from(item), label };
}

/**
 * What users clicked on.
 * @param {Rows} rows
 * @returns {Map<number, Clicks>} by user
 */
export function clicksByUser({ user, item, label }) {
  /** @type {Map<number, Clicks>} */
  const byUser = new Map();
  for (const [row, id] of user.entries()) {
    const clicks = byUser.get(id) ?? { liked: [], disliked: [] };
    byUser.set(id, clicks);
    clicks[label[row] === 1 ? 'liked' : 'disliked'].push(item[row] ?? 0);
  }
  return byUser;
}

/** A data set that has grown, under the dense ids of what it was. */
import { InputError } from '@crossgate/core';
import type { Attribute } from './attributes';
import { Dataset, type Item, type Split, splitNames } from './dataset';
import { hashDataset } from './format';

/** What {@link continueDataset} found. */
export interface Continuation {
  /** The grown data set: users and items of the earlier one have its dense ids, the others follow. */
  readonly dataset: Dataset;
  /** Users and items that the earlier data set does not have. */
  readonly added: { readonly users: number; readonly items: number };
  /** Users and items of the earlier data set that the grown one does not have; they keep their ids, without rows. */
  readonly gone: { readonly users: number; readonly items: number };
}

/**
 * Gives a grown data set the dense ids of an earlier one. Its rows, their order and their splits stay as they are.
 *
 * @throws InputError where ids contradict: an item with another title, or no user or no item in common.
 */
export async function continueDataset(earlier: Dataset, grown: Dataset): Promise<Continuation> {
  const users = join([...earlier.users], grown.users);
  const items = joinItems(earlier, grown);
  for (const [kind, { kept }] of [['user', users] as const, ['item', items] as const]) {
    if (kept > 0) continue;
    throw new InputError(`no ${kind} is one of the data that is continued, by the ids of the source`, {
      code: 'data.other',
      place: grown.name,
      fix: 'continue on data with the same ids',
    });
  }
  const map = (ids: Int32Array, to: Int32Array) => ids.map((id) => to[id]!);
  const splits = Object.fromEntries(
    splitNames.map((name) => {
      const split = grown.splits[name];
      return [name, { ...split, user: map(split.user, users.to), item: map(split.item, items.to) }];
    }),
  ) as Record<(typeof splitNames)[number], Split>;
  const all = [...users.values.keys()];
  const from = new Int32Array(all.length).fill(-1);
  users.to.forEach((user, old) => {
    from[user] = old;
  });
  const { positiveOffset: offset, positiveItem } = grown;
  const lengthOf = (user: number) => (from[user]! < 0 ? 0 : offset[from[user]! + 1]! - offset[from[user]!]!);
  const positiveOffset = new Int32Array(all.length + 1);
  const positives = new Int32Array(positiveItem.length);
  for (const user of all) {
    const [start, length] = [positiveOffset[user]!, lengthOf(user)];
    positiveOffset[user + 1] = start + length;
    for (let n = 0; n < length; n++) positives[start + n] = items.to[positiveItem[offset[from[user]!]! + n]!]!;
  }
  const { name, recipe, warnings } = grown;
  const columns = { splits, positiveOffset, positiveItem: positives };
  const attributes = joinAttributes(earlier, grown, items);
  const parts = { name, recipe, warnings, users: users.values, items: items.values, attributes, ...columns };
  return {
    dataset: new Dataset({ ...parts, hash: await hashDataset(parts) }),
    added: { users: grown.userCount - users.kept, items: grown.itemCount - items.kept },
    gone: { users: earlier.userCount - users.kept, items: earlier.itemCount - items.kept },
  };
}

/** @returns the values of both by their new dense ids, the new ids of the later ones, and how many of these are in both */
function join(values: string[], later: readonly string[]) {
  const known = new Map(values.map((value, id) => [value, id] as const).slice(1));
  const to = new Int32Array(later.length);
  let kept = 0;
  for (let id = 1; id < later.length; id++) {
    const own = known.get(later[id]!);
    if (own === undefined) to[id] = values.push(later[id]!) - 1;
    else {
      to[id] = own;
      kept++;
    }
  }
  return { values, to, kept };
}

function joinItems(earlier: Dataset, grown: Dataset) {
  const ids = join(
    earlier.items.map(({ id }) => id),
    grown.items.map(({ id }) => id),
  );
  const values: Item[] = [...earlier.items];
  for (const [id, item] of grown.items.entries()) {
    if (id === 0) continue;
    const known = values[ids.to[id]!];
    if (known === undefined) values[ids.to[id]!] = item;
    else if (known.title !== item.title) {
      throw new InputError(
        `has the title ${JSON.stringify(item.title)}, and before it had ${JSON.stringify(known.title)}`,
        {
          code: 'data.other',
          place: `item ${item.id}`,
          fix: 'give an item that is another one an id of its own',
        },
      );
    }
  }
  return { values, to: ids.to, kept: ids.kept };
}

/** The attributes of the grown data; items that are gone keep what they had of the same attributes. */
function joinAttributes(earlier: Dataset, grown: Dataset, items: { values: readonly Item[]; to: Int32Array }) {
  if (grown.attributes === null) return null;
  return grown.attributes.map((attribute): Attribute => {
    const { name, type } = attribute;
    const before = earlier.attributes?.find((other) => other.name === name && other.type === type);
    // Values of one type stay of it.
    const values = Array.from(items.values, (_, item) => before?.values[item] ?? (type === 'text' ? [] : null));
    for (const [item, value] of attribute.values.entries()) values[items.to[item]!] = value;
    return { name, type, values } as Attribute;
  });
}

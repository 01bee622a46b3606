/** A data set in memory: dense ids, three splits as columns, and the positives that histories are cut from. */
import { InputError } from '@crossgate/core';

export type SplitName = 'train' | 'valid' | 'test';
export const splitNames: readonly SplitName[] = ['train', 'valid', 'test'];

/** A plain JSON object that says how a data set was made. */
export type Recipe = { readonly [key: string]: string | number | boolean | readonly string[] | Recipe };

/** An item as its source names it. */
export interface Item {
  readonly id: string;
  readonly title: string;
}

/** The rows of one split, in the order of the data set. Every column has `rows` entries. */
export interface Split {
  readonly rows: number;
  /** Dense user ids, 1 … `userCount`. */
  readonly user: Int32Array;
  /** Dense item ids, 1 … `itemCount`. */
  readonly item: Int32Array;
  /** 1 for a positive, 0 for a negative. */
  readonly label: Uint8Array;
  /** Seconds since 1970, UTC. */
  readonly timestamp: Float64Array;
  /** 1 where both the user and the item have rows in train ("warm"), else 0 ("cold"). */
  readonly seen: Uint8Array;
  /** How many positives of the row's user come before the row. */
  readonly historyLength: Int32Array;
}

/** What a data set is made of; `Dataset` adds the lookups. */
export interface DatasetParts {
  readonly name: string;
  /** SHA-256 over all columns, ids and titles, in lower-case hex. */
  readonly hash: string;
  readonly recipe: Recipe;
  /** Remarks on the source that do not prevent its use (duplicates, an empty split). */
  readonly warnings: readonly string[];
  /** Source ids by dense id; index 0 is padding (''). */
  readonly users: readonly string[];
  /** Items by dense id; index 0 is padding. */
  readonly items: readonly Item[];
  readonly splits: Readonly<Record<SplitName, Split>>;
  /** Positives of user u are `positiveItem[positiveOffset[u] … positiveOffset[u + 1])`, oldest first. Length `users.length + 1`. */
  readonly positiveOffset: Int32Array;
  /** Dense item ids of the positives that histories are cut from, grouped by user: of all splits, or of train after a random split. */
  readonly positiveItem: Int32Array;
}

/** Users, items, three splits and every row's history. Dense ids start at 1; 0 is padding. Immutable by convention. */
export class Dataset implements DatasetParts {
  readonly name: string;
  readonly hash: string;
  readonly recipe: Recipe;
  readonly warnings: readonly string[];
  readonly users: readonly string[];
  readonly items: readonly Item[];
  readonly splits: Readonly<Record<SplitName, Split>>;
  readonly positiveOffset: Int32Array;
  readonly positiveItem: Int32Array;

  constructor(parts: DatasetParts) {
    this.name = parts.name;
    this.hash = parts.hash;
    this.recipe = parts.recipe;
    this.warnings = parts.warnings;
    this.users = parts.users;
    this.items = parts.items;
    this.splits = parts.splits;
    this.positiveOffset = parts.positiveOffset;
    this.positiveItem = parts.positiveItem;
  }

  /** Number of real users (padding not counted); dense ids run from 1 to it. */
  get userCount(): number {
    return this.users.length - 1;
  }

  /** Number of real items (padding not counted); dense ids run from 1 to it. */
  get itemCount(): number {
    return this.items.length - 1;
  }

  /**
   * The positives of a user that histories are cut from, oldest first: over the three splits, after a random split of train
   * alone. A view: do not write to it.
   *
   * @throws RangeError if `user` is not a dense id (0, the padding, has none)
   */
  positives(user: number): Int32Array {
    if (!Number.isInteger(user) || user < 0 || user > this.userCount) {
      throw new RangeError(`user ${user} is not a dense id from 0 to ${this.userCount}`);
    }
    return this.positiveItem.subarray(this.positiveOffset[user], this.positiveOffset[user + 1]);
  }

  /**
   * The positives of a row's user that come before the row, oldest first; only the last `limit` if given.
   * A view: do not write to it.
   *
   * @throws RangeError if the split has no such row
   */
  history(split: SplitName, row: number, limit = Number.POSITIVE_INFINITY): Int32Array {
    const { user, historyLength, rows } = this.splits[split];
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      throw new RangeError(`row ${row} is outside the ${rows} rows of split ${split}`);
    }
    const length = historyLength[row] as number;
    const start = this.positiveOffset[user[row] as number] as number;
    return this.positiveItem.subarray(start + Math.max(0, length - limit), start + length);
  }
}

/** Counts of one split: `users` and `items` are distinct ones with rows in it. */
export interface SplitSummary {
  rows: number;
  positives: number;
  users: number;
  items: number;
  seen: number;
}

/** Counts of a data set; padding is not counted. */
export interface DatasetSummary {
  dataset: string;
  users: number;
  items: number;
  splits: Record<SplitName, SplitSummary>;
}

function countOnes(flags: Uint8Array): number {
  let count = 0;
  for (const flag of flags) count += flag;
  return count;
}

function countDistinct(ids: Int32Array, count: number): number {
  const present = new Uint8Array(count + 1);
  for (const id of ids) present[id] = 1;
  return countOnes(present);
}

/** Counts users, items, rows, positives and seen rows. */
export function summarizeDataset(dataset: Dataset): DatasetSummary {
  const summary = (name: SplitName): SplitSummary => {
    const split = dataset.splits[name];
    return {
      rows: split.rows,
      positives: countOnes(split.label),
      users: countDistinct(split.user, dataset.userCount),
      items: countDistinct(split.item, dataset.itemCount),
      seen: countOnes(split.seen),
    };
  };
  return {
    dataset: dataset.name,
    users: dataset.userCount,
    items: dataset.itemCount,
    splits: { train: summary('train'), valid: summary('valid'), test: summary('test') },
  };
}

/** Narrows a user's word to a split name. Throws InputError for any other word. */
export function parseSplitName(word: string): SplitName {
  const name = splitNames.find((candidate) => candidate === word);
  if (name === undefined)
    throw new InputError(`unknown split "${word}": use ${splitNames.join(', ')}`, { code: 'data.unknown' });
  return name;
}

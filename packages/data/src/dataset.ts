/** A data set in memory: dense ids, three splits as columns, and the positives that make up histories. */
import { InputError } from '@crossgate/core';
import type { Attribute } from './attributes';

/** Name of a split. */
export type SplitName = 'train' | 'valid' | 'test';
/** The splits in their order: split number 0 is train, 1 valid, 2 test. */
export const splitNames: readonly SplitName[] = ['train', 'valid', 'test'];

/** How a data set is made, as a plain JSON object: source, threshold, filters, split, order of rows. */
export type Recipe = { readonly [key: string]: string | number | boolean | readonly string[] | Recipe };

/** An item as its source describes it. */
export interface Item {
  /** Id in the source. */
  readonly id: string;
  /** Title, for prompts and output. */
  readonly title: string;
}

/** The rows of one split as columns of equal length, in the order of the data set. */
export interface Split {
  /** Number of rows, and length of every column. */
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
  /** Number of positives in the row's history: how many of the user's positives come before the row. */
  readonly historyLength: Int32Array;
}

/** The contents of a data set; {@link Dataset} adds the lookups. */
export interface DatasetParts {
  /** Name of the data set, such as `ml-1m`. */
  readonly name: string;
  /** SHA-256 over all columns, ids and titles, in lower-case hex: equal for equal data. */
  readonly hash: string;
  /** How the data set was made. */
  readonly recipe: Recipe;
  /** Remarks on the source that do not prevent its use (duplicates, an empty split). */
  readonly warnings: readonly string[];
  /** Source ids by dense id; index 0 is padding (''). */
  readonly users: readonly string[];
  /** Items by dense id; index 0 is padding. */
  readonly items: readonly Item[];
  /**
   * What is known of the items besides, which is no part of the hash. Null: the data were kept by a version that knew no
   * attributes. Default: there are none.
   */
  readonly attributes?: readonly Attribute[] | null;
  /** The rows of each split. */
  readonly splits: Readonly<Record<SplitName, Split>>;
  /**
   * [users.length + 1]: where the positives of each user begin in `positiveItem`. Those of user u are
   * positiveItem[positiveOffset[u]] … positiveItem[positiveOffset[u + 1] − 1], oldest first.
   */
  readonly positiveOffset: Int32Array;
  /**
   * Dense item ids of the positives that make up histories, user after user: those of all splits, or only those of
   * train after a random split.
   */
  readonly positiveItem: Int32Array;
}

/** Users, items, three splits, and the history of every row. Dense ids count from 1; 0 is padding. Do not change it. */
export class Dataset implements DatasetParts {
  /** Name of the data set, such as `ml-1m`. */
  readonly name: string;
  /** SHA-256 over all columns, ids and titles, in lower-case hex: equal for equal data. */
  readonly hash: string;
  /** How the data set was made. */
  readonly recipe: Recipe;
  /** Remarks on the source that do not prevent its use. */
  readonly warnings: readonly string[];
  /** Source ids by dense id; index 0 is padding (''). */
  readonly users: readonly string[];
  /** Items by dense id; index 0 is padding. */
  readonly items: readonly Item[];
  /** What is known of the items besides; null: the data were kept by a version that knew no attributes. */
  readonly attributes: readonly Attribute[] | null;
  /** The rows of each split. */
  readonly splits: Readonly<Record<SplitName, Split>>;
  /** [users.length + 1]: where the positives of each user begin in `positiveItem`; use {@link history}. */
  readonly positiveOffset: Int32Array;
  /** Dense item ids of the positives that make up histories, user after user; use {@link history}. */
  readonly positiveItem: Int32Array;
  /** The positives of all splits, once they are asked for. */
  #known: Pick<DatasetParts, 'positiveOffset' | 'positiveItem'> | undefined;
  /** The items of all rows by user, once they are asked for. */
  #rows: RowItems | undefined;

  /** Takes parts that fit together; {@link assembleDataset} and {@link decodeDataset} make such. Nothing is copied. */
  constructor(parts: DatasetParts) {
    this.name = parts.name;
    this.hash = parts.hash;
    this.recipe = parts.recipe;
    this.warnings = parts.warnings;
    this.users = parts.users;
    this.items = parts.items;
    this.attributes = parts.attributes === undefined ? [] : parts.attributes;
    this.splits = parts.splits;
    this.positiveOffset = parts.positiveOffset;
    this.positiveItem = parts.positiveItem;
  }

  /** Number of users without padding: dense ids are 1 … `userCount`. */
  get userCount(): number {
    return this.users.length - 1;
  }

  /** Number of items without padding: dense ids are 1 … `itemCount`. */
  get itemCount(): number {
    return this.items.length - 1;
  }

  /**
   * All positives of a user, oldest first, in whichever split they are: what is known of the user when all rows are
   * past. After a random split, {@link history} knows those of train alone; this knows the others too.
   *
   * @param user dense id; 0, the padding, has no positives.
   * @returns dense item ids, as a view that must not be changed. An item liked twice is there twice.
   * @throws InputError for a `user` that is no dense id.
   */
  positives(user: number): Int32Array {
    if (!Number.isInteger(user) || user < 0 || user > this.userCount) {
      throw new InputError(`user ${user} is not a dense id from 0 to ${this.userCount}`);
    }
    this.#known ??= positivesOfAllSplits(this);
    const { positiveOffset, positiveItem } = this.#known;
    return positiveItem.subarray(positiveOffset[user], positiveOffset[user + 1]);
  }

  /**
   * Every item that a user has a row with, whatever its label, in whichever split: what the user knows already.
   *
   * @param user dense id; 0, the padding, has none.
   * @returns dense item ids, each once, ascending.
   * @throws InputError for a `user` that is no dense id.
   */
  knownItems(user: number): Int32Array {
    if (!Number.isInteger(user) || user < 0 || user > this.userCount) {
      throw new InputError(`user ${user} is not a dense id from 0 to ${this.userCount}`);
    }
    this.#rows ??= itemsOfRows(this);
    const { offset, item } = this.#rows;
    return Int32Array.from(new Set(item.subarray(offset[user], offset[user + 1]))).sort();
  }

  /**
   * The history of a row: the positives of its user that come before it, oldest first.
   *
   * @param limit only the last this many are returned. Default: all.
   * @returns dense item ids, as a view that must not be changed.
   * @throws InputError for a row that the split does not have.
   */
  history(split: SplitName, row: number, limit = Number.POSITIVE_INFINITY): Int32Array {
    const { user, historyLength, rows } = this.splits[split];
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      throw new InputError(`row ${row} is outside the ${rows} rows of split ${split}`);
    }
    const length = historyLength[row] as number;
    const start = this.positiveOffset[user[row] as number] as number;
    return this.positiveItem.subarray(start + Math.max(0, length - limit), start + length);
  }
}

/** The items of all rows, user behind user. */
interface RowItems {
  /** [users + 2] where the rows of each user begin. */
  readonly offset: Int32Array;
  readonly item: Int32Array;
}

function itemsOfRows({ splits, userCount }: Dataset): RowItems {
  const offset = new Int32Array(userCount + 2);
  for (const name of splitNames) for (const user of splits[name].user) offset[user + 1]!++;
  for (let user = 0; user <= userCount; user++) offset[user + 1]! += offset[user] as number;
  const next = offset.slice();
  const item = new Int32Array(offset[userCount + 1] as number);
  for (const name of splitNames) {
    const { user, item: items, rows } = splits[name];
    for (let row = 0; row < rows; row++) item[next[user[row] as number]!++] = items[row] as number;
  }
  return { offset, item };
}

/**
 * The positives of all splits by user, oldest first; of one moment, those of train come first, then those of valid.
 * Where histories hold them all already, nothing is copied.
 */
function positivesOfAllSplits(dataset: Dataset): Pick<DatasetParts, 'positiveOffset' | 'positiveItem'> {
  const { splits, userCount } = dataset;
  const positiveOffset = new Int32Array(userCount + 2);
  for (const name of splitNames) {
    const { rows, user, label } = splits[name];
    for (let row = 0; row < rows; row++) if (label[row] === 1) positiveOffset[(user[row] as number) + 1]!++;
  }
  for (let user = 0; user <= userCount; user++) positiveOffset[user + 1]! += positiveOffset[user] as number;
  const total = positiveOffset[userCount + 1] as number;
  if (total === dataset.positiveItem.length) return dataset;
  const next = positiveOffset.slice();
  const [item, time] = [new Int32Array(total), new Float64Array(total)];
  for (const name of splitNames) {
    const split = splits[name];
    for (let row = 0; row < split.rows; row++) {
      if (split.label[row] !== 1) continue;
      const place = next[split.user[row] as number]!++;
      item[place] = split.item[row] as number;
      time[place] = split.timestamp[row] as number;
    }
  }
  const positiveItem = new Int32Array(total);
  for (let user = 1; user <= userCount; user++) {
    const [start, end] = [positiveOffset[user] as number, positiveOffset[user + 1] as number];
    const order = Array.from({ length: end - start }, (_, index) => start + index);
    order.sort((a, b) => (time[a] as number) - (time[b] as number) || a - b);
    for (const [index, place] of order.entries()) positiveItem[start + index] = item[place] as number;
  }
  return { positiveOffset, positiveItem };
}

/** Counts of one split. */
export interface SplitSummary {
  /** Number of rows. */
  rows: number;
  /** Number of rows with label 1. */
  positives: number;
  /** Number of distinct users with rows in the split. */
  users: number;
  /** Number of distinct items with rows in the split. */
  items: number;
  /** Number of rows whose user and item both have train rows. */
  seen: number;
}

/** Counts of a data set, without padding. */
export interface DatasetSummary {
  /** Name of the data set. */
  dataset: string;
  /** Number of users. */
  users: number;
  /** Number of items. */
  items: number;
  /** Counts of each split. */
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

/** Counts the users, items, rows, positives and seen rows of a data set. */
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

/** The split that a word names. @throws InputError with the known names for any other word. */
export function parseSplitName(word: string): SplitName {
  const name = splitNames.find((candidate) => candidate === word);
  if (name === undefined)
    throw new InputError(`unknown split "${word}": use ${splitNames.join(', ')}`, { code: 'data.unknown' });
  return name;
}

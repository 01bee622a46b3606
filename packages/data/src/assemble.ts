/** Builds a `Dataset` from events in their final order: dense ids, seen flags, histories, hash. */
import type { Attribute } from './attributes';
import { Dataset, type Item, type Recipe, type Split, type SplitName, splitNames } from './dataset';
import { hashDataset } from './format';
import { garbledWarnings } from './garbled';

/**
 * Events as columns of equal length, in the order of the data set. The events of each user must be in time order, since
 * histories follow that order.
 */
export interface Events {
  /** User of each event: any integer that identifies a user in the source. */
  readonly user: ArrayLike<number>;
  /** Item of each event: any integer that identifies an item in the source. */
  readonly item: ArrayLike<number>;
  /** 1 for a positive, 0 for a negative. */
  readonly label: ArrayLike<number>;
  /** Seconds since 1970, UTC. */
  readonly timestamp: ArrayLike<number>;
  /** Split of each event: an index into `splitNames`. */
  readonly split: ArrayLike<number>;
}

/** The parts from which {@link assembleDataset} builds a data set. */
export interface Assembly {
  /** Name of the data set. */
  readonly name: string;
  /** How the data set is made. */
  readonly recipe: Recipe;
  /** Remarks on the source that do not prevent its use. Default: none. */
  readonly warnings?: readonly string[];
  /** Which positives histories hold: those of all splits (default), or only those of train, for a random split. */
  readonly histories?: 'all' | 'train';
  /** The rows of all splits. */
  readonly events: Events;
  /** Returns the source id of a user of `events`. */
  userId(user: number): string;
  /** Returns source id and title of an item of `events`. */
  itemOf(item: number): Item;
  /** Returns the attributes of items by their source ids, which come by dense id, '' for padding. Default: there are none. */
  readonly attributes?: ((ids: readonly string[]) => readonly Attribute[]) | undefined;
}

/** Maps numbers to 1, 2, … in order of first appearance. */
function denseIds(values: ArrayLike<number>): { ids: Int32Array; values: number[] } {
  const ids = new Int32Array(values.length);
  if (values instanceof Int32Array) {
    let [least, most] = [0, 0];
    for (let index = 0; index < values.length; index++) {
      const value = values[index] as number;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    // Numbers from a table need no map.
    if (least >= 0 && most < 4 * values.length) return { ids, values: denseSmall(values, most, ids) };
  }
  const idOf = new Map<number, number>();
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    let id = idOf.get(value);
    if (id === undefined) {
      id = idOf.size + 1;
      idOf.set(value, id);
    }
    ids[index] = id;
  }
  return { ids, values: [...idOf.keys()] };
}

/** The same for whole numbers from 0 to `most`. @returns the numbers in order of first appearance */
function denseSmall(values: Int32Array, most: number, ids: Int32Array): number[] {
  const idOf = new Int32Array(most + 1);
  const found: number[] = [];
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    if (idOf[value] === 0) idOf[value] = found.push(value);
    ids[index] = idOf[value] as number;
  }
  return found;
}

/** Splits, histories and the numbers of users and items by dense id: what a data set keeps of its events. */
export interface Layout {
  readonly splits: Record<SplitName, Split>;
  readonly positiveOffset: Int32Array;
  readonly positiveItem: Int32Array;
  /** Users of the events, in the order of their dense ids, from 1. */
  readonly users: readonly number[];
  /** Items of the events, in the order of their dense ids, from 1. */
  readonly items: readonly number[];
}

/** Lays events out as {@link assembleDataset} says; nothing of them is needed afterwards. */
export function layOut(events: Events, histories: Assembly['histories']): Layout {
  const remembers = (index: number): boolean =>
    Boolean(events.label[index]) && (histories !== 'train' || events.split[index] === 0);
  const count = events.user.length;
  const user = denseIds(events.user);
  const item = denseIds(events.item);
  const userCount = user.values.length;

  const rowsOf = [0, 0, 0];
  const positiveOffset = new Int32Array(userCount + 2);
  const userInTrain = new Uint8Array(userCount + 1);
  const itemInTrain = new Uint8Array(item.values.length + 1);
  for (let index = 0; index < count; index++) {
    const split = events.split[index] as number;
    rowsOf[split] = (rowsOf[split] as number) + 1;
    const userId = user.ids[index] as number;
    if (remembers(index)) positiveOffset[userId + 1] = (positiveOffset[userId + 1] as number) + 1;
    if (split === 0) {
      userInTrain[userId] = 1;
      itemInTrain[item.ids[index] as number] = 1;
    }
  }
  for (let id = 1; id < positiveOffset.length; id++) {
    positiveOffset[id] = (positiveOffset[id] as number) + (positiveOffset[id - 1] as number);
  }

  const splits = rowsOf.map(emptySplit);
  const written = [0, 0, 0];
  const historyOf = new Int32Array(userCount + 1);
  const positiveItem = new Int32Array(positiveOffset[userCount + 1] as number);
  for (let index = 0; index < count; index++) {
    const splitIndex = events.split[index] as number;
    const split = splits[splitIndex] as Split;
    const row = written[splitIndex] as number;
    written[splitIndex] = row + 1;
    const userId = user.ids[index] as number;
    const itemId = item.ids[index] as number;
    const before = historyOf[userId] as number;
    split.user[row] = userId;
    split.item[row] = itemId;
    split.label[row] = events.label[index] ? 1 : 0;
    split.timestamp[row] = events.timestamp[index] as number;
    split.seen[row] = (userInTrain[userId] as number) & (itemInTrain[itemId] as number);
    split.historyLength[row] = before;
    if (remembers(index)) {
      positiveItem[(positiveOffset[userId] as number) + before] = itemId;
      historyOf[userId] = before + 1;
    }
  }

  const [train, valid, test] = splits as [Split, Split, Split];
  return { splits: { train, valid, test }, positiveOffset, positiveItem, users: user.values, items: item.values };
}

/**
 * Builds a data set from events. Dense ids count from 1 in order of first appearance. The history of a row is all
 * positives of its user before it, in all splits or, with `histories: 'train'`, in train. A row is `seen` when its user
 * and its item both have train rows. Repeated (user, item) pairs are kept, since each is an event of its own.
 *
 * @returns the data set, with further warnings for titles in a wrong encoding, repeated pairs, empty splits, and a train split of one class.
 */
export async function assembleDataset(assembly: Assembly): Promise<Dataset> {
  return finishDataset(layOut(assembly.events, assembly.histories), assembly);
}

/** Makes a data set of laid out events, as {@link assembleDataset} does. */
export async function finishDataset(
  layout: Layout,
  assembly: Omit<Assembly, 'events' | 'histories'>,
): Promise<Dataset> {
  const { splits, positiveOffset, positiveItem } = layout;
  const items = [{ id: '', title: '' }, ...layout.items.map((value) => assembly.itemOf(value))];
  const users = ['', ...layout.users.map((value) => assembly.userId(value))];
  const garbled = [...garbledWarnings(items.map(({ title }) => title)), ...garbledWarnings(users, 'user id')];
  const parts = {
    name: assembly.name,
    recipe: assembly.recipe,
    warnings: [...(assembly.warnings ?? []), ...garbled, ...remarks(splits, items.length - 1)],
    users,
    items,
    attributes: assembly.attributes?.(items.map(({ id }) => id)) ?? [],
    splits,
    positiveOffset,
    positiveItem,
  };
  return new Dataset({ ...parts, hash: await hashDataset(parts) });
}

function emptySplit(rows: number): Split {
  return {
    rows,
    user: new Int32Array(rows),
    item: new Int32Array(rows),
    label: new Uint8Array(rows),
    timestamp: new Float64Array(rows),
    seen: new Uint8Array(rows),
    historyLength: new Int32Array(rows),
  };
}

function remarks(splits: Record<SplitName, Split>, itemCount: number): string[] {
  const warnings: string[] = [];
  // Equal pairs become neighbors by sorting: a Set would end at 2^24 entries.
  const pairs = new Float64Array(splitNames.reduce((sum, name) => sum + splits[name].rows, 0));
  let filled = 0;
  for (const name of splitNames) {
    const { user, item, rows } = splits[name];
    for (let row = 0; row < rows; row++)
      pairs[filled++] = (user[row] as number) * (itemCount + 1) + (item[row] as number);
  }
  pairs.sort();
  let repeated = 0;
  for (let index = 1; index < pairs.length; index++) if (pairs[index] === pairs[index - 1]) repeated++;
  if (repeated > 0) warnings.push(`${repeated} rows repeat an earlier (user, item) pair; they are kept`);
  for (const name of splitNames) {
    if (splits[name].rows === 0) warnings.push(`split ${name} has no rows`);
  }
  const { label, rows } = splits.train;
  const positives = label.reduce((sum, value) => sum + value, 0);
  if (rows > 0 && (positives === 0 || positives === rows)) {
    warnings.push(
      positives === 0
        ? 'split train has only negatives: nothing can be learned from it'
        : 'split train has only positives: a loss on labels learns nothing from it, a ranking loss such as bpr does',
    );
  }
  return warnings;
}

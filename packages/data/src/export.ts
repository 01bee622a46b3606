/** Exports the rows of a split as plain objects with the ids of the source. */
import type { Dataset, SplitName } from './dataset';

/** A row with the ids of the source, as {@link jsonId} writes them. */
export interface ExportedRow {
  /** Source id of the user. */
  user: string | number;
  /** Source id of the item. */
  item: string | number;
  /** 0 or 1. */
  label: number;
  /** Seconds since 1970, UTC. */
  timestamp: number;
  /** Whether the user and the item both have train rows. */
  seen: boolean;
  /** Source ids of the whole history, oldest first. */
  history: (string | number)[];
  /** Title of the item. */
  title: string;
}

/**
 * A source id for JSON: a number where that loses nothing (digits without leading zeros, at most 2⁵³ − 1), else text.
 */
export function jsonId(id: string): string | number {
  const value = Number(id);
  return Number.isSafeInteger(value) && value >= 0 && String(value) === id ? value : id;
}

/** Yields the rows of a split with the ids of the source, in the order of the data set. */
export function* exportSplit(dataset: Dataset, name: SplitName): Generator<ExportedRow, void, undefined> {
  const split = dataset.splits[name];
  const users = dataset.users.map(jsonId);
  const items = dataset.items.map((item) => jsonId(item.id));
  for (let row = 0; row < split.rows; row++) {
    const item = split.item[row] as number;
    yield {
      user: users[split.user[row] as number] as string | number,
      item: items[item] as string | number,
      label: split.label[row] as number,
      timestamp: split.timestamp[row] as number,
      seen: split.seen[row] === 1,
      history: Array.from(dataset.history(name, row), (id) => items[id] as string | number),
      title: (dataset.items[item] as { title: string }).title,
    };
  }
}

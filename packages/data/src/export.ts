/** The rows of a split as plain objects with the ids of the source. */
import type { Dataset, SplitName } from './dataset';

/** One row. Ids are numbers where the source writes whole numbers, else text. */
export interface ExportedRow {
  user: string | number;
  item: string | number;
  /** 0 or 1. */
  label: number;
  /** Seconds since 1970, UTC. */
  timestamp: number;
  seen: boolean;
  /** The whole history, oldest first. */
  history: (string | number)[];
  title: string;
}

/** A source id as JSON shows it: a number if that loses nothing (no leading zeros, at most 2^53 − 1), else the text. */
export function jsonId(id: string): string | number {
  const value = Number(id);
  return Number.isSafeInteger(value) && value >= 0 && String(value) === id ? value : id;
}

/** Yields the rows of a split in the order of the data set, ids as in the source. */
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

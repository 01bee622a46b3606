/** Lists of items for many users as CSV, JSON lines or Parquet. */
import { basename, extname } from 'node:path';
import { didYouMean, InputError } from '@crossgate/core';
import { csvField, safeCsvField } from '@crossgate/data';
import type { FileContent } from '@crossgate/files';
import type { Basis } from '../live/live-run';
import { type ParquetColumn, parquetBytes } from './parquet';

/** The list of one user, as a part holds it. */
export interface StoredList {
  /** Dense ids, best first. */
  readonly items: readonly number[];
  /** Score of each item. */
  readonly scores: readonly number[];
  /** What the list is made by. */
  readonly basis: Basis;
}

/** A user with a list. */
export interface UserList extends StoredList {
  /** Dense id. */
  readonly user: number;
}

/** Ids and titles of the source, by dense id. */
export interface ListNames {
  userId(user: number): string;
  item(item: number): { readonly id: string; readonly title: string };
}

/** Formats of lists, by the ending of the file. */
export const LIST_FORMATS = ['parquet', 'csv', 'jsonl'] as const;
/** A format of lists. */
export type ListFormat = (typeof LIST_FORMATS)[number];

/**
 * The format that a file's name asks for.
 * @throws InputError for another ending
 */
export function formatOf<Format extends string>(out: string, formats: readonly Format[]): Format {
  const ending = extname(out).slice(1).toLowerCase();
  const found = formats.find((format) => format === ending);
  if (found !== undefined) return found;
  const names = formats.map((format) => `.${format}`);
  throw new InputError(`${basename(out)} ends with none of ${names.join(', ')}${didYouMean(`.${ending}`, names)}`, {
    code: 'usage',
    place: '--out',
    fix: 'the ending chooses the format',
  });
}

/** Rows of Parquet in one group, and lines of text in one write. */
const ROWS = 50_000;

const COLUMNS: readonly ParquetColumn[] = [
  { name: 'user', type: 'text' },
  { name: 'rank', type: 'int32' },
  { name: 'item', type: 'text' },
  { name: 'title', type: 'text' },
  { name: 'score', type: 'float64' },
  { name: 'basis', type: 'text' },
];

/** A row of CSV and Parquet, in the order of the columns. */
type Row = [user: string, rank: number, item: string, title: string, score: number, basis: string];

/** The content of a file of lists. @param safeCsv whether texts of CSV are made safe for a spreadsheet */
export function formatLists(
  format: ListFormat,
  names: ListNames,
  lists: AsyncIterable<UserList>,
  safeCsv = false,
): FileContent {
  if (format === 'jsonl') return inBlocks(lines(names, lists), '');
  if (format === 'csv')
    return inBlocks(csvLines(names, lists, safeCsv), `${COLUMNS.map(({ name }) => name).join(',')}\n`);
  return parquetBytes(COLUMNS, rowGroups(names, lists));
}

function* rowsOf(names: ListNames, list: UserList): Generator<Row> {
  const user = names.userId(list.user);
  for (const [index, item] of list.items.entries()) {
    const { id, title } = names.item(item);
    yield [user, index + 1, id, title, list.scores[index]!, list.basis];
  }
}

async function* lines(names: ListNames, lists: AsyncIterable<UserList>): AsyncGenerator<string> {
  for await (const { user, basis, items: found, scores } of lists) {
    const entries = found.map((item, index) => {
      const { id, title } = names.item(item);
      return { item: id, title, score: scores[index]! };
    });
    const isSaid = basis !== 'user' && entries.length > 0;
    yield `${JSON.stringify({ user: names.userId(user), items: entries, ...(isSaid && { basis }) })}\n`;
  }
}

async function* csvLines(names: ListNames, lists: AsyncIterable<UserList>, isSafe: boolean): AsyncGenerator<string> {
  const field = isSafe ? safeCsvField : csvField;
  // A negative score is a number, and stays one.
  const cell = (value: string | number) => (typeof value === 'number' ? String(value) : field(value));
  for await (const list of lists) {
    for (const row of rowsOf(names, list)) yield `${row.map(cell).join(',')}\n`;
  }
}

async function* inBlocks(texts: AsyncIterable<string>, header: string): AsyncGenerator<string> {
  let block = [header];
  for await (const text of texts) {
    if (block.push(text) < ROWS) continue;
    yield block.join('');
    block = [];
  }
  yield block.join('');
}

async function* rowGroups(names: ListNames, lists: AsyncIterable<UserList>) {
  const empty = (): unknown[][] => COLUMNS.map(() => []);
  let columns = empty();
  for await (const list of lists) {
    for (const row of rowsOf(names, list)) row.forEach((value, index) => void columns[index]!.push(value));
    if (columns[0]!.length < ROWS) continue;
    yield columns;
    columns = empty();
  }
  if (columns[0]!.length > 0) yield columns;
}

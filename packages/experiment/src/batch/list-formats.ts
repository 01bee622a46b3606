/** Lists of items for many users, and scores of pairs, as CSV, JSON lines or Parquet. */
import type { FileContent } from '@crossgate/files';
import type { Basis } from '../live/live-run';
import { formatRows, inBlocks, LISTS, type ListFormat, type Row, SCORES } from './table-formats';

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

/** A pair with its score; ids are those of the source. */
export type ScoredPair = readonly [user: string, item: string, score: number];

/** The content of a file of lists. @param safeCsv whether texts of CSV are made safe for a spreadsheet */
export function formatLists(
  format: ListFormat,
  names: ListNames,
  lists: AsyncIterable<UserList>,
  safeCsv = false,
): FileContent {
  if (format === 'jsonl') return inBlocks(listLines(names, lists), '');
  return formatRows(format, LISTS, rowsOf(names, lists), safeCsv);
}

/**
 * The content of a file of scores.
 * @param pairs some at a time
 * @param safeCsv whether texts of CSV are made safe for a spreadsheet
 */
export function formatScores(
  format: ListFormat,
  pairs: AsyncIterable<readonly ScoredPair[]>,
  safeCsv = false,
): FileContent {
  return format === 'jsonl' ? inBlocks(pairLines(pairs), '') : formatRows(format, SCORES, pairs, safeCsv);
}

async function* rowsOf(names: ListNames, lists: AsyncIterable<UserList>): AsyncGenerator<Row[]> {
  for await (const { user, items, scores, basis } of lists) {
    const userId = names.userId(user);
    yield items.map((item, index) => {
      const { id, title } = names.item(item);
      return [userId, index + 1, id, title, scores[index]!, basis];
    });
  }
}

async function* listLines(names: ListNames, lists: AsyncIterable<UserList>): AsyncGenerator<string> {
  for await (const { user, basis, items: found, scores } of lists) {
    const entries = found.map((item, index) => {
      const { id, title } = names.item(item);
      return { item: id, title, score: scores[index]! };
    });
    const isSaid = basis !== 'user' && entries.length > 0;
    yield `${JSON.stringify({ user: names.userId(user), items: entries, ...(isSaid && { basis }) })}\n`;
  }
}

async function* pairLines(chunks: AsyncIterable<readonly ScoredPair[]>): AsyncGenerator<string> {
  for await (const pairs of chunks)
    yield pairs.map(([user, item, score]) => `${JSON.stringify({ user, item, score })}\n`).join('');
}

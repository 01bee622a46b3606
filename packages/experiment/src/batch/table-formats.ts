/** Tables of rows as CSV, JSON lines or Parquet. */
import { basename, extname } from 'node:path';
import { didYouMean, InputError } from '@crossgate/core';
import { csvField, safeCsvField } from '@crossgate/data';
import type { FileContent } from '@crossgate/files';
import { type ParquetColumn, parquetBytes } from './parquet';

/** Formats of lists and scores, by the ending of the file. */
export const LIST_FORMATS = ['parquet', 'csv', 'jsonl'] as const;
/** A format of lists and scores. */
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

/** Rows of Parquet in one group. */
const ROWS = 50_000;
/** Characters of text in one write, at least. */
const CHARACTERS = 1 << 20;

/** A table that commands write. */
export interface TableShape {
  /** The columns of CSV and Parquet. */
  readonly columns: readonly ParquetColumn[];
  /** A column whose equal neighbors stay in one row group of Parquet; null: every row is by itself. */
  readonly keep: string | null;
}

/** The scores of pairs. */
export const SCORES: TableShape = {
  columns: [
    { name: 'user', type: 'text' },
    { name: 'item', type: 'text' },
    { name: 'score', type: 'float64' },
  ],
  keep: null,
};

/** The lists of users. */
export const LISTS: TableShape = {
  columns: [
    { name: 'user', type: 'text' },
    { name: 'rank', type: 'int32' },
    { name: 'item', type: 'text' },
    { name: 'title', type: 'text' },
    { name: 'score', type: 'float64' },
    { name: 'basis', type: 'text' },
  ],
  keep: 'user',
};

/** A row of CSV and Parquet, in the order of the columns. */
export type Row = readonly (string | number)[];

/** The first line of a CSV file of this shape. */
export const csvHeader = ({ columns }: TableShape): string => `${columns.map(({ name }) => name).join(',')}\n`;

/**
 * The content of a CSV or Parquet file.
 * @param units some rows at a time: of a shape that keeps rows together, all that stay together
 * @param safeCsv whether texts of CSV are made safe for a spreadsheet, see `safeCsvField`
 */
export function formatRows(
  format: 'csv' | 'parquet',
  shape: TableShape,
  units: AsyncIterable<readonly Row[]>,
  safeCsv = false,
): FileContent {
  return format === 'csv'
    ? inBlocks(csvTexts(units, safeCsv), csvHeader(shape))
    : parquetBytes(shape.columns, rowGroups(shape, units));
}

async function* csvTexts(units: AsyncIterable<readonly Row[]>, isSafe: boolean): AsyncGenerator<string> {
  const field = isSafe ? safeCsvField : csvField;
  // A negative score is a number, and stays one.
  const cell = (value: string | number) => (typeof value === 'number' ? String(value) : field(value));
  for await (const rows of units) yield rows.map((row) => `${row.map(cell).join(',')}\n`).join('');
}

/** Joins texts to writes of some size. */
export async function* inBlocks(texts: AsyncIterable<string>, header: string): AsyncGenerator<string> {
  let [block, size] = [[header], header.length];
  for await (const text of texts) {
    block.push(text);
    size += text.length;
    if (size < CHARACTERS) continue;
    yield block.join('');
    [block, size] = [[], 0];
  }
  yield block.join('');
}

async function* rowGroups({ columns, keep }: TableShape, units: AsyncIterable<readonly Row[]>) {
  const empty = (): unknown[][] => columns.map(() => []);
  let group = empty();
  for await (const rows of units) {
    for (const row of rows) {
      if (keep === null && group[0]!.length >= ROWS) {
        yield group;
        group = empty();
      }
      row.forEach((value, index) => void group[index]!.push(value));
    }
    if (group[0]!.length < ROWS) continue;
    yield group;
    group = empty();
  }
  if (group[0]!.length > 0) yield group;
}

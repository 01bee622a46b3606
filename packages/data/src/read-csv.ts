/** Reads columns of CSV files, by the names in a header or by number. All errors name file and line. */

import { InputError } from '@crossgate/core';
import { type ColumnRole, columnRole, columnsFor } from './column-names';
import { type CsvRecord, CsvSplitter } from './csv';
import {
  isSeparatorLine,
  looksLikeComment,
  looksLikeRow,
  looksLikeValue,
  namedSeparator,
  requireTable,
  sample,
  separatorNames,
  widthRefusal,
} from './first-line';
import { decodeText } from './text-encoding';

/** The columns to read from a CSV file. */
export interface CsvColumns {
  /** Name of the file, for messages. */
  readonly name: string;
  /**
   * Columns that the header must name, in any order; without a header their numbers, from 1. Other columns are ignored.
   */
  readonly columns: readonly string[];
  /** Columns that may be missing; their values are then undefined in every row. Default: none. */
  readonly optional?: readonly string[];
  /** One character between fields. Default: a comma. */
  readonly separator?: string;
  /** A label of the Encoding Standard, such as `windows-1252`. Default: UTF-8. */
  readonly encoding?: string | undefined;
  /**
   * Whether the first line names the columns. Default: it does, and one that seems to be a row is refused, since it would
   * be lost.
   */
  readonly header?: boolean | undefined;
  /** Takes the names in the header, before the first row; not called without a header. */
  readonly onHeader?: ((names: readonly string[]) => void) | undefined;
  /** The config keys that messages advise, by column; absent where the names of the columns are fixed. */
  readonly keys?: CsvKeys | undefined;
}

/** Config keys of a CSV file, for the advice of messages. */
export interface CsvKeys {
  /** The key that names a column, and what the column is for where its name can say so. */
  readonly columns: Readonly<Record<string, { readonly key: string; readonly role?: ColumnRole }>>;
  /** The folder of keys, such as `data.csv`: `encoding`, `header` and `separator` lie in it. */
  readonly parent: string;
}

/** A row of a CSV file. */
export interface CsvRow {
  /** The line on which it starts, from 1. */
  readonly line: number;
  /** The values of `columns` and then of `optional`, in their order. */
  readonly values: readonly (string | undefined)[];
}

/** Where the wanted columns are, and how many there are in all. */
interface Header {
  readonly indices: readonly number[];
  readonly names: readonly string[] | undefined;
  /** The fields of the first line. */
  readonly first: readonly string[];
}

/**
 * Reads columns of a CSV file by the names in its header, or by their numbers. Yields one batch of rows per chunk of
 * bytes.
 *
 * @param chunks the bytes of the file, UTF-8 unless `encoding` says otherwise.
 * @throws InputError naming file and line for an empty or binary file, text in another encoding, a column that is missing
 * or named twice, a first line that seems to be a row, a row with another number of fields, and as {@link CsvSplitter}
 * does.
 */
export async function* readCsv(
  chunks: AsyncIterable<Uint8Array>,
  format: CsvColumns,
): AsyncGenerator<readonly CsvRow[]> {
  const { name, columns, separator = ',', encoding, keys } = format;
  const splitter = new CsvSplitter(name, separator);
  let header: Header | undefined;
  const take = (records: readonly CsvRecord[]): CsvRow[] => {
    const rows: CsvRow[] = [];
    for (const record of records) {
      if (header === undefined) {
        if (record.line === 1 && isSeparatorLine(record.fields)) continue;
        header = format.header === false ? numberedHeader(record, format) : namedHeader(record, format);
        if (header.names !== undefined) {
          format.onHeader?.(header.names);
          continue;
        }
      }
      requireWidth(record, header, name, separator);
      const { indices } = header;
      rows.push({ line: record.line, values: indices.map((index) => record.fields[index]) });
    }
    return rows;
  };
  const encodingKey = keys === undefined ? undefined : `${keys.parent}.encoding`;
  const refuse = (problem: string, fix?: string) => new InputError(problem, { code: 'csv.encoding', place: name, fix });
  let isFirst = true;
  for await (const text of decodeText(chunks, { refuse, encoding, encodingKey })) {
    if (isFirst && text !== '') {
      requireTable(text, name);
      requireSeparator(text, format);
      isFirst = false;
    }
    yield take(splitter.push(text));
  }
  yield take(splitter.end());
  if (header === undefined) {
    throw new InputError('is empty', {
      code: 'csv.empty',
      place: name,
      fix: `it needs a header line with ${columns.join(',')} and rows below it`,
    });
  }
}

/** A first line `sep=;` says how the fields are parted. */
function requireSeparator(text: string, { name, separator = ',', keys }: CsvColumns): void {
  const found = namedSeparator(text);
  if (found === undefined || found === separator) return;
  throw new InputError(`says on its first line that ${separatorNames[found] ?? found} parts its fields`, {
    code: 'csv.syntax',
    place: `${name}:1`,
    fix:
      keys === undefined
        ? 'put commas, and remove that line'
        : `set ${keys.parent}.separator: ${JSON.stringify(found)}`,
  });
}

function requireWidth(record: CsvRecord, { names, first }: Header, name: string, separator: string): void {
  const { fields, line } = record;
  const place = `${name}:${line}`;
  if (fields.length !== first.length)
    throw widthRefusal(record, first, { name, what: names === undefined ? 'first line' : 'header', separator });
  if (names === undefined || fields[0]?.trim() !== names[0]) return;
  if (fields.every((field, index) => field.trim() === names[index])) {
    throw new InputError('is the header again', { code: 'csv.syntax', place, fix: 'remove the line' });
  }
}

/** Columns by number, from 1, of a file whose first line is a row. */
function numberedHeader({ fields, line }: CsvRecord, { name, columns, optional = [], keys }: CsvColumns): Header {
  const indexOf = (column: string, isRequired: boolean): number => {
    const number = /^[1-9]\d*$/.test(column) ? Number(column) : 0;
    if (number >= 1 && number <= fields.length) return number - 1;
    if (!isRequired) return -1;
    throw new InputError(`without a header, a column is a number from 1 to ${fields.length}, not ${column}`, {
      code: 'csv.column',
      place: `${name}:${line}`,
      fix: `set ${keys?.columns[column]?.key ?? 'it'} to the number of the column (${sample(fields, fields.length)})`,
    });
  };
  const required = columns.map((column) => indexOf(column, true));
  const others = optional.map((column) => indexOf(column, false));
  return { indices: [...required, ...others], names: undefined, first: fields };
}

function namedHeader(record: CsvRecord, format: CsvColumns): Header {
  const { name, columns, optional = [], keys } = format;
  const place = `${name}:${record.line}`;
  const names = record.fields.map((field) => field.trim());
  const read = [...columns, ...optional];
  const missing = columns.find((column) => !names.includes(column));
  // A number that is asked for as a name may be the first value of a column.
  const isNumber = read.some((column) => names.includes(column) && looksLikeValue(column));
  if (format.header === undefined && (isNumber || (missing !== undefined && looksLikeRow(names)))) {
    throw new InputError(`seems to have no header: its first line is a row (${sample(names)})`, {
      code: 'csv.column',
      place,
      fix: headerAdvice(format, isNumber),
    });
  }
  if (missing !== undefined && looksLikeComment(names)) {
    throw new InputError(`begins with a comment (${sample(names)})`, {
      code: 'csv.syntax',
      place,
      fix: 'remove the lines above the names of the columns',
    });
  }
  if (missing !== undefined) {
    throw new InputError(`column ${missing} is missing`, {
      code: 'csv.column',
      place,
      fix: missingAdvice(names, format),
    });
  }
  const twice = names.find((column, index) => read.includes(column) && names.indexOf(column) !== index);
  if (twice !== undefined)
    throw new InputError(`column ${twice} stands twice in the header`, { code: 'csv.column', place });
  if (keys === undefined && names.length === 0) throw new InputError('is empty', { code: 'csv.empty', place });
  return { indices: read.map((column) => names.indexOf(column)), names, first: names };
}

/** What to do about a file without a header: keys, or a line above its rows, but never a change of its first row. */
function headerAdvice({ columns, keys }: CsvColumns, isNumber: boolean): string {
  if (keys === undefined) return `add a line above it that names its columns: ${columns.join(',')}`;
  const byNumber = columns.map((column, index) => `${keys.columns[column]?.key ?? column}: ${index + 1}`).join(', ');
  const otherwise = isNumber ? `, or ${keys.parent}.header: true if these are names` : '';
  return `set ${keys.parent}.header: false and name its columns by number, such as ${byNumber}${otherwise}`;
}

function missingAdvice(names: readonly string[], { columns, keys, header }: CsvColumns): string {
  const there = `the header must name ${columns.join(', ')} (it has ${names.join(', ')})`;
  const separator = separatorHint(names, keys);
  if (separator !== '') return there + separator;
  const lacking = columns.flatMap((column) => {
    const { key, role } = (names.includes(column) ? undefined : keys?.columns[column]) ?? {};
    return key === undefined || role === undefined ? [] : [{ key, found: columnsFor(role, names)[0] }];
  });
  const seen = lacking.flatMap(({ key, found }) =>
    found === undefined ? [] : [`; set ${key}: ${found}, which looks like it`],
  );
  const unseen = lacking.flatMap(({ key, found }) => (found === undefined ? [key] : []));
  const advice = [...seen, ...(unseen.length > 0 ? [`; name yours by ${unseen.join(' and ')}`] : [])].join('');
  // A line of words may be a row as well.
  const isOpen = header === undefined && names.every((name) => columnRole(name) === undefined);
  return `${there}${advice}${isOpen ? `; if that line is a row, ${headerAdvice({ name: '', columns, keys }, false)}` : ''}`;
}

/** A header of a single name with another separator in it was split by the wrong one. */
function separatorHint(names: readonly string[], keys: CsvKeys | undefined): string {
  const [only = ''] = names;
  const found =
    names.length === 1 ? Object.entries(separatorNames).find(([separator]) => only.includes(separator)) : undefined;
  if (found === undefined) return '';
  const advice =
    keys === undefined ? 'put commas' : `set the separator (${keys.parent}.separator: ${JSON.stringify(found[0])})`;
  return `; its fields seem to be parted by ${found[1]}: ${advice}`;
}

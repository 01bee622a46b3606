/** Comma-separated values (RFC 4180) as a stream, by Papa Parse: lines for messages, and refusals of what is malformed. */
/// <reference path="./papaparse.d.ts" />
import { InputError } from '@crossgate/core';
import Papa from 'papaparse';

/** A record of a CSV file. */
export interface CsvRecord {
  /** The line on which it starts, from 1. */
  readonly line: number;
  /** Its fields, without quotes. */
  readonly fields: readonly string[];
}

/** Characters of a row. A quote that is never closed must not fill the memory with the rest of the file. */
const maximumRow = 1 << 22;

/**
 * Splits text that arrives in chunks into records. Blank lines are skipped; quotes inside a field that does not begin with
 * one are text; blanks between a closing quote and the separator are dropped.
 */
export class CsvSplitter {
  /** The beginning of a row whose end has not come yet. */
  private rest = '';
  private line = 1;
  private readonly quoted: RegExp;

  /**
   * @param name of the file, for messages.
   * @param separator one character between fields. Default: a comma.
   */
  constructor(
    private readonly name: string,
    private readonly separator = ',',
  ) {
    const literal = /\w/.test(separator) ? separator : `\\${separator}`;
    this.quoted = new RegExp(`(?<=^|${literal})"[^"]*(?:""[^"]*)*"`, 'g');
  }

  /**
   * Feeds a chunk and returns the records it completes.
   *
   * @throws InputError naming the line that a row starts on: a quote that ends too early, a carriage return without a line
   *   feed outside of quotes, a row longer than 4,194,304 characters
   */
  push(chunk: string): CsvRecord[] {
    return this.take(this.rest + chunk, false);
  }

  /**
   * Ends the file: returns the last record where the file has no final line end.
   *
   * @throws InputError as `push`, and for a quote that is never closed
   */
  end(): CsvRecord[] {
    return this.take(this.rest.replace(/\r$/, ''), true);
  }

  /** Takes the rows of a text that starts where a row does. What is left of an unfinished one is kept. */
  private take(text: string, final: boolean): CsvRecord[] {
    const cut = final ? text.length : text.lastIndexOf('\n') + 1;
    this.rest = text.slice(cut);
    const records = this.rest.length > maximumRow ? undefined : this.takeAtOnce(text.slice(0, cut));
    return records ?? this.takeByRow(text, final);
  }

  /** The rows of whole lines, or undefined where more must be known of a row than its fields. */
  private takeAtOnce(text: string): CsvRecord[] | undefined {
    if (text.length > maximumRow || /\r(?!\n)/.test(text)) return undefined;
    const { data, errors } = Papa.parse(...this.asked(text));
    if (errors.length > 0) return undefined;
    // After the last line end there is one more row of nothing.
    if (data.length > 0 && text.endsWith('\n')) data.pop();
    const records: CsvRecord[] = [];
    const oneEach = countLines(text) <= data.length;
    let line = this.line;
    for (const fields of data) {
      const last = fields.length - 1;
      const ending = fields[last] as string;
      if (ending.endsWith('\r')) fields[last] = ending.slice(0, -1);
      const blank = last === 0 && fields[0] === '';
      // An empty field in quotes is a row, an empty line is none.
      if (blank && text.includes('"')) return undefined;
      if (!blank) records.push({ line, fields });
      line += oneEach ? 1 : fields.reduce((sum, field) => sum + countLines(field), 1);
    }
    this.line = line;
    return records;
  }

  private takeByRow(text: string, final: boolean): CsvRecord[] {
    const records: CsvRecord[] = [];
    let start = 0;
    this.rest = '';
    const step = ({ data, errors, meta }: Papa.Step): void => {
      const end = meta.cursor;
      if (end === start) return;
      const has = (problem: Papa.Problem['code']) => errors.some(({ code }) => code === problem);
      const open = text[end - 1] !== '\n' || has('MissingQuotes');
      // What follows a quote, blanks aside, says whether it was the closing one.
      const malformed = has('InvalidQuotes') && !/"\s*$/.test(text);
      if (open && !final && !malformed && end - start <= maximumRow) {
        this.rest = text.slice(start);
        return;
      }
      const line = this.line;
      this.refuse(line, errors, end - start);
      const row = text.slice(start, end);
      start = end;
      this.line += countLines(row);
      if (row !== '\n' && row !== '\r\n') records.push({ line, fields: this.withoutReturn(data, row, line) });
    };
    const [input, options] = this.asked(text);
    Papa.parse(input, { ...options, step });
    return records;
  }

  private asked(text: string): [string, Papa.Options] {
    // Papa Parse drops a byte order mark; one that begins a later row is text.
    const input = text.startsWith('\ufeff') ? `\ufeff${text}` : text;
    return [input, { delimiter: this.separator, newline: '\n' }];
  }

  private refuse(line: number, errors: readonly Papa.Problem[], length: number): void {
    const fail = (problem: string, fix?: string): never => {
      throw new InputError(problem, { code: 'csv.syntax', place: `${this.name}:${line}`, fix });
    };
    if (errors.some(({ code }) => code === 'InvalidQuotes')) {
      fail('text after a closing quote', 'double the quotes inside a field');
    }
    if (length > maximumRow) fail(`a row is longer than ${maximumRow} characters; is a quoted field never closed?`);
    if (errors.length > 0) fail('a quoted field is never closed');
  }

  /** A carriage return before the line feed ends the line, one in quotes is text, any other is refused. */
  private withoutReturn(fields: readonly string[], row: string, line: number): readonly string[] {
    if (!row.includes('\r')) return fields;
    const body = row.replace(/\r?\n$/, '');
    if (body.includes('\r') && body.replace(this.quoted, '').includes('\r')) {
      throw new InputError('a carriage return without a line feed', {
        code: 'csv.syntax',
        place: `${this.name}:${line}`,
        fix: `save it with \\n line ends`,
      });
    }
    const last = fields.at(-1) as string;
    if (!last.endsWith('\r') || body.endsWith('\r"')) return fields;
    return [...fields.slice(0, -1), last.slice(0, -1)];
  }
}

function countLines(row: string): number {
  let count = 0;
  for (let at = row.indexOf('\n'); at >= 0; at = row.indexOf('\n', at + 1)) count++;
  return count;
}

/** The columns to read from a CSV file with a header. */
export interface CsvColumns {
  /** Name of the file, for messages. */
  readonly name: string;
  /** Columns that the header must name, in any order. Other columns are ignored. */
  readonly columns: readonly string[];
  /** Columns that may be missing; their values are then undefined in every row. Default: none. */
  readonly optional?: readonly string[];
  /** One character between fields. Default: a comma. */
  readonly separator?: string;
}

/** A row of a CSV file with a header. */
export interface CsvRow {
  /** The line on which it starts, from 1. */
  readonly line: number;
  /** The values of `columns` and then of `optional`, in their order. */
  readonly values: readonly (string | undefined)[];
}

/**
 * Reads columns of a CSV file by the names in its header. Yields one batch of rows per chunk of bytes.
 *
 * @param chunks the bytes of the file, UTF-8.
 * @throws InputError naming file and line for an empty or binary file, text that is not UTF-8, a column that is missing
 * or named twice, a row with another number of fields than the header, and as {@link CsvSplitter} does.
 */
export async function* readCsv(
  chunks: AsyncIterable<Uint8Array>,
  { name, columns, optional = [], separator = ',' }: CsvColumns,
): AsyncGenerator<readonly CsvRow[]> {
  const splitter = new CsvSplitter(name, separator);
  let header: { indices: number[]; width: number } | undefined;
  let first = true;
  const take = (records: readonly CsvRecord[]): CsvRow[] => {
    const rows: CsvRow[] = [];
    for (const record of records) {
      if (header === undefined) {
        header = readHeader(name, record, columns, optional);
        continue;
      }
      if (record.fields.length !== header.width) {
        throw new InputError(`${record.fields.length} fields where the header has ${header.width}`, {
          code: 'csv.syntax',
          place: `${name}:${record.line}`,
          fix: 'fix the row',
        });
      }
      rows.push({ line: record.line, values: header.indices.map((index) => record.fields[index]) });
    }
    return rows;
  };
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch {
      throw new InputError('is not UTF-8 text', { code: 'csv.encoding', place: name, fix: 'save the CSV as UTF-8' });
    }
  };
  for await (const bytes of chunks) {
    const text = decode(bytes);
    if (first && text.includes('\0'))
      throw new InputError('is a binary file, not CSV', { code: 'csv.encoding', place: name });
    first = false;
    yield take(splitter.push(text));
  }
  yield take(splitter.push(decode()));
  yield take(splitter.end());
  if (header === undefined) {
    throw new InputError('is empty', {
      code: 'csv.empty',
      place: name,
      fix: `it needs a header line with ${columns.join(',')} and rows below it`,
    });
  }
}

function readHeader(name: string, record: CsvRecord, columns: readonly string[], optional: readonly string[]) {
  const names = record.fields.map((field) => field.trim());
  for (const column of columns) {
    if (!names.includes(column)) {
      throw new InputError(`column ${column} is missing`, {
        code: 'csv.column',
        place: `${name}:${record.line}`,
        fix: `the header must name ${columns.join(', ')} (it has ${names.join(', ')})${separatorHint(names)}`,
      });
    }
  }
  const read = [...columns, ...optional];
  const twice = names.find((column, index) => read.includes(column) && names.indexOf(column) !== index);
  if (twice !== undefined)
    throw new InputError(`column ${twice} stands twice in the header`, {
      code: 'csv.column',
      place: `${name}:${record.line}`,
    });
  return { indices: read.map((column) => names.indexOf(column)), width: names.length };
}

/** A header of a single name with another separator in it was split by the wrong one. */
function separatorHint(names: readonly string[]): string {
  const words = { ';': 'a semicolon', '\t': 'a tab', '|': 'a bar', ',': 'a comma' };
  const [only = ''] = names;
  const found = names.length === 1 ? Object.entries(words).find(([separator]) => only.includes(separator)) : undefined;
  return found === undefined ? '' : `; its fields seem to be parted by ${found[1]}: set the separator`;
}

/** Encodes one field of a CSV file (RFC 4180): in quotes only where a comma, quote or line end demands it. */
export function csvField(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Comma-separated values (RFC 4180) as a stream: quoted fields, CRLF, a byte order mark, line numbers for messages. */
import { InputError } from '@crossgate/core';

/** One record: its fields, and the line it starts on (from 1). */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

const maximumField = 1 << 20;

/** Splits text that arrives in chunks into records. */
export class CsvSplitter {
  private fields: string[] = [];
  private field = '';
  private state: 'start' | 'plain' | 'quoted' | 'quote' = 'start';
  private line = 1;
  private recordLine = 1;
  private carriageReturn = false;

  /**
   * @param name stands in messages
   * @param separator one character between fields
   */
  constructor(
    private readonly name: string,
    private readonly separator = ',',
  ) {}

  /** Feeds a chunk and returns the records it completes; blank lines are skipped. */
  push(chunk: string): CsvRecord[] {
    const records: CsvRecord[] = [];
    for (let at = 0; at < chunk.length; ) {
      const next = this.takePlainLine(chunk, at, records);
      if (next > at) at = next;
      else this.takeCharacter(chunk[at++] as string, records);
    }
    return records;
  }

  /** Ends the file: returns the last record where the file has no final line end. */
  end(): CsvRecord[] {
    if (this.state === 'quoted') {
      throw new InputError('a quoted field is never closed', {
        code: 'csv.syntax',
        place: `${this.name}:${this.recordLine}`,
      });
    }
    const records: CsvRecord[] = [];
    this.endRecord(records);
    return records;
  }

  /** Takes a whole line without quotes at once, which most are. Returns where it ends, or `at` when it is none. */
  private takePlainLine(chunk: string, at: number, records: CsvRecord[]): number {
    if (this.state !== 'start' || this.fields.length > 0 || this.carriageReturn) return at;
    const end = chunk.indexOf('\n', at);
    if (end < 0 || end - at > maximumField) return at;
    const text = chunk.slice(at, chunk[end - 1] === '\r' && end > at ? end - 1 : end);
    if (text.includes('"') || text.includes('\r')) return at;
    if (text !== '') records.push({ line: this.line, fields: text.split(this.separator) });
    this.line++;
    this.recordLine = this.line;
    return end + 1;
  }

  private takeCharacter(character: string, records: CsvRecord[]): void {
    if (this.carriageReturn && character !== '\n' && this.state !== 'quoted') {
      throw new InputError('a carriage return without a line feed', {
        code: 'csv.syntax',
        place: `${this.name}:${this.line}`,
        fix: `save it with \\n line ends`,
      });
    }
    this.carriageReturn = false;
    if (this.state === 'quoted') {
      if (character === '"') this.state = 'quote';
      else this.append(character);
    } else if (character === '"' && this.state === 'quote') {
      this.append('"');
      this.state = 'quoted';
    } else if (character === '"' && this.state === 'start') this.state = 'quoted';
    else if (character === this.separator) this.endField();
    else if (character === '\r') this.carriageReturn = true;
    else if (character === '\n') this.endRecord(records);
    else if (this.state === 'quote') {
      throw new InputError('text after a closing quote', {
        code: 'csv.syntax',
        place: `${this.name}:${this.line}`,
        fix: 'double the quotes inside a field',
      });
    } else {
      this.append(character);
      this.state = 'plain';
    }
    if (character === '\n') this.line++;
  }

  private append(character: string): void {
    if (this.field.length >= maximumField) {
      throw new InputError(`a field is longer than ${maximumField} characters`, {
        code: 'csv.syntax',
        place: `${this.name}:${this.recordLine}`,
      });
    }
    this.field += character;
  }

  private endField(): void {
    this.fields.push(this.field);
    this.field = '';
    this.state = 'start';
  }

  private endRecord(records: CsvRecord[]): void {
    const blank = this.fields.length === 0 && this.field === '' && this.state === 'start';
    this.endField();
    if (!blank) records.push({ line: this.recordLine, fields: this.fields });
    this.fields = [];
    this.recordLine = this.line + 1;
  }
}

/** Which columns to read from a CSV file with a header. */
export interface CsvColumns {
  /** What messages call the file. */
  readonly name: string;
  /** Names that must be in the header; their order and further columns do not matter. */
  readonly columns: readonly string[];
  /** Names that may be there; absent ones are undefined in every row. */
  readonly optional?: readonly string[];
  /** One character between fields; default a comma. */
  readonly separator?: string;
}

/** A row: its line (from 1), and the values of `columns`, then of `optional`. */
export interface CsvRow {
  readonly line: number;
  readonly values: readonly (string | undefined)[];
}

/**
 * Reads the named columns of a CSV file, a batch of rows per chunk of bytes.
 *
 * @throws InputError naming the file and the line: empty, binary, not UTF-8, a column missing or twice, a short or long
 *   row
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

/** Writes one field, quoted only where it must be. */
export function csvField(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

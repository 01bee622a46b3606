/** Comma-separated values (RFC 4180) as a stream: quoted fields, CRLF, a byte order mark, line numbers for messages. */
import { createReadStream } from 'node:fs';
import { InputError } from './errors';
import { requireFile } from './files';

/** One record: its fields, and the line it starts on (from 1). */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

const MAX_FIELD = 1 << 20;

/** Splits text that arrives in chunks into records. `name` stands in messages. */
export class CsvSplitter {
  private fields: string[] = [];
  private field = '';
  private state: 'start' | 'plain' | 'quoted' | 'quote' = 'start';
  private line = 1;
  private recordLine = 1;
  private carriageReturn = false;

  constructor(private readonly name: string) {}

  /** Feeds a chunk and returns the records it completes; blank lines are skipped. */
  push(chunk: string): CsvRecord[] {
    const records: CsvRecord[] = [];
    for (const character of chunk) {
      if (this.carriageReturn && character !== '\n' && this.state !== 'quoted') {
        throw new InputError(
          `${this.name}:${this.line}: a carriage return without a line feed; save it with \\n line ends`,
        );
      }
      this.carriageReturn = false;
      if (this.state === 'quoted') {
        if (character === '"') this.state = 'quote';
        else this.append(character);
      } else if (character === '"' && this.state === 'quote') {
        this.append('"');
        this.state = 'quoted';
      } else if (character === '"' && this.state === 'start') this.state = 'quoted';
      else if (character === ',') this.endField();
      else if (character === '\r') this.carriageReturn = true;
      else if (character === '\n') this.endRecord(records);
      else if (this.state === 'quote') {
        throw new InputError(`${this.name}:${this.line}: text after a closing quote; double the quotes inside a field`);
      } else {
        this.append(character);
        this.state = 'plain';
      }
      if (character === '\n') this.line++;
    }
    return records;
  }

  /** Ends the file: returns the last record where the file has no final line end. */
  end(): CsvRecord[] {
    if (this.state === 'quoted') {
      throw new InputError(`${this.name}:${this.recordLine}: a quoted field is never closed`);
    }
    const records: CsvRecord[] = [];
    this.endRecord(records);
    return records;
  }

  private append(character: string): void {
    if (this.field.length >= MAX_FIELD) {
      throw new InputError(`${this.name}:${this.recordLine}: a field is longer than ${MAX_FIELD} characters`);
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

/**
 * Reads the named columns of a CSV file with a header; their order and further columns do not matter.
 * @param path the file, also the name in messages; it is read as a stream, so a pipe such as /dev/stdin will do
 * @param columns names that must be in the header
 * @param optional names that may be there; absent ones are undefined in every row
 * @throws InputError naming the file and the line: missing, empty, a column missing or twice, a short or long row
 */
export async function* readColumns(
  path: string,
  columns: readonly string[],
  optional: readonly string[] = [],
): AsyncGenerator<{ line: number; values: (string | undefined)[] }> {
  await requireFile(path, 'CSV', true);
  const splitter = new CsvSplitter(path);
  let header: { indices: number[]; width: number } | undefined;
  let first = true;
  const take = (records: readonly CsvRecord[]) => {
    const rows: { line: number; values: (string | undefined)[] }[] = [];
    for (const record of records) {
      if (header === undefined) {
        header = readHeader(path, record, columns, optional);
        continue;
      }
      if (record.fields.length !== header.width) {
        throw new InputError(
          `${path}:${record.line}: ${record.fields.length} fields where the header has ${header.width}; fix the row`,
        );
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
      throw new InputError(`${path}: is not UTF-8 text; save the CSV as UTF-8`);
    }
  };
  for await (const bytes of createReadStream(path, { highWaterMark: 1 << 18 })) {
    const text = decode(bytes as Uint8Array);
    if (first && text.includes('\0')) throw new InputError(`${path}: is a binary file, not CSV`);
    first = false;
    yield* take(splitter.push(text));
  }
  yield* take(splitter.push(decode()));
  yield* take(splitter.end());
  if (header === undefined) {
    throw new InputError(`${path}: is empty; it needs a header line with ${columns.join(',')} and rows below it`);
  }
}

function readHeader(path: string, record: CsvRecord, columns: readonly string[], optional: readonly string[]) {
  const names = record.fields.map((field) => field.trim());
  for (const column of columns) {
    if (!names.includes(column)) {
      throw new InputError(
        `${path}:${record.line}: column ${column} is missing; the header must name ${columns.join(', ')} (it has ${names.join(', ')})`,
      );
    }
  }
  const read = [...columns, ...optional];
  const twice = names.find((name, index) => read.includes(name) && names.indexOf(name) !== index);
  if (twice !== undefined) throw new InputError(`${path}:${record.line}: column ${twice} stands twice in the header`);
  return { indices: read.map((name) => names.indexOf(name)), width: names.length };
}

/** Writes one field, quoted only where it must be. */
export function csvField(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

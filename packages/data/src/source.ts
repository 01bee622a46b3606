/** Reads source files as streams of bytes and their rows as fields. All errors name file and line. */
import { InputError } from '@crossgate/core';
import type { SqlSource } from './sql-options';
import type { Table } from './table';
import { decodeLatin1, decodeText, joinBytes, requireText, Utf8Check } from './text-encoding';

/** A folder of source files: on disk, in memory or from a browser's file picker. */
export interface SourceFolder {
  /** Name of the folder, for messages. */
  readonly name: string;
  /** The bytes of a file, as chunks in order. @throws InputError when there is no such file. */
  open(file: string): Promise<AsyncIterable<Uint8Array>>;
  /** Whether the folder has a file of this name. */
  has(file: string): Promise<boolean>;
  /**
   * The files that a name with `*`, `?` or `**` stands for, in the order of their names, or the one with this name; each
   * with its kind. Absent: every name is one file of text.
   *
   * @throws InputError when there is none.
   */
  parts?(file: string): Promise<readonly SourcePart[]>;
  /** Rows of a database, or of a query over the files. Absent: there are none here. */
  query?(sql: SqlSource): Promise<Table>;
}

/** The form of a CSV file, as far as it is told. */
export interface CsvForm {
  /** The character between two fields. Default: a comma. */
  readonly separator?: string | undefined;
  /** Whether the first line names the columns. Default: it does. */
  readonly header?: boolean | undefined;
}

/** One file of a source folder. */
export interface SourcePart {
  /** Its name in the folder. */
  readonly name: string;
  /** Opens a file that is read as a table; undefined for text. @param form of CSV that is compressed */
  readonly table?: ((form: CsvForm) => Promise<Table>) | undefined;
  /** Whether the file itself names its columns and knows letters, so that no option for the form of CSV applies to it. */
  readonly isTyped?: boolean;
}

/** A source folder in memory. @param files name → content; text is encoded as UTF-8. @param name for messages. */
export function memorySource(files: Readonly<Record<string, Uint8Array | string>>, name = 'memory'): SourceFolder {
  return {
    name,
    async has(file) {
      return Object.hasOwn(files, file);
    },
    async open(file) {
      const content = files[file];
      if (content === undefined) throw new InputError(`no file ${file}`, { code: 'data.not-found', place: name });
      const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
      return (async function* () {
        yield bytes;
      })();
    },
  };
}

/** The form of the rows of a file, for {@link readRows}. */
export interface RowFormat {
  /** Name of the file, for messages. */
  readonly file: string;
  /** Text between two fields, such as `::`. */
  readonly separator: string;
  /** Names of the fields, for messages. Every row must have this many fields. */
  readonly fields: readonly string[];
  /**
   * `latin1` is ISO 8859-1: each byte is the code point of that number. A file that somebody saved again as UTF-8 is
   * read as that: letters beyond ASCII are hardly ever UTF-8 by chance. So that this is known before the first row, the
   * whole file is read into memory.
   */
  readonly encoding: 'latin1' | 'utf-8';
}

/** Returns the place of the current row for messages: `ratings.dat:17`. */
export type Place = () => string;

/** The text of a file in pieces. */
async function* decodeRows(chunks: AsyncIterable<Uint8Array>, { file, encoding }: RowFormat): AsyncGenerator<string> {
  const refuse = (problem: string, fix?: string) => new InputError(problem, { code: 'data.source', place: file, fix });
  if (encoding === 'utf-8') {
    yield* decodeText(chunks, { refuse });
    return;
  }
  const check = new Utf8Check();
  const pieces: Uint8Array[] = [];
  for await (const piece of chunks) {
    check.add(piece);
    pieces.push(piece);
  }
  const bytes = joinBytes(pieces);
  if (check.isUtf8()) {
    yield new TextDecoder().decode(bytes);
    return;
  }
  const { encoding: marked } = requireText(bytes, refuse);
  if (marked === 'utf-16le' || marked === 'utf-16be') {
    throw refuse(`is ${marked.toUpperCase()} text`, 'save it as UTF-8, or fetch it again');
  }
  const text = decodeLatin1(bytes);
  // A byte order mark before bytes that are not UTF-8 after all.
  yield text.startsWith('ï»¿') ? text.slice(3) : text;
}

/** Shortens a row for a message. */
function excerpt(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
}

/**
 * Reads rows of delimited fields and calls `visit` for each. Accepts CRLF, a byte order mark, and blank lines at the
 * end.
 *
 * @param chunks the bytes of the file.
 * @param visit takes the fields and the place of a row.
 * @returns the number of rows.
 * @throws InputError naming file and line for a blank line between rows or a wrong number of fields, and naming the
 * file when it has no rows or is not valid in its encoding; whatever `visit` throws.
 */
export async function readRows(
  chunks: AsyncIterable<Uint8Array>,
  format: RowFormat,
  visit: (fields: readonly string[], place: Place) => void,
): Promise<number> {
  let rows = 0;
  let lineNumber = 0;
  let blankLine = 0;
  const place: Place = () => `${format.file}:${lineNumber}`;
  const takeLine = (raw: string): void => {
    lineNumber++;
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line.trim() === '') {
      if (blankLine === 0) blankLine = lineNumber;
      return;
    }
    if (blankLine > 0)
      throw new InputError('blank line between rows', { code: 'data.source', place: `${format.file}:${blankLine}` });
    const fields = line.split(format.separator);
    if (fields.length !== format.fields.length) {
      const expected = `${format.fields.length} fields (${format.fields.join(format.separator)})`;
      throw new InputError(`expected ${expected}, found ${fields.length} in ${excerpt(line)}`, {
        code: 'data.source',
        place: place(),
      });
    }
    rows++;
    visit(fields, place);
  };
  let rest = '';
  const takeText = (text: string): void => {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      takeLine(rest + text.slice(start, end));
      rest = '';
      start = end + 1;
    }
    rest += text.slice(start);
  };
  for await (const text of decodeRows(chunks, format)) takeText(text);
  if (rest !== '') takeLine(rest);
  if (rows === 0) throw new InputError('the file is empty', { code: 'data.source', place: format.file });
  return rows;
}

/**
 * Parses a field that must be a whole number in plain digits, without leading zeros: two ids must not become one.
 *
 * @param field its name, for messages; @param place of its row, for messages.
 * @throws InputError naming place and field for anything else, such as signs, fractions and exponents, and for a number
 * outside minimum … maximum.
 */
export function parseInteger(text: string, field: string, place: Place, minimum: number, maximum: number): number {
  const value = /^(0|[1-9][0-9]*)$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minimum && value <= maximum)) {
    throw new InputError(`${field} must be a whole number from ${minimum} to ${maximum}, got ${excerpt(text)}`, {
      code: 'data.source',
      place: place(),
    });
  }
  return value;
}

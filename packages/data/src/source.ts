/** Source files as streams of bytes, and their rows as fields, with file and line in every complaint. */
import { InputError } from '@crossgate/core';

/** A folder of source files, wherever it is (disk, memory, a browser's file picker). */
export interface SourceFolder {
  /** What messages call the folder. */
  readonly name: string;
  /** The bytes of a file. Throws InputError when there is no such file. */
  open(file: string): Promise<AsyncIterable<Uint8Array>>;
  /** Whether there is such a file. */
  has(file: string): Promise<boolean>;
}

/** A source folder held in memory: text is encoded as UTF-8. */
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

export interface RowFormat {
  /** What messages call the file. */
  readonly file: string;
  readonly separator: string;
  /** Names of the fields; every row must have exactly these. */
  readonly fields: readonly string[];
  /** `latin1` maps each byte to the code point of that number (ISO 8859-1). */
  readonly encoding: 'latin1' | 'utf-8';
}

/** The place of a row, for messages: `ratings.dat:17`. */
export type Place = () => string;

/** Decodes chunks of bytes; the WHATWG label "latin1" means windows-1252, so ISO 8859-1 is widened by hand. */
function decoder(format: RowFormat): (chunk: Uint8Array | undefined) => string {
  if (format.encoding === 'latin1') {
    const wide = new TextDecoder('utf-16le', { ignoreBOM: true });
    return (chunk) => (chunk === undefined ? '' : wide.decode(Uint16Array.from(chunk)));
  }
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return (chunk) => {
    try {
      return chunk === undefined ? utf8.decode() : utf8.decode(chunk, { stream: true });
    } catch {
      throw new InputError('not valid UTF-8', { code: 'data.source', place: format.file });
    }
  };
}

/** A UTF-8 byte order mark as the encoding shows it. */
const byteOrderMark = { latin1: 'ï»¿', 'utf-8': '\uFEFF' } as const;

/** Shortens a row for a message. */
function excerpt(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
}

/**
 * Reads delimited rows and calls `visit` for each. Tolerates CRLF, a byte order mark, and blank lines at the end.
 *
 * @returns the number of rows
 * @throws InputError naming file and line for a blank line between rows or a wrong number of fields, and naming the
 *   file when it holds no row or is not valid in its encoding; whatever `visit` throws passes through
 */
export async function readRows(
  chunks: AsyncIterable<Uint8Array>,
  format: RowFormat,
  visit: (fields: readonly string[], place: Place) => void,
): Promise<number> {
  const decode = decoder(format);
  let rows = 0;
  let lineNumber = 0;
  let blankLine = 0;
  const place: Place = () => `${format.file}:${lineNumber}`;
  const takeLine = (raw: string): void => {
    lineNumber++;
    let line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const mark = byteOrderMark[format.encoding];
    if (lineNumber === 1 && line.startsWith(mark)) line = line.slice(mark.length);
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
  for await (const chunk of chunks) takeText(decode(chunk));
  takeText(decode(undefined));
  if (rest !== '') takeLine(rest);
  if (rows === 0) throw new InputError('the file is empty', { code: 'data.source', place: format.file });
  return rows;
}

/**
 * Parses a field that must be a whole number written in digits.
 *
 * @throws InputError naming place and field for anything else (NaN, signs, fractions, exponents) or a number outside
 *   [minimum, maximum]
 */
export function parseInteger(text: string, field: string, place: Place, minimum: number, maximum: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minimum && value <= maximum)) {
    throw new InputError(`${field} must be a whole number from ${minimum} to ${maximum}, got ${excerpt(text)}`, {
      code: 'data.source',
      place: place(),
    });
  }
  return value;
}

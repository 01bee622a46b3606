/** Rows of JSON as a stream: one object a line or over several lines, or one array of all, as JSON or Python has it. */
import { InputError } from '@crossgate/core';
import { LiteralError, parseLiteral } from './literal';
import type { Place } from './source';

/** No row of a known source comes near it: a longer one is not a file of rows. */
const longestRow = 1 << 24;

/** What is told of a file that holds one value for the whole table. */
const byRows = "write one object for each row, as pandas does by to_json(path, orient='records', lines=True)";

/** A row that is read, and the line on which it starts. */
interface Row {
  readonly value: unknown;
  readonly line: number;
}

/** How far the search for the end of an object has come. */
interface Search {
  at: number;
  depth: number;
  quote: string;
}

const inside: Readonly<Record<string, RegExp>> = { '"': /["\\\n]/g, "'": /['\\\n]/g, '': /["'{}[\]()]/g };

/**
 * Looks for the end of the object that a search began with.
 *
 * @returns the index behind it; null where the text ends before, up to `limit`.
 * @throws LiteralError where a text in quotes goes over the end of a line.
 */
function findEnd(text: string, search: Search, limit: number): number | null {
  for (;;) {
    const pattern = inside[search.quote] as RegExp;
    pattern.lastIndex = search.at;
    const at = pattern.exec(text)?.index ?? limit;
    if (at >= limit) {
      search.at = limit;
      return null;
    }
    const sign = text[at] as string;
    if (sign === '\\') {
      if (at + 1 >= limit) {
        search.at = at;
        return null;
      }
      search.at = at + 2;
      continue;
    }
    search.at = at + 1;
    if (sign === '\n') throw new LiteralError('a text in quotes does not end on its line', at);
    if (search.quote !== '') search.quote = '';
    else if (sign === '"' || sign === "'") search.quote = sign;
    else {
      search.depth += '{[('.includes(sign) ? 1 : -1;
      if (search.depth === 0) return search.at;
    }
  }
}

/** Cuts text that arrives in chunks into rows. */
class RowSplitter {
  #text = '';
  /** Where the next row, or the blanks before it, begin. */
  #at = 0;
  #line = 1;
  /** `array` after the bracket that opens a list of all rows, `closed` after the one that ends it. */
  #form: 'unknown' | 'lines' | 'array' | 'closed' = 'unknown';
  /** Of an object that goes over several lines, or is an element of an array. */
  #search: Search | null = null;

  constructor(private readonly file: string) {}

  /** @param final whether the file ends with this text */
  *feed(text: string, final: boolean): Generator<Row, void, undefined> {
    this.#text = this.#text.slice(this.#at) + text;
    if (this.#search) this.#search.at -= this.#at;
    this.#at = 0;
    for (;;) {
      const row = this.#form === 'lines' ? this.#nextLine(final) : this.#nextElement(final);
      if (row === 'more') break;
      if (row !== 'form') yield row;
    }
    if (this.#text.length - this.#at <= longestRow) return;
    throw this.#error(`a row is longer than ${longestRow} characters; is a quote or brace never closed?`, byRows);
  }

  /** A line, or an object that begins with one. */
  #nextLine(final: boolean): Row | 'more' {
    const text = this.#text;
    const limit = final ? text.length : text.lastIndexOf('\n') + 1;
    while (this.#at < limit) {
      const found = text.indexOf('\n', this.#at);
      const end = found < 0 ? text.length : found;
      if (this.#search === null) {
        const line = text.slice(this.#at, end);
        if (line.trim() === '') {
          this.#take(Math.min(end + 1, text.length));
          continue;
        }
        const value = fromJson(line);
        if (value !== undefined || isWhole(line)) return this.#row(value, end, Math.min(end + 1, text.length));
        this.#search = { at: this.#at, depth: 0, quote: '' };
      }
      const closed = this.#find(limit);
      if (closed === null) break;
      const after = text.indexOf('\n', closed);
      const stop = after < 0 ? text.length : after;
      return this.#row(undefined, stop, Math.min(stop + 1, text.length));
    }
    if (final && this.#search) throw this.#error(neverClosed);
    return 'more';
  }

  /** An element of an array of all rows; before the first sign of the file, whether it is one. */
  #nextElement(final: boolean): Row | 'more' | 'form' {
    const text = this.#text;
    const skipped = this.#form === 'array' ? /[\s,]*/y : /\s*/y;
    if (this.#search === null) {
      skipped.lastIndex = this.#at;
      skipped.exec(text);
      this.#take(skipped.lastIndex);
    }
    const sign = text[this.#at];
    if (sign === undefined) {
      if (final && this.#form === 'array') throw this.#error('is not valid JSON: the list of rows is never closed');
      return 'more';
    }
    if (this.#form === 'unknown') {
      this.#form = sign === '[' ? 'array' : 'lines';
      if (sign === '[') this.#at++;
      return 'form';
    }
    if (this.#form === 'closed') throw this.#error('is not valid JSON: there is more after the list of rows');
    if (sign === ']') {
      this.#at++;
      this.#form = 'closed';
      return 'form';
    }
    if (sign !== '{') throw this.#error('is not a JSON object');
    this.#search ??= { at: this.#at, depth: 0, quote: '' };
    const closed = this.#find(text.length);
    if (closed === null) {
      if (final) throw this.#error(neverClosed);
      return 'more';
    }
    return this.#row(undefined, closed, closed);
  }

  /** Takes the row up to `end`, and goes on at `next`. @param value of the row, where it is known */
  #row(value: unknown, end: number, next: number): Row {
    const line = this.#line;
    const text = this.#text.slice(this.#at, end);
    const row = { value: value ?? fromJson(text) ?? this.#fromLiteral(text), line };
    this.#take(next);
    return row;
  }

  #fromLiteral(text: string): unknown {
    try {
      return parseLiteral(text);
    } catch (error) {
      if (!(error instanceof LiteralError)) throw error;
      this.#line += countLines(text.slice(0, error.at));
      const column = error.at - text.lastIndexOf('\n', error.at - 1);
      throw this.#error(`is not valid JSON: ${error.message} (character ${column} of the line)`);
    }
  }

  /** The end of the object that is searched for. */
  #find(limit: number): number | null {
    try {
      return findEnd(this.#text, this.#search as Search, limit);
    } catch (error) {
      if (!(error instanceof LiteralError)) throw error;
      this.#take(error.at);
      throw this.#error(`is not valid JSON: ${error.message}`);
    }
  }

  /** Goes on to a place of the text. */
  #take(to: number): void {
    this.#line += countLines(this.#text.slice(this.#at, to));
    this.#at = to;
    this.#search = null;
  }

  #error(problem: string, fix?: string): InputError {
    return new InputError(problem, { code: 'data.source', place: `${this.file}:${this.#line}`, fix });
  }
}

const neverClosed = 'is not valid JSON: the object that begins here is never closed';

/** The value of a text in JSON; undefined where it is none. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether nothing of what begins on a line can follow on the next: no object, one that ends, or a text that is cut. */
function isWhole(line: string): boolean {
  if (!line.trimStart().startsWith('{')) return true;
  const search: Search = { at: 0, depth: 0, quote: '' };
  return findEnd(line, search, line.length) !== null || search.quote !== '';
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

/** One object for a whole table, as pandas writes it unless it is told otherwise. */
function isTable(value: Readonly<Record<string, unknown>>): boolean {
  const values = Object.values(value);
  const isMapping = (entry: unknown) => typeof entry === 'object' && entry !== null && !Array.isArray(entry);
  if (Array.isArray(value.data) && (Array.isArray(value.columns) || isMapping(value.schema))) return true;
  return values.length > 0 && values.every(isMapping);
}

/**
 * Reads rows of JSON in UTF-8 and calls `visit` for each object: one a line, over several lines, or all in one array.
 * What Python writes is read too: NaN, Infinity, None, True, False, single quotes. Blank lines, CRLF and a byte order
 * mark are accepted.
 *
 * @returns the number of objects
 * @throws InputError naming file and line for what is no object, and the file when it has none, is not UTF-8, or holds
 * one object for the whole table
 */
export async function readJsonLines(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
  visit: (value: Readonly<Record<string, unknown>>, place: Place) => void,
): Promise<number> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const splitter = new RowSplitter(file);
  let objects = 0;
  const take = ({ value, line }: Row): void => {
    const place: Place = () => `${file}:${line}`;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new InputError('is not a JSON object', { code: 'data.source', place: place() });
    }
    const row = value as Readonly<Record<string, unknown>>;
    if (objects++ === 0 && isTable(row)) {
      throw new InputError('is one object for the whole table', { code: 'data.source', place: place(), fix: byRows });
    }
    visit(row, place);
  };
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch {
      throw new InputError('not valid UTF-8', { code: 'data.source', place: file });
    }
  };
  for await (const bytes of chunks) for (const row of splitter.feed(decode(bytes), false)) take(row);
  for (const row of splitter.feed(decode(), true)) take(row);
  if (objects === 0) throw new InputError('the file is empty', { code: 'data.source', place: file });
  return objects;
}

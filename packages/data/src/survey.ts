/** Reads a whole CSV file and says what its columns hold: numbers, marks, times and in which form, and what is missing. */

import { InputError } from '@crossgate/core';
import { type CsvRecord, CsvSplitter } from './csv';
import { hasDecimalComma, hasThousands, isMissingWord, mayHaveThousands, parseFlag } from './csv-values';
import { isSeparatorLine, isTellingName, looksLikeRow, namedSeparator, requireTable, widthRefusal } from './first-line';
import type { SourceFolder } from './source';
import type { Table } from './table';
import { decodeText, requireText, sniffedLength } from './text-encoding';
import { decimalNumber } from './time-format';
import { TimeSurvey } from './time-survey';

/** A value and the line of the row where it stands first. */
export interface FoundValue {
  /** The value, without outer blanks. */
  readonly text: string;
  /** The line on which its row starts, from 1. */
  readonly line: number;
}

/** Numbers up to which the rows of each are counted: more are no scale of ratings. */
const mostDistinct = 256;

/** What a column holds. */
export class ColumnFacts {
  /** Values that are numbers, with a decimal comma or a point. */
  numbers = 0;
  /** Numbers with a decimal comma. */
  commas = 0;
  /** Numbers with a comma that may as well stand between thousands, such as `1,234`. */
  openCommas = 0;
  /** The first value with signs between thousands, or that may have one. */
  grouped: FoundValue | undefined;
  /** Values that are 0, 1, true or false. */
  flags = 0;
  /** Values that are 1 or true. */
  positives = 0;
  /** Rows by number, with the text of the first; undefined where there are many numbers. */
  distinct: Map<number, { readonly text: string; count: number }> | undefined = new Map();
  /** The smallest number. */
  low = Number.POSITIVE_INFINITY;
  /** The largest number. */
  high = Number.NEGATIVE_INFINITY;
  /** Values that are there. */
  present = 0;
  /** The first value that is there. */
  first: FoundValue | undefined;
  /** Texts that stand for a missing value, such as `N/A`, with their number and the first line. */
  readonly missing = new Map<string, { count: number; line: number }>();
  /** Other texts in a column of numbers: the first few. */
  readonly words = new Map<string, { count: number; line: number }>();
  /** The forms of time that the values have. */
  readonly times = new TimeSurvey();
  /** Numbers above 0 by sixteenths of their binary logarithm, for a median without all of them. */
  private readonly sizes = new Map<number, number>();

  /** @param name in the header, or the number of the column, from 1, without one */
  constructor(readonly name: string) {}

  /** Takes in the value of a row. */
  add(value: string, line: number): void {
    const text = value.trim();
    const code = text.charCodeAt(0);
    // Digits begin no word for what is missing.
    if (!(code >= 48 && code <= 57) && isMissingWord(text)) {
      count(this.missing, text, line);
      return;
    }
    this.present++;
    this.first ??= { text, line };
    const hasComma = hasDecimalComma(text);
    const plain = hasComma ? text.replace(',', '.') : text;
    const isOpen = hasComma && mayHaveThousands(text);
    if (isOpen) this.openCommas++;
    if (isOpen || (!hasComma && /\d\D\d{3}/.test(text) && !decimalNumber.test(plain) && hasThousands(text)))
      this.grouped ??= { text, line };
    if (!decimalNumber.test(plain)) {
      const flag = parseFlag(text);
      if (flag !== undefined) this.addFlag(flag);
      else if (this.words.size < 6 || this.words.has(text)) count(this.words, text, line);
      this.times.addText(text, line);
      return;
    }
    const number = Number(plain);
    this.numbers++;
    if (hasComma) this.commas++;
    if (number === 0 || number === 1) this.addFlag(number === 1);
    this.addDistinct(number, text);
    if (number < this.low) this.low = number;
    if (number > this.high) this.high = number;
    const size = number > 0 ? Math.floor(16 * Math.log2(number)) : Number.NEGATIVE_INFINITY;
    this.sizes.set(size, (this.sizes.get(size) ?? 0) + 1);
    this.times.addNumber(plain, number, line);
  }

  private addFlag(isPositive: boolean): void {
    this.flags++;
    if (isPositive) this.positives++;
  }

  private addDistinct(number: number, text: string): void {
    const present = this.distinct?.get(number);
    if (present !== undefined) present.count++;
    else this.distinct?.set(number, { text, count: 1 });
    if ((this.distinct?.size ?? 0) > mostDistinct) this.distinct = undefined;
  }

  /** How many values are missing. */
  get missingCount(): number {
    let sum = 0;
    for (const each of this.missing.values()) sum += each.count;
    return sum;
  }

  /** Whether all values that are there are numbers. */
  get isNumeric(): boolean {
    return this.present > 0 && this.numbers === this.present;
  }

  /** Whether all values that are there are 0, 1, true or false. */
  get isFlag(): boolean {
    return this.present > 0 && this.flags === this.present;
  }

  /** The median of the numbers, to a twentieth. */
  get median(): number {
    let before = 0;
    for (const [size, many] of [...this.sizes].sort(([a], [b]) => a - b)) {
      before += many;
      if (2 * before < this.numbers) continue;
      const value = size === Number.NEGATIVE_INFINITY ? 0 : 2 ** ((size + 0.5) / 16);
      return value < 10 ? Math.floor(value) : Number(value.toPrecision(2));
    }
    return 0;
  }
}

function count(counts: Map<string, { count: number; line: number }>, text: string, line: number): void {
  const present = counts.get(text);
  if (present === undefined) counts.set(text, { count: 1, line });
  else present.count++;
}

/** How a file is to be read; what is absent is found out. */
export interface SurveyOptions {
  /** One character between fields. */
  readonly separator?: string | undefined;
  /** A label of the Encoding Standard. */
  readonly encoding?: string | undefined;
  /** Whether the first line names the columns. */
  readonly header?: boolean | undefined;
}

/** What a CSV file holds. */
export interface CsvSurvey {
  /** One character between fields. */
  readonly separator: string;
  /** The encoding that was asked for, or UTF-16 where the file is; undefined: UTF-8. */
  readonly encoding: string | undefined;
  /** The fields of the first line. */
  readonly firstLine: readonly string[];
  /** Whether the first line names the columns: undefined where it seems to be a row and nobody said so. */
  readonly header: boolean | undefined;
  /** Rows of values. */
  readonly rows: number;
  /** The columns in their order. */
  readonly columns: readonly ColumnFacts[];
}

/** Characters of the beginning from which the separator is told, if they hold a few rows. */
const beginning = 1 << 16;
const candidates = [',', ';', '\t', '|'];

/**
 * Reads a whole CSV file.
 *
 * @param file its name in the folder. @param place its name in messages.
 * @throws InputError naming file and line for what is no CSV, as `readCsv` does, with `--encoding` as its advice
 */
export async function surveyCsv(
  source: SourceFolder,
  file: string,
  place: string,
  options: SurveyOptions = {},
): Promise<CsvSurvey> {
  const refuse = (problem: string, fix?: string) => new InputError(problem, { code: 'csv.encoding', place, fix });
  const encoding = options.encoding ?? (await sniffEncoding(source, file, refuse));
  const text = async () => decodeText(await source.open(file), { refuse, encoding, encodingKey: '--encoding' });
  const separator = options.separator ?? (await guessSeparator(await text(), place));
  const splitter = new CsvSplitter(place, separator);
  let first: CsvRecord | undefined;
  let columns: ColumnFacts[] = [];
  let rows = 0;
  /** Of each field of the first line: whether other rows, which are not that line again, are like it. */
  const recurring = new Set<number>();
  let like: ((value: string) => boolean)[] = [];
  let again: number | undefined;
  const take = (records: readonly CsvRecord[]): void => {
    for (const record of records) {
      if (first === undefined) {
        if (record.line === 1 && isSeparatorLine(record.fields)) continue;
        first = record;
        like = record.fields.map(likeCheck);
        columns = record.fields.map(
          (name, index) => new ColumnFacts(options.header === false ? String(index + 1) : name.trim()),
        );
        if (options.header !== false) continue;
      }
      const { fields } = first;
      if (record.fields.length !== fields.length)
        throw widthRefusal(record, fields, { name: place, what: 'first line', separator });
      const isAgain =
        record !== first && record.fields.every((value, index) => value.trim() === (fields[index] as string).trim());
      if (isAgain) again ??= record.line;
      for (const [index, value] of record.fields.entries()) {
        if (!isAgain && !recurring.has(index) && like[index]?.(value)) recurring.add(index);
        (columns[index] as ColumnFacts).add(value, record.line);
      }
      rows++;
    }
  };
  let isFirst = true;
  for await (const piece of await text()) {
    if (isFirst && piece !== '') requireTable(piece, place);
    if (piece !== '') isFirst = false;
    take(splitter.push(piece));
  }
  take(splitter.end());
  const firstLine = first?.fields ?? [];
  const isRow = looksLikeRow(
    firstLine,
    (index) => recurring.has(index) || (again !== undefined && !isTellingName(firstLine[index] as string)),
  );
  const header = options.header ?? (isRow ? undefined : true);
  if (header === true && again !== undefined) {
    const details = { code: 'csv.syntax', place: `${place}:${again}`, fix: 'remove the line' } as const;
    throw new InputError('is the header again', details);
  }
  return { separator, encoding, firstLine, header, rows, columns };
}

/** The same of a table: its columns have names, and times are seconds. Columns that can't be read are left out. */
export async function surveyTable(table: Table): Promise<CsvSurvey> {
  try {
    const readable = table.columns.flatMap(({ kind }, index) => (kind === 'other' ? [] : [index]));
    const firstLine = readable.map((index) => table.columns[index]?.name ?? '');
    const columns = firstLine.map((name) => new ColumnFacts(name));
    let rows = 0;
    for await (const batch of table.read(readable)) {
      for (const [index, cells] of batch.columns.entries())
        for (let row = 0; row < batch.rows; row++) columns[index]?.add(String(cells[row]), rows + row + 1);
      rows += batch.rows;
    }
    return { separator: ',', encoding: undefined, firstLine, header: true, rows, columns };
  } finally {
    await table.close();
  }
}

/** What tells whether a value is that of the first line, or differs in digits alone, such as `user_2` from `user_1`. */
function likeCheck(first: string): (value: string) => boolean {
  if (first === '') return () => false;
  if (!/\d/.test(first)) return (value) => value === first;
  const pattern = new RegExp(`^${first.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replaceAll(/\d+/g, '\\d+')}$`);
  return (value) => pattern.test(value);
}

async function sniffEncoding(
  source: SourceFolder,
  file: string,
  refuse: (problem: string, fix?: string) => Error,
): Promise<string | undefined> {
  const head: number[] = [];
  for await (const bytes of await source.open(file)) {
    head.push(...bytes.subarray(0, sniffedLength - head.length));
    if (head.length >= sniffedLength) break;
  }
  const { encoding } = requireText(Uint8Array.from(head), refuse);
  return encoding === 'utf-8' ? undefined : encoding;
}

/** The separator by which the first rows have the same number of fields, and most of them. */
async function guessSeparator(pieces: AsyncIterable<string>, place: string): Promise<string> {
  const splitters = new Map(
    [...candidates, ' '].map((each) => [each, { splitter: new CsvSplitter(place, each), widths: [] as number[] }]),
  );
  let length = 0;
  let line = '';
  const feed = (piece: string | undefined) => {
    for (const [each, { splitter, widths }] of splitters) {
      try {
        const records = piece === undefined ? splitter.end() : splitter.push(piece);
        widths.push(...records.slice(0, 1000).map(({ fields }) => fields.length));
      } catch (error) {
        // By a wrong separator, quotes may stand where none may; by the right one, the reader refuses them again.
        if (!(error instanceof InputError)) throw error;
        if (widths.length < 2) splitters.delete(each);
      }
    }
  };
  let isWhole = true;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length && isWhole; at += beginning) {
      const part = piece.slice(at, at + beginning);
      if (!line.includes('\n')) line += part;
      feed(part);
      length += part.length;
      isWhole = length < beginning || ![...splitters.values()].some(({ widths }) => widths.length > 2);
    }
    if (!isWhole) break;
  }
  if (isWhole) feed(undefined);
  requireTable(line, place);
  const named = namedSeparator(line);
  if (named !== undefined) return named;
  const score = (each: string) => {
    const widths = splitters.get(each)?.widths ?? [];
    const [width = 1] = widths;
    return width < 2 ? 0 : widths.filter((other) => other === width).length / widths.length + width / 1e6;
  };
  const best = candidates.reduce((found, each) => (score(each) > score(found) ? each : found));
  return score(best) === 0 && score(' ') >= 1 ? ' ' : best;
}

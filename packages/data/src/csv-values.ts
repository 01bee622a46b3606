/** Reads the values of a user's own files: ids, ratings, labels and times. All errors name file and line. */

import { InputError } from '@crossgate/core';
import { isRounded, otherTimeForm, parseTime, SecondsCheck } from './time';
import { decimalNumber, requireTimeFormat, type TimeReader } from './time-format';

const maximumId = 256;

/** A value in a message, in quotes and cut where it is long. */
export function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

const refusal = (problem: string, place: string, fix?: string) =>
  new InputError(problem, { code: 'csv.value', place, fix });

/** An id, letter by letter: white space at its ends is part of it. @throws InputError for one that is empty or longer than 256 characters */
export function readId(text: string, column: string, place: string): string {
  if (text.trim() === '') throw refusal(`${column} is empty`, place);
  if (text.length > maximumId)
    throw refusal(`${column} has ${text.length} characters; an id may have ${maximumId}`, place);
  return text;
}

/** Whether a text is a number with a decimal comma, such as `3,5`. */
export function hasDecimalComma(text: string): boolean {
  return /^[+-]?\d+,\d+$/.test(text.trim());
}

/** Whether a text is a number with signs between thousands, such as `1,234,567`, `1.234,5` or `12 345`. */
export function hasThousands(text: string): boolean {
  return /^[+-]?\d{1,3}(?:([,.'’ \u00a0\u202f])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d+)?)$/.test(text.trim());
}

/** Whether a text with a decimal comma may as well have one between thousands, such as `1,234`. */
export function mayHaveThousands(text: string): boolean {
  return /^[+-]?[1-9]\d{0,2},\d{3}$/.test(text.trim());
}

/** A number by the sign of its fractions; NaN for what is none. */
export function parseDecimal(text: string, decimal: '.' | ','): number {
  const trimmed = text.trim();
  const plain = decimal === ',' ? trimmed.replace(',', '.') : trimmed;
  return decimalNumber.test(plain) ? Number(plain) : Number.NaN;
}

/** @throws InputError for what is no finite number */
export function readRating(text: string, column: string, place: string, decimal: '.' | ','): number {
  const value = parseDecimal(text, decimal);
  if (Number.isFinite(value)) return value;
  const plain = 'write numbers without a sign between thousands';
  if (hasDecimalComma(text)) {
    const isOpen = mayHaveThousands(text);
    const problem = `${column} must be a number, got ${excerpt(text)} with a ${isOpen ? 'comma' : 'decimal comma'}`;
    const set = 'set data.csv.decimal: ","';
    throw refusal(problem, place, isOpen ? `${plain}, or, if it is the sign of a fraction, ${set}` : set);
  }
  if (hasThousands(text)) throw refusal(`${column} must be a number, got ${excerpt(text)}`, place, plain);
  throw refusal(`${column} must be a finite number, got ${excerpt(text)}${missingHint(text)}`, place);
}

/** A mark: 1, 0, true or false. @throws InputError for anything else */
export function readLabel(text: string, column: string, place: string): boolean {
  const flag = parseFlag(text);
  if (flag !== undefined) return flag;
  throw refusal(`${column} must be 0 or 1, got ${excerpt(text)}${missingHint(text)}`, place);
}

/** Words for true and false, as databases and tables in several languages write them. */
const flagWords: ReadonlyMap<string, boolean> = new Map([
  ...['true', 't', 'yes', 'y', 'wahr', 'ja', 'vrai', 'oui', 'verdadero', 'verdadeiro', 'vero', 'si', 'sí', 'sim'].map(
    (word) => [word, true] as const,
  ),
  ...['false', 'f', 'no', 'n', 'falsch', 'nein', 'faux', 'non', 'falso', 'nao', 'não'].map(
    (word) => [word, false] as const,
  ),
]);

/** A mark as people and programs write it: 1, 1.0, true, yes; 0, 0.0, False, n. Undefined for anything else. */
export function parseFlag(text: string): boolean | undefined {
  // Most texts of a file are no mark, and longer than any.
  if (text.length > 40) return undefined;
  const word = text.trim().toLowerCase();
  const said = flagWords.get(word);
  if (said !== undefined) return said;
  const value = decimalNumber.test(word) ? Number(word) : Number.NaN;
  return value === 0 || value === 1 ? value === 1 : undefined;
}

/** Words that stand where a value is missing. */
const missingWords = /^(|n\/?a|#n\/a|<na>|nan|null|none|nil|nat|missing|unknown|\\n|-|--|\?|\.)$/i;

/** Whether a text stands where a value is missing, as `N/A` and an empty field do. */
export function isMissingWord(text: string): boolean {
  return missingWords.test(text.trim());
}

function missingHint(text: string): string {
  return isMissingWord(text)
    ? `; data.csv.missing: [${JSON.stringify(text.trim())}] leaves out such rows, and counts them`
    : '';
}

/** The times of a file: reads each, and says at the end whether all together are what they were taken for. */
export class TimeColumn {
  private readonly reader: TimeReader;
  private readonly check: SecondsCheck | undefined;
  private rounded = 0;

  /**
   * @param at gives the place of a line and @param column are for messages. @param format a unit or pattern; undefined: seconds or ISO 8601.
   * @throws InputError naming the key of a format that is none
   */
  constructor(
    private readonly at: (line: number) => string,
    private readonly column: string,
    private readonly format: string | undefined,
    private readonly decimal: '.' | ',',
  ) {
    this.reader = format === undefined ? parseTime : requireTimeFormat(format, 'data.csv.timeFormat');
    this.check = format === undefined ? new SecondsCheck() : undefined;
  }

  /** Seconds since 1970. @throws InputError for a text that is no time in the form of the column */
  read(text: string, line: number): number {
    const plain = this.decimal === ',' && hasDecimalComma(text) ? text.replace(',', '.') : text;
    const seconds = this.reader(plain);
    if (seconds === undefined) throw this.refusal(plain, this.at(line));
    if (/e/i.test(plain) && isRounded(plain)) this.rounded++;
    // Of dates, nothing can be mistaken.
    const code = plain.charCodeAt(4);
    if (this.check !== undefined && (Number.isNaN(code) || code === 46 || (code >= 48 && code <= 57)))
      this.check.add(plain, seconds, line);
    return seconds;
  }

  /** The same of a number, as typed columns have it, without a text for each of millions. @throws InputError as `read` */
  readNumber(value: number, line: number): number {
    // Numbers that can be nothing but seconds.
    if (this.check === undefined || !(value >= 1e8 && value < 1_970_010_100)) return this.read(String(value), line);
    this.check.addCertain();
    return value;
  }

  /** Seconds of a column whose type says that it holds times. @throws InputError for one before 1970 or after 9999 */
  readSeconds(seconds: number, line: number): number {
    if (seconds >= 0 && seconds < 253_402_300_800) return seconds;
    throw refusal(`${this.column} must be a time from 1970 to 9999, got ${describeSeconds(seconds)}`, this.at(line));
  }

  /**
   * Ends the column.
   *
   * @returns warnings about times that may be none
   * @throws InputError where the numbers are dates, years or days instead of seconds
   */
  finish(): string[] {
    const verdict = this.check?.verdict();
    if (verdict !== undefined) {
      const { format, text, line } = verdict;
      throw refusal(
        `${this.column} is ${text}, which as seconds since 1970 lies in ${yearOf(text)}; it looks like ${describeFormat(format)}`,
        this.at(line),
        `set data.csv.timeFormat: ${format}, or seconds if it is`,
      );
    }
    const warnings: string[] = [];
    const doubt = this.check?.doubt();
    if (doubt !== undefined)
      warnings.push(`${this.column}: ${doubt}; are they seconds since 1970? data.csv.timeFormat names other forms`);
    if (this.rounded > 0)
      warnings.push(`${this.column}: ${this.rounded} times are rounded (1.7E+09); export them with all their digits`);
    return warnings;
  }

  private refusal(text: string, place: string): InputError {
    const got = `got ${excerpt(text)}${missingHint(text)}`;
    if (this.format !== undefined) {
      return refusal(`${this.column} must be ${describeFormat(this.format)} (data.csv.timeFormat), ${got}`, place);
    }
    const form = otherTimeForm(text)?.format;
    const hint = form === undefined ? '' : `; it looks like ${describeFormat(form)}: set data.csv.timeFormat: ${form}`;
    const dated = hint === '' && /\d/.test(text) ? '; data.csv.timeFormat reads others, such as DD.MM.YYYY' : '';
    return refusal(
      `${this.column} must be seconds since 1970 or a time such as 2024-01-31T12:00:00Z, ${got}${hint}${dated}`,
      place,
    );
  }
}

function describeSeconds(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} seconds since 1970` : date.toISOString();
}

function yearOf(text: string): number {
  return new Date(Number(text) * 1000).getUTCFullYear();
}

/** A format in words. */
export function describeFormat(format: string): string {
  if (/onds$/.test(format)) return `${format} since 1970`;
  if (format === 'excel-days') return 'days as Excel counts them';
  return format === 'YYYY' ? 'a year' : `a time written as ${format}`;
}

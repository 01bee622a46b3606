/** Says what the beginning of a file is where it is no table, and why a row does not fit the first line. */

import { InputError } from '@crossgate/core';
import { columnRole } from './column-names';
import type { CsvRecord } from './csv';
import { parseIso } from './time';
import { decimalNumber } from './time-format';

/** Beginnings of text files that are no CSV: what they are, and what to do. */
const others: readonly (readonly [RegExp, string, string])[] = [
  [
    /^\{\s*["'}]/,
    'is JSON, not CSV',
    "write it as CSV, such as by pandas: read_json(path, lines=True).to_csv('events.csv', index=False)",
  ],
  [
    /^\[\s*[[{]/,
    'is JSON, not CSV',
    "write it as CSV, such as by pandas: read_json(path).to_csv('events.csv', index=False)",
  ],
  [
    /^<(!doctype\b|html\b|head\b|\?xml\b|!--)/i,
    'is a web page or XML, not CSV',
    'download the file itself: a page to log in or to agree may have been saved in its place',
  ],
  [
    /^version https:\/\/git-lfs\./,
    'is a pointer of Git LFS, not the file that it stands for',
    'fetch the file by git lfs pull',
  ],
  [
    /^\d+:\r?\n/,
    'names an item on a line of its own, as the Netflix Prize does',
    'put the item into each of its rows, such as item,user,rating,date',
  ],
  [
    /^[^\r\n]*?::[^\r\n]*?::/,
    'its fields are parted by "::"',
    'data.name: ml-1m reads MovieLens-1M as it is; in others, put one character, such as a tab, between fields',
  ],
];

/** @param text the beginning of a file. @throws InputError for well-known files of text that are no CSV */
export function requireTable(text: string, place: string): void {
  const start = text.trimStart();
  const found = others.find(([pattern]) => pattern.test(start));
  if (found === undefined) return;
  const [, problem, fix] = found;
  throw new InputError(problem, { code: 'csv.syntax', place: `${place}:1`, fix });
}

/** The separator that a first line `sep=;` names, which Excel writes and reads. */
export function namedSeparator(text: string): string | undefined {
  return /^\ufeff?"?sep=([^"\r\n])"?\r?(?:\n|$)/i.exec(text)?.[1];
}

/** Whether a first line only names the separator. @param fields parted by that separator */
export function isSeparatorLine(fields: readonly string[]): boolean {
  return fields.length === 2 && /^sep=$/i.test(fields[0] as string) && fields[1] === '';
}

/** Signs that begin a comment in many programs, but none in CSV. */
const comment = /^\s*(#|%|\/\/)/;

/** Whether a line is a comment: it begins like one, and has the fields of no table. */
export function looksLikeComment(fields: readonly string[]): boolean {
  return fields.length === 1 && comment.test(fields[0] as string);
}

/** Whether a field is a value: a number, a time, or nothing. Pandas names columns 0, 1, 2, …, which are told apart elsewhere. */
export function looksLikeValue(field: string): boolean {
  const text = field.trim();
  return decimalNumber.test(text.replace(',', '.')) || parseIso(text) !== undefined;
}

/** Whether a field of the first line says what its column is for. */
export function isTellingName(field: string): boolean {
  const role = looksLikeValue(field) ? undefined : columnRole(field)?.role;
  return role !== undefined && role !== 'other';
}

/**
 * Whether the first line of a file seems to be a row, not a header: it has a number or a time in it, and not more names
 * that say what their columns are for.
 *
 * @param recurs whether a field, by its index, has other rows that are like it, so that it is no name
 */
export function looksLikeRow(fields: readonly string[], recurs: (index: number) => boolean = () => false): boolean {
  const values = fields.filter(looksLikeValue).length;
  const telling = fields.filter((field, index) => isTellingName(field) && !recurs(index)).length;
  return telling <= values && (values > 0 || fields.some((_, index) => recurs(index)));
}

/** Fields of a line in a message. */
export function sample(fields: readonly string[], most = 6): string {
  const shown = fields.slice(0, most).map((field) => (field.length > 30 ? `${field.slice(0, 30)}…` : field.trim()));
  return `${shown.join(', ')}${fields.length > most ? ', …' : ''}`;
}

const separators = { ';': 'a semicolon', '\t': 'a tab', '|': 'a bar', ',': 'a comma', ' ': 'a blank' } as const;

/** A separator in words, if it has a name, and all that have one. */
export const separatorNames: Readonly<Record<string, string>> = separators;

/** The error for a row with another number of fields than the first line. @param what that line is called */
export function widthRefusal(
  { fields, line }: CsvRecord,
  first: readonly string[],
  context: { readonly name: string; readonly what: 'header' | 'first line'; readonly separator: string },
): InputError {
  const { name, what, separator } = context;
  const word = separatorNames[separator] ?? separator;
  const width = first.length;
  const isLonger = fields.length > width;
  let fix = 'fix the row, or remove the line if it is none';
  if (isLonger && (width === 1 || looksLikeComment(first))) {
    fix = `the names of the columns must be on the first line: remove the lines above them (${sample(first)})`;
  } else if (fields.length === width + 1 && fields[width] === '') {
    fix = `end the ${what} with ${word} too, as the row does`;
  } else if (isLonger) fix = `fix the row; a field with ${word} in it stands in quotes`;
  return new InputError(`${fields.length} fields where the ${what} has ${width}`, {
    code: 'csv.syntax',
    place: `${name}:${line}`,
    fix,
  });
}

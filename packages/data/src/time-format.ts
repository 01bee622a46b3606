/** How times are written: units of numbers, and patterns of dates such as `DD.MM.YYYY[ hh:mm]`. */

import { InputError } from '@crossgate/core';

/** The end of the year 9999, in seconds since 1970. A larger number is no time in seconds. */
export const maximumTimestamp = 253_402_300_799;

/** A number in plain digits or with an exponent. */
export const decimalNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Seconds since 1970 of a number by its unit. Excel counts days from the end of 1899. */
const units: Readonly<Record<string, (value: number) => number>> = {
  seconds: (value) => value,
  milliseconds: (value) => value / 1e3,
  microseconds: (value) => value / 1e6,
  nanoseconds: (value) => value / 1e9,
  // A millisecond is what such a number is precise to.
  'excel-days': (value) => Math.round((value - 25_569) * 86_400_000) / 1000,
};

/** Words of `data.csv.timeFormat` for numbers. */
export const timeUnits: readonly string[] = Object.keys(units);

/** How the names of months begin in English, German, French, Spanish, Italian, Portuguese and Dutch, without accents. */
const months = [
  ['jan', 'ene', 'gen'],
  ['feb', 'fev'],
  ['mar', 'mrt', 'maa'],
  ['apr', 'avr', 'abr'],
  ['may', 'mai', 'mag', 'mei'],
  ['jun', 'juin', 'giu'],
  ['jul', 'juil', 'lug'],
  ['aug', 'aou', 'ago'],
  ['sep', 'set'],
  ['oct', 'okt', 'ott', 'out'],
  ['nov'],
  ['dec', 'dez', 'dic'],
];

/** The month of a name, from 1; 0 for what is none. */
function monthOf(name: string): number {
  const plain = name
    .normalize('NFD')
    .replaceAll(/\p{Diacritic}/gu, '')
    .toLowerCase();
  return months.findIndex((beginnings) => beginnings.some((beginning) => plain.startsWith(beginning))) + 1;
}

/** The seconds of a moment in UTC; undefined for days and times of day that do not exist, before 1970 and after 9999. */
export function secondsOf(
  year: number,
  month: number,
  day: number,
  [hour = 0, minute = 0, second = 0]: readonly number[] = [],
  offset = 0,
): number | undefined {
  const whole = Math.floor(second);
  const time = Date.UTC(year, month - 1, day, hour, minute, whole) / 1000;
  const date = new Date(time * 1000);
  // Date.UTC carries a 30th of February into March.
  if (date.getUTCMonth() + 1 !== month || date.getUTCDate() !== day || date.getUTCHours() !== hour) return undefined;
  if (minute > 59 || second >= 60) return undefined;
  const seconds = time - offset + (second - whole);
  return seconds >= 0 && seconds <= maximumTimestamp ? seconds : undefined;
}

/** Hours east of UTC of zones with a name of one meaning: CST, IST and BST have several. */
const namedZones: Readonly<Record<string, number>> = {
  ...{ EST: -5, EDT: -4, CDT: -5, MST: -7, MDT: -6, PST: -8, PDT: -7, WET: 0, WEST: 1, CET: 1, CEST: 2 },
  ...{ MEZ: 1, MESZ: 2, EET: 2, EEST: 3, MSK: 3, JST: 9, KST: 9, AEST: 10, AEDT: 11, NZST: 12, NZDT: 13 },
};

/** A zone in a regular expression: `Z`, `UTC`, `+02`, `+0200`, `GMT-02:30`, `CEST`. */
export const zonePattern = `z|(?:utc|gmt)?[+-]\\d{2}(?::?\\d{2})?|utc|gmt|${Object.keys(namedZones).join('|').toLowerCase()}`;

/** Seconds east of UTC of a zone that {@link zonePattern} has; of none, 0. */
export function zoneOffset(zone: string): number {
  const [, sign, hours, minutes = '0'] = /([+-])(\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  if (hours === undefined) return (namedZones[zone.toUpperCase()] ?? 0) * 3600;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
}

/** A part of a pattern: its text in a regular expression, and where its value goes. */
interface Token {
  readonly text: string;
  readonly loose?: string;
  readonly field?:
    | 'year'
    | 'shortYear'
    | 'month'
    | 'monthName'
    | 'day'
    | 'hour'
    | 'minute'
    | 'second'
    | 'half'
    | 'zone';
}

const tokens: Readonly<Record<string, Token>> = {
  YYYY: { text: '\\d{4}', field: 'year' },
  YY: { text: '\\d{2}', field: 'shortYear' },
  MMM: { text: '[a-z\\u00c0-\\u017f]{3,10}\\.?', field: 'monthName' },
  MM: { text: '\\d{2}', loose: '\\d{1,2}', field: 'month' },
  DD: { text: '\\d{2}', loose: '\\d{1,2}', field: 'day' },
  ddd: { text: '[a-z\\u00c0-\\u017f]{2,10}\\.?' },
  hh: { text: '\\d{2}', loose: '\\d{1,2}', field: 'hour' },
  mm: { text: '\\d{2}', field: 'minute' },
  // Fractions of a second need no token of their own.
  ss: { text: '\\d{2}', loose: '\\d{2}(?:[.,]\\d+)?', field: 'second' },
  AM: { text: '[ap]\\.?m\\.?', field: 'half' },
  Z: { text: zonePattern, field: 'zone' },
};
const tokenPattern = /YYYY|YY|MMM|MM|DD|ddd|hh|mm|ss|AM|Z|\[|\]|./g;

/** Reads a time in one way. Undefined for what is not written so, and for days that do not exist. */
export type TimeReader = (text: string) => number | undefined;

/** A pattern's regular expression and the fields of its groups; undefined where it names no day. */
function compile(pattern: string): { expression: RegExp; fields: NonNullable<Token['field']>[] } | undefined {
  const parts = pattern.match(tokenPattern) ?? [];
  const fields: NonNullable<Token['field']>[] = [];
  let text = '';
  let depth = 0;
  for (const [index, part] of parts.entries()) {
    if (part === '[' || part === ']') {
      depth += part === '[' ? 1 : -1;
      if (depth < 0) return undefined;
      text += part === '[' ? '(?:' : ')?';
      continue;
    }
    const token = tokens[part];
    if (token === undefined) {
      if (/[\p{L}\p{N}]/u.test(part) && part !== 'T') return undefined;
      // 10:30PM is written as well as 10:30 PM.
      if (part === ' ' && parts[index + 1] === 'AM') text += '\\s*';
      else text += part === ' ' ? '\\s+' : `\\${part}`.replace('\\T', '[Tt]');
      continue;
    }
    // Numbers that touch each other have all their digits.
    const touches = (neighbor: string | undefined) => neighbor !== undefined && tokens[neighbor]?.loose !== undefined;
    const isTight = touches(parts[index - 1]) || parts[index - 1]?.startsWith('Y') || touches(parts[index + 1]);
    const body = isTight ? token.text : (token.loose ?? token.text);
    text += token.field === undefined ? `(?:${body})` : `(${body})`;
    if (token.field !== undefined) fields.push(token.field);
  }
  const hasYear = fields.includes('year') !== fields.includes('shortYear');
  if (depth !== 0 || !hasYear || new Set(fields).size !== fields.length) return undefined;
  if (fields.includes('day') && !fields.includes('month') && !fields.includes('monthName')) return undefined;
  return { expression: new RegExp(`^${text}$`, 'i'), fields };
}

function patternReader(pattern: string): TimeReader | undefined {
  const compiled = compile(pattern);
  if (compiled === undefined) return undefined;
  const { expression, fields } = compiled;
  const isNumber = /^[YMDhms]+$/.test(pattern);
  return (text) => {
    // A column of numbers with gaps is written with fractions by pandas: 20240201.0.
    // JavaScript writes the name of the zone behind it: GMT+0100 (Central European Standard Time).
    const plain = isNumber ? text.trim().replace(/\.0*$/, '') : text.trim().replace(/\s*\([^()]*\)$/, '');
    const match = expression.exec(plain);
    if (match === null) return undefined;
    const given = new Map(fields.map((field, index) => [field, match[index + 1]]));
    const number = (field: NonNullable<Token['field']>, otherwise: number) => {
      const value = given.get(field);
      return value === undefined ? otherwise : Number(value.replace(',', '.'));
    };
    const short = number('shortYear', 0);
    const year = number('year', short < 70 ? 2000 + short : 1900 + short);
    const name = given.get('monthName');
    const month = name === undefined ? number('month', 1) : monthOf(name);
    let hour = number('hour', 0);
    const half = given.get('half')?.[0]?.toLowerCase();
    if (half !== undefined && (hour < 1 || hour > 12)) return undefined;
    if (half !== undefined) hour = (hour % 12) + (half === 'p' ? 12 : 0);
    const offset = zoneOffset(given.get('zone') ?? '');
    return secondsOf(year, month, number('day', 1), [hour, number('minute', 0), number('second', 0)], offset);
  };
}

const readers = new Map<string, TimeReader | undefined>();

/** The reader of a unit or a pattern; undefined for what is neither. */
export function timeReader(format: string): TimeReader | undefined {
  if (readers.has(format)) return readers.get(format);
  const unit = Object.hasOwn(units, format) ? units[format] : undefined;
  const reader: TimeReader | undefined =
    unit === undefined
      ? patternReader(format)
      : (text) => {
          const trimmed = text.trim();
          if (!decimalNumber.test(trimmed)) return undefined;
          const seconds = unit(Number(trimmed));
          return seconds >= 0 && seconds <= maximumTimestamp ? seconds : undefined;
        };
  readers.set(format, reader);
  return reader;
}

/** What `data.csv.timeFormat` may be, for messages. */
const allowed = `${timeUnits.join(', ')}, or a pattern of YYYY, MM, DD, hh, mm, ss and others, such as DD.MM.YYYY[ hh:mm]`;

/** @throws InputError naming the key for a format that is neither a unit nor a pattern with a year */
export function requireTimeFormat(format: string, place: string): TimeReader {
  const reader = timeReader(format);
  if (reader !== undefined) return reader;
  throw new InputError(`must be ${allowed}; got ${JSON.stringify(format)}`, { code: 'data.option', place });
}

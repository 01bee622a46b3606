/** Parses times as users write them, and says what they look like where they are no seconds since 1970. */

import { decimalNumber, secondsOf, timeReader, zoneOffset, zonePattern } from './time-format';

/** The year comes first: `2024-01-31`, `2024/1/31`, with a time of day, a fraction and a zone where there are some. */
const iso = new RegExp(
  `^(\\d{4})([-/.])(\\d{1,2})\\2(\\d{1,2})(?:[T ]\\s*(\\d{1,2}):(\\d{2})(?::(\\d{2}(?:[.,]\\d+)?))?\\s*(?:(${zonePattern})(?:\\[[\\w/+-]+\\])?)?)?$`,
  'i',
);

/** The start of 2100. A larger number of seconds is a time in another form. */
const latest = 4_102_444_800;
/** Numbers of seconds below this lie before March 1973, when nobody recorded events. */
const earliest = 1e8;

/** Numbers of many digits that are dates, by the count of their digits. */
const compact: Readonly<Record<number, string>> = {
  4: 'YYYY',
  6: 'YYMMDD',
  8: 'YYYYMMDD',
  10: 'YYYYMMDDhh',
  12: 'YYYYMMDDhhmm',
  14: 'YYYYMMDDhhmmss',
};

/** Parses an ISO 8601 date or time, UTC unless it has an offset. */
export function parseIso(text: string): number | undefined {
  const match = iso.exec(text.trim());
  if (match === null) return undefined;
  const [year, month, day] = [match[1], match[3], match[4]].map(Number) as [number, number, number];
  const clock = [match[5], match[6], match[7]].map((part) => Number((part ?? '0').replace(',', '.')));
  return secondsOf(year, month, day, clock, zoneOffset(match[8] ?? ''));
}

/** Whether an ISO 8601 time says how far it is from UTC; undefined for a date, and for what is none of both. */
export function hasZone(text: string): boolean | undefined {
  const match = iso.exec(text.trim());
  return match?.[5] === undefined ? undefined : match[8] !== undefined;
}

/**
 * The form that a number has which can't be seconds since 1970, or more likely is something else: a unit
 * (`milliseconds`) or a pattern (`YYYYMMDD`) of `data.csv.timeFormat`. `certain` is false where a single number may also
 * be seconds since 1970, as 20240201 is in a file that counts its rows.
 *
 * @returns undefined for what looks like seconds and what is no number
 */
export function otherTimeForm(text: string): { format: string; certain: boolean } | undefined {
  const trimmed = text.trim();
  if (!decimalNumber.test(trimmed)) return undefined;
  const value = Number(trimmed);
  const digits = /^\d+(?=\.?0*$)/.exec(trimmed)?.[0].length;
  const isMonth = digits === 6 && value >= 197_001 && value < 210_000 && timeReader('YYYYMM')?.(trimmed) !== undefined;
  const pattern = isMonth ? 'YYYYMM' : digits === undefined ? undefined : compact[digits];
  const asDate = pattern === undefined ? undefined : timeReader(pattern)?.(trimmed);
  if (asDate !== undefined && asDate <= latest && pattern !== undefined) {
    // As seconds these begin in 2032; there are such times only in plans.
    return { format: pattern, certain: pattern.length > 10 };
  }
  if (value > latest) {
    for (const format of ['milliseconds', 'microseconds', 'nanoseconds']) {
      const seconds = timeReader(format)?.(trimmed);
      if (seconds !== undefined && seconds >= earliest && seconds <= latest) return { format, certain: true };
    }
    return undefined;
  }
  return value >= 25_569 && value < 73_050 ? { format: 'excel-days', certain: false } : undefined;
}

/** Whether a number is written with an exponent and fewer digits than it has, as programs for tables show long ones. */
export function isRounded(text: string): boolean {
  const match = /^(\d+)\.?(\d*)e\+?(\d+)$/i.exec(text.trim());
  return match !== null && (match[2] as string).length < Number(match[3]);
}

/**
 * Parses a time: a number of seconds since 1970 (fractions allowed), or an ISO 8601 date or time (UTC unless it has an
 * offset).
 *
 * @returns seconds since 1970; undefined for other forms, days that do not exist, and times before 1970, numbers after
 *   2099 and dates after 9999.
 */
export function parseTime(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d+(\.\d*)?(e\+?\d+)?$/i.test(trimmed)) {
    const seconds = Number(trimmed);
    return seconds <= latest ? seconds : undefined;
  }
  return parseIso(trimmed);
}

/** Says of all the numbers of a column together whether they are seconds since 1970. */
export class SecondsCheck {
  /** Small numbers by form, with the first of each; '' are those without another form. */
  private readonly forms = new Map<string, { count: number; text: string; line: number }>();
  private small = 0;
  private large = 0;
  private lowest = Number.POSITIVE_INFINITY;
  private tenDigits = 0;
  private firstTen: { text: string; line: number } | undefined;

  /** Takes in a text that was read as a number of seconds, and the line that it stands on. */
  add(text: string, seconds: number, line: number): void {
    if (seconds >= earliest) {
      this.large++;
      // Only numbers from 1970010100 on can be compact dates with an hour.
      if (seconds < 1_970_010_100 || otherTimeForm(text)?.format !== 'YYYYMMDDhh') return;
      this.tenDigits++;
      this.firstTen ??= { text, line };
      return;
    }
    this.small++;
    if (seconds < this.lowest) this.lowest = seconds;
    const form = otherTimeForm(text)?.format ?? '';
    const present = this.forms.get(form);
    if (present === undefined) this.forms.set(form, { count: 1, text, line });
    else present.count++;
  }

  /** Takes in a number that can be nothing else than seconds: from March 1973 to June 2032. */
  addCertain(): void {
    this.large++;
  }

  /**
   * What the numbers are instead of seconds: the form that all have that would lie before March 1973. Numbers that count
   * from 1, say rows, have none.
   */
  verdict(): { format: string; text: string; line: number } | undefined {
    if (this.firstTen !== undefined && this.tenDigits === this.large && this.small === 0)
      return { format: 'YYYYMMDDhh', ...this.firstTen };
    const [only, ...others] = this.forms;
    if (only === undefined || others.length > 0 || only[0] === '') return undefined;
    return { format: only[0], text: only[1].text, line: only[1].line };
  }

  /** A doubt that is no proof: undefined where there is none. */
  doubt(): string | undefined {
    if (this.small === 0) return undefined;
    if (this.large > 0) return `${this.small} times lie before March 1973 and ${this.large} after it`;
    // What counts rows or moves begins with small numbers.
    return this.lowest < 1e5 ? undefined : `all ${this.small} times lie before March 1973`;
  }
}

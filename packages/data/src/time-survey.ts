/** Finds the form in which the values of a column are times. */

import { hasZone, isRounded, parseIso, parseTime } from './time';
import { timeReader } from './time-format';

/** How the values of a column are times. */
export interface TimeForm {
  /** A unit or pattern of `data.csv.timeFormat`; null: seconds since 1970 or ISO 8601, which need none. */
  readonly format: string | null;
  /** Whether such values can hardly be anything else; false for years, for days, and for numbers that count something. */
  readonly certain: boolean;
  /** Values in this form. */
  readonly count: number;
  /** Another pattern that all values fit as well, so that day and month may be exchanged. */
  readonly rival: string | undefined;
  /** Values in no form, or another: the first few; undefined where there are many. */
  readonly odd: ReadonlyMap<string, { readonly count: number; readonly line: number }> | undefined;
}

const clocks = ['', ' hh:mm', ' hh:mm:ss', '[[,] hh:mm[:ss][ AM]][ Z]'];
const days = ['.', '/', '-'].flatMap((sign) =>
  ['YYYY', 'YY'].flatMap((year) => [`DD${sign}MM${sign}${year}`, `MM${sign}DD${sign}${year}`]),
);
const names = ['DD MMM YYYY', 'MMM DD, YYYY', 'MMM DD YYYY', 'DD-MMM-YYYY', 'DD-MMM-YY', 'DD. MMM YYYY', 'MM DD, YYYY'];
/** The simplest first: of those that read every value, the first is taken. */
const patterns = [
  ...[...days, ...names].flatMap((day) => clocks.map((clock) => day + clock)),
  ...['YYYYMMDDThhmmss[Z]', 'YYYYMMDD hh:mm[:ss]', 'YYYY-MM', 'MM/YYYY', 'MM.YYYY'],
  ...['YYYY-MM-DD hh:mm[:ss] AM', 'YYYY/MM/DD hh:mm[:ss] AM', 'ddd MMM DD YYYY[ hh:mm:ss[ Z]]'],
  ...['ddd, DD MMM YYYY hh:mm:ss Z', 'ddd MMM DD hh:mm:ss Z YYYY', 'ddd MMM DD hh:mm:ss YYYY'],
];

const compactPatterns: Readonly<Record<number, string>> = {
  8: 'YYYYMMDD',
  10: 'YYYYMMDDhh',
  12: 'YYYYMMDDhhmm',
  14: 'YYYYMMDDhhmmss',
};

/** Numbers from March 1973 to 2100, by unit. */
const ranges = (
  [
    ['seconds', 1],
    ['milliseconds', 1e3],
    ['microseconds', 1e6],
    ['nanoseconds', 1e9],
  ] as const
).map(([format, unit]) => ({ format, from: 1e8 * unit, until: 4_102_444_800 * unit }));

type Group = { count: number; first: Map<string, { count: number; line: number }> };

/** What small numbers may be, the most likely first. */
const smallForms = [
  { format: 'YYYY', from: 1970, until: 2101 },
  { format: 'YYYYMM', from: 197_001, until: 210_013 },
  { format: 'YYMMDD', from: 10_101, until: 991_232 },
  { format: 'excel-days', from: 25_569, until: 73_050 },
] as const;
/** Characters of the longest form of a time, with the name of its zone. */
const longest = 90;
/** Different values up to which the rows of each are counted. */
const fewMoments = 64;
/** Values after which patterns that did not fit all are no longer tried. */
const tried = 1000;
const mostOdd = 6;

/** Takes in the values of a column, and says at the end in which form they are times. */
export class TimeSurvey {
  /** Values by class: `iso`, `pattern`, a unit, `small` (numbers that count something) and `none`. */
  private readonly groups = new Map<string, Group>();
  private readonly fits = new Map<string, number>();
  private readonly compact = new Map<string, number>();
  private readonly shapes = new Map<string, readonly string[]>();
  private zoned = 0;
  private unzoned = 0;
  /** Small numbers by the form that they may have. */
  private readonly small = new Map<string, number>();
  /** Rows by value, while there are few values. */
  private readonly moments = new Map<string, number>();
  /** Numbers that are written with an exponent and without all their digits. */
  rounded = 0;

  private put(group: string, text: string, line: number): void {
    let present = this.groups.get(group);
    if (present === undefined) {
      present = { count: 0, first: new Map() };
      this.groups.set(group, present);
    }
    present.count++;
    if (this.moments.size <= fewMoments) this.moments.set(text, (this.moments.get(text) ?? 0) + 1);
    const known = present.first.get(text);
    if (known !== undefined) known.count++;
    else if (present.first.size <= mostOdd) present.first.set(text, { count: 1, line });
  }

  private countOf(group: string): number {
    return this.groups.get(group)?.count ?? 0;
  }

  /** Takes in a number, with a point before its fraction. */
  addNumber(text: string, value: number, line: number): void {
    if (/e/i.test(text) && isRounded(text)) this.rounded++;
    const digits = text.endsWith('.0') ? text.length - 2 : text.length;
    const pattern = compactPatterns[digits];
    if (pattern !== undefined && timeReader(pattern)?.(text) !== undefined)
      this.compact.set(pattern, (this.compact.get(pattern) ?? 0) + 1);
    const range = ranges.find(({ from, until }) => value >= from && value <= until);
    const isSmall = value >= 0 && value < 1e8;
    if (isSmall) {
      for (const { format, from, until } of smallForms) {
        if (value < from || value >= until || (format !== 'excel-days' && timeReader(format)?.(text) === undefined))
          continue;
        this.small.set(format, (this.small.get(format) ?? 0) + 1);
      }
    }
    this.put(range?.format ?? (isSmall ? 'small' : 'none'), text, line);
  }

  /** Takes in a text that is no number. */
  addText(text: string, line: number): void {
    const dates = this.countOf('pattern');
    const isHopeless = this.countOf('none') > tried && dates === 0 && this.countOf('iso') === 0;
    if (isHopeless || text.length > longest || !/\d/.test(text)) {
      this.put('none', text.length > longest ? text.slice(0, longest) : text, line);
      return;
    }
    if (parseIso(text) !== undefined) {
      const zone = hasZone(text);
      if (zone === true) this.zoned++;
      else if (zone === false) this.unzoned++;
      this.put('iso', text, line);
      return;
    }
    let fitting = false;
    for (const pattern of this.patternsOf(text)) {
      const before = this.fits.get(pattern) ?? 0;
      if (dates > tried && before < dates) continue;
      if (timeReader(pattern)?.(text) === undefined) continue;
      this.fits.set(pattern, before + 1);
      fitting = true;
    }
    this.put(fitting ? 'pattern' : 'none', text, line);
  }

  /** The patterns that texts of this shape can have. */
  private patternsOf(text: string): readonly string[] {
    const shape = text.replaceAll(/\d/g, '9').replaceAll(/\p{L}+/gu, (word) => 'a'.repeat(Math.min(word.length, 4)));
    let known = this.shapes.get(shape);
    if (known !== undefined) return known;
    if (this.shapes.size > 200) return [];
    // A first of January is written in every pattern that has the shape.
    const first: Readonly<Record<number, string>> = { 1: '1', 2: '01', 4: '2000', 6: '010101', 8: '20000101' };
    const digits = text.replaceAll(/\d+/g, (run) => first[run.length] ?? run);
    known = patterns.filter(
      (pattern) => timeReader(pattern)?.(digits) !== undefined || timeReader(pattern)?.(text) !== undefined,
    );
    this.shapes.set(shape, known);
    return known;
  }

  /** Whether some times have a zone and others have none. */
  get mixesZones(): boolean {
    return this.zoned > 0 && this.unzoned > 0;
  }

  /** The form that most values have; undefined where fewer than half are times. */
  form(): TimeForm | undefined {
    let best = '';
    let total = 0;
    for (const [group, { count }] of this.groups) {
      total += count;
      if (group !== 'none' && (best === '' || count > this.countOf(best))) best = group;
    }
    const numbers = total - this.countOf('iso') - this.countOf('pattern');
    const compact = [...this.compact].find(([, count]) => 2 * count > total && count >= numbers - this.countOf('none'));
    const others = (...own: string[]) => {
      const odd = new Map<string, { count: number; line: number }>();
      for (const [group, { first }] of this.groups) {
        if (own.includes(group)) continue;
        if (first.size > mostOdd) return undefined;
        for (const [text, each] of first) odd.set(text, each);
      }
      return odd;
    };
    if (compact !== undefined) {
      const [format, count] = compact;
      return { format, certain: true, count, rival: undefined, odd: count === total ? new Map() : others(best) };
    }
    // Seconds and dates may stand beside each other, since both are read without a format.
    const plain = this.countOf('iso') + this.countOf('seconds');
    if (2 * plain > total)
      return { format: null, certain: true, count: plain, rival: undefined, odd: others('iso', 'seconds') };
    if (best === '' || 2 * this.countOf(best) <= total) return undefined;
    if (best === 'pattern') return this.patternForm(others(best));
    if (best === 'small') {
      const count = this.countOf('small');
      const format = smallForms.find((form) => this.small.get(form.format) === count)?.format ?? null;
      return { format, certain: false, count, rival: undefined, odd: others(best) };
    }
    return { format: best, certain: true, count: this.countOf(best), rival: undefined, odd: others(best) };
  }

  /** The forms that values have where no form has most of them, though most are times. */
  mixture(): readonly string[] | undefined {
    const times = [...this.groups].filter(([group]) => group !== 'none' && group !== 'small');
    const all = [...this.groups.values()].reduce((sum, { count }) => sum + count, 0);
    const count = times.reduce((sum, [, group]) => sum + group.count, 0);
    if (times.length < 2 || 2 * count <= all) return undefined;
    return times.map(([group, each]) => {
      const [text, { line }] = [...each.first][0] as [string, { line: number }];
      const word = group === 'iso' || group === 'pattern' ? 'dates' : group;
      return `${each.count} ${word} such as ${text} in line ${line}`;
    });
  }

  /**
   * The share of the rows that have the earliest moment, to tell whether rows can be split by time; 0 where there are many
   * moments. @param format of the times; null: seconds or ISO 8601. @param missing texts of rows that are left out
   */
  earliestShare(format: string | null, missing: ReadonlySet<string>): number {
    if (this.moments.size > fewMoments) return 0;
    const read = format === null ? parseTime : timeReader(format);
    let [all, rows, earliest] = [0, 0, Number.POSITIVE_INFINITY];
    for (const [text, count] of this.moments) {
      const time = missing.has(text) ? undefined : read?.(text);
      if (time === undefined) continue;
      all += count;
      if (time < earliest) [earliest, rows] = [time, 0];
      if (time === earliest) rows += count;
    }
    return all === 0 ? 0 : rows / all;
  }

  private patternForm(odd: TimeForm['odd']): TimeForm {
    const all = this.countOf('pattern');
    const whole = patterns.filter((pattern) => this.fits.get(pattern) === all);
    const [format] = whole;
    if (format === undefined) {
      // Some fit one pattern, some another.
      const most = patterns.reduce((a, b) => ((this.fits.get(b) ?? 0) > (this.fits.get(a) ?? 0) ? b : a));
      return { format: most, certain: true, count: this.fits.get(most) ?? 0, rival: undefined, odd: undefined };
    }
    const exchanged = format.replaceAll(/DD|MM(?!M)/g, (part) => (part === 'DD' ? 'MM' : 'DD'));
    // Between points, the day comes first everywhere.
    const rival = format.includes('.') || exchanged === format || !whole.includes(exchanged) ? undefined : exchanged;
    return { format, certain: true, count: all, rival, odd };
  }
}

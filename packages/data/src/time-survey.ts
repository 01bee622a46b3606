/** Finds the form in which the values of a column are times. */

import { hasZone, isRounded, parseIso } from './time';
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
  private years = 0;
  private days = 0;
  /** Numbers that are written with an exponent and without all their digits. */
  rounded = 0;

  private put(group: string, text: string, line: number): void {
    let present = this.groups.get(group);
    if (present === undefined) {
      present = { count: 0, first: new Map() };
      this.groups.set(group, present);
    }
    present.count++;
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
    if (value >= 1970 && value <= 2100 && Number.isInteger(value)) this.years++;
    if (value >= 25_569 && value < 73_050) this.days++;
    const range = ranges.find(({ from, until }) => value >= from && value <= until);
    this.put(range?.format ?? (value >= 0 && value < 1e8 ? 'small' : 'none'), text, line);
  }

  /** Takes in a text that is no number. */
  addText(text: string, line: number): void {
    const dates = this.countOf('pattern');
    const isHopeless = this.countOf('none') > tried && dates === 0 && this.countOf('iso') === 0;
    if (isHopeless || text.length > 40 || !/\d/.test(text)) {
      this.put('none', text.length > 40 ? text.slice(0, 40) : text, line);
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
    if (best === '' || 2 * this.countOf(best) <= total) return undefined;
    if (best === 'pattern') return this.patternForm(others(best));
    if (best === 'small') {
      const [years, days] = [this.years, this.days];
      const count = this.countOf('small');
      const format = years === count ? 'YYYY' : days === count ? 'excel-days' : null;
      return { format, certain: false, count, rival: undefined, odd: others(best) };
    }
    const count = this.countOf(best);
    const isPlain = best === 'iso' || best === 'seconds';
    // Seconds and dates may stand beside each other, since both are read without a format.
    const odd = isPlain ? others('iso', 'seconds') : others(best);
    return { format: isPlain ? null : best, certain: true, count, rival: undefined, odd };
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

/** What is known of the columns of a CSV file while `init` guesses what they are. */
import { InputError } from '@crossgate/core';
import {
  type ColumnFacts,
  type ColumnRole,
  type CsvSurvey,
  columnRole,
  columnsFor,
  type MissingColumn,
} from '@crossgate/data';

/** What the user says about the columns; absent: to be guessed. */
export interface ToldColumns {
  readonly user?: string | undefined;
  readonly item?: string | undefined;
  readonly rating?: string | undefined;
  readonly label?: string | undefined;
  /** Every row is a positive. */
  readonly implicit?: boolean | undefined;
  /** False: times are not to be used. */
  readonly timestamp?: string | false | undefined;
  readonly timeFormat?: string | undefined;
  /** The sign before fractions. */
  readonly decimal?: string | undefined;
}

/** Of rows without a value there may be this share before a column counts as none. */
export const mostMissing = 0.5;
/** Of values that are not what the others are, there may be this share before nobody knows what the column is. */
export const mostOdd = 0.2;

/** Names in a message. */
export const list = (columns: readonly string[]) => columns.join(', ');
/** A number in a message. */
export const number = (value: number) => String(Number(value.toPrecision(6)));

/** The columns of a file while they are guessed: which are taken, and what is to be said of the others. */
export class OpenColumns {
  readonly notes: string[] = [];
  /** Columns that are not used and of which a note says so. */
  private readonly said = new Set<string>();
  /** The column that is taken for something, and its texts that stand for a missing value. */
  private readonly missing = new Map<MissingColumn, { column: string; texts: Set<string> }>();
  private readonly taken = new Set<string>();

  constructor(
    readonly survey: CsvSurvey,
    private readonly place: string,
    readonly told: ToldColumns,
  ) {}

  get names(): string[] {
    return this.survey.columns.map(({ name }) => name);
  }

  get isNamed(): boolean {
    return this.survey.header !== false;
  }

  facts(name: string): ColumnFacts {
    return this.survey.columns.find((column) => column.name === name) as ColumnFacts;
  }

  /** Columns whose names say that they are for this and that nothing else took, the most telling first. */
  named(role: ColumnRole): string[] {
    return this.isNamed ? columnsFor(role, this.names).filter((name) => !this.taken.has(name)) : [];
  }

  /** Columns that nothing took and whose names say nothing. */
  get unnamed(): string[] {
    return this.names.filter((name) => !this.taken.has(name) && !(this.isNamed && columnRole(name) !== undefined));
  }

  get left(): string[] {
    return this.names.filter((name) => !this.taken.has(name) && !this.said.has(name) && name !== '');
  }

  /** A note on a column that is not used. */
  say(name: string, note: string): void {
    this.said.add(name);
    this.notes.push(note);
  }

  refusal(problem: string, fix: string): InputError {
    return new InputError(problem, { code: 'csv.column', place: `${this.place}:1`, fix });
  }

  /** A column that the user named. */
  toldColumn(option: string, name: string): string {
    if (this.names.includes(name)) return name;
    throw new InputError(`no column ${name} (it has ${list(this.names)})`, { code: 'csv.column', place: option });
  }

  /** Rows without a value in a column in use are left out, which is said. */
  use(name: string, key: MissingColumn): string {
    if (this.names.indexOf(name) !== this.names.lastIndexOf(name))
      throw this.refusal(`column ${name} stands twice in the header`, 'rename one of them in the file');
    this.taken.add(name);
    const { missing, missingCount } = this.facts(name);
    this.missing.set(key, { column: name, texts: new Set() });
    if (missingCount > 0) this.leaveOut(name, key, missing);
    return name;
  }

  /**
   * The texts of `data.csv.missing`: one list where each of them says the same in all columns, else a list for each
   * column. `0` may be no time and a rating, and `NA` no rating and a user.
   */
  get missingTexts(): readonly string[] | { readonly [key in MissingColumn]?: readonly string[] } | undefined {
    const used = [...this.missing];
    const found = used.filter(([, { texts }]) => texts.size > 0);
    if (found.length === 0) return undefined;
    const isEverywhere = ([key, { texts }]: (typeof used)[number]) =>
      [...texts].every((text) => {
        if (key === 'user' || key === 'item') return text === '';
        const value = Number(text.replace(',', '.'));
        return !used.some(([other, { column }]) => {
          const { low, high } = this.facts(column);
          return other !== key && other !== 'user' && other !== 'item' && value >= low && value <= high;
        });
      });
    if (found.every(isEverywhere)) return [...new Set(found.flatMap(([, { texts }]) => [...texts]))];
    return Object.fromEntries(found.map(([key, { texts }]) => [key, [...texts]]));
  }

  /** Refuses numbers whose commas may stand between thousands or before fractions. */
  requireNumbers(name: string): void {
    const { grouped, openCommas, commas } = this.facts(name);
    if (grouped === undefined || (openCommas > 0 && (openCommas < commas || this.told.decimal === ','))) return;
    const fraction = openCommas > 0 ? '; if it is the sign of fractions, say --decimal , (data.csv.decimal: ",")' : '';
    throw this.refusal(
      `${name} seems to have signs between thousands (${JSON.stringify(grouped.text)} in line ${grouped.line})`,
      `write its numbers without them${fraction}`,
    );
  }

  leaveOut(name: string, key: MissingColumn, texts: ReadonlyMap<string, { count: number; line: number }>): void {
    let [count, line] = [0, Number.POSITIVE_INFINITY];
    for (const [text, each] of texts) {
      this.missing.get(key)?.texts.add(text);
      count += each.count;
      line = Math.min(line, each.line);
    }
    const shown = [...texts.keys()].map((text) => JSON.stringify(text)).join(', ');
    const rows = `${count} of ${this.survey.rows} rows`;
    this.notes.push(
      `${rows} have no ${key === 'timestamp' ? 'time' : key} (${name} is ${shown}, first in line ${line}): left out by data.csv.missing`,
    );
  }

  entity(role: 'user' | 'item'): string {
    const told = this.told[role];
    if (told !== undefined) return this.use(this.toldColumn(`--${role}`, told), role);
    const [best, ...others] = this.named(role);
    if (best === undefined) {
      const open = this.isNamed && this.survey.columns.every(({ name }) => columnRole(name) === undefined);
      const hasGaps = this.isNamed && this.names.slice(1).includes('') && this.named('item').length === 0;
      const [column = 'COLUMN'] = role === 'item' ? this.named('title') : [];
      // A table of users by items has a column of ratings for each item.
      const isWide =
        role === 'item' && this.isNamed && this.unnamed.filter((name) => this.facts(name).isNumeric).length > 2;
      throw this.refusal(
        `no column looks like the ${role} (it has ${list(this.names)})`,
        `say --${role} ${column} (data.csv.${role})${open ? '; if that line is a row, say --no-header (data.csv.header: false)' : ''}${
          isWide ? '; if each column is an item, write a row for each rating, such as by melt of pandas' : ''
        }${hasGaps ? '; if the names of the columns stand further down, remove the lines above them' : ''}`,
      );
    }
    if (others.length > 0) {
      this.notes.push(`${list(others)} may be the ${role} as well as ${best}: --${role} or data.csv.${role} chooses`);
    }
    const { rounded } = this.facts(best).times;
    if (rounded > 0) {
      this.notes.push(
        `${best}: ${rounded} ids are rounded numbers (1.2E+11), so several may be one; export them as text`,
      );
    }
    return this.use(best, role);
  }
}

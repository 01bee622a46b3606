/** Guesses which column of a CSV file holds times, and in which form. */
import { InputError } from '@crossgate/core';
import { nameParts, type TimeForm, timeReader } from '@crossgate/data';
import { mostMissing, mostOdd, number, type OpenColumns } from './open-columns';

/** By time, the last fifth of the rows is set apart; if one moment has all others, there is nothing before it. */
const mostAtOnce = 0.8;
/** Parts of a date that need the others, and how far they count. */
const partsOfDates: Readonly<Record<string, number>> = { day: 31, month: 12 };

/** A column of times. */
export interface GuessedTimes {
  readonly name: string;
  readonly form: TimeForm;
  /** Whether rows can be split by them: not where one moment has nearly all rows. */
  readonly canSplit: boolean;
}

class TimeGuess {
  /** Values that are left out, by column. */
  private readonly oddTimes = new Map<string, ReadonlyMap<string, { count: number; line: number }>>();

  constructor(private readonly columns: OpenColumns) {}

  /** The column and its form; undefined where none is taken. */
  find(): GuessedTimes | undefined {
    const { timestamp, timeFormat } = this.columns.told;
    if (timestamp === false) return undefined;
    if (timestamp !== undefined) {
      const name = this.columns.toldColumn('--timestamp', timestamp);
      const form = this.formOf(name, true);
      if (form === undefined) throw this.unreadable(name);
      return this.take(name, form);
    }
    const named = this.columns.named('timestamp').map((name) => this.candidate(name));
    const readable = named.flatMap(({ name, form }) => (form === undefined ? [] : [{ name, form }]));
    // A date that can be read goes before a word that tells more of a number that may count something, and what rows can
    // be split by before what is the same in all.
    const splitting = readable.filter(({ name, form }) => this.earliestShare(name, form) < mostAtOnce);
    const best = splitting.length > 0 ? splitting : readable;
    const chosen = best.find(({ form }) => form.certain) ?? best[0] ?? this.unnamedTimes();
    // What is called a time and half of it is one would be missed in silence.
    const doubtful = named.find(({ refusal }) => refusal !== undefined)?.refusal;
    if (doubtful !== undefined && readable.length === 0) throw doubtful;
    if (timeFormat !== undefined && readable.length === 0) {
      const [first] = named;
      if (first !== undefined) throw this.unreadable(first.name);
      throw this.columns.refusal('no column is called a time', 'say --timestamp COLUMN (data.csv.timestamp)');
    }
    for (const { name, form } of named) {
      if (name === chosen?.name) continue;
      this.columns.say(
        name,
        form === undefined ? this.notRead(name) : `${name} holds times too: not used (data.csv.timestamp: ${name})`,
      );
    }
    if (chosen === undefined) return undefined;
    if (readable.length === 0)
      this.columns.notes.push(`${chosen.name} is taken for the time by its values (data.csv.timestamp)`);
    return this.take(chosen.name, chosen.form);
  }

  /** A column that is called a time: its form, or why it has none that can be relied on. */
  private candidate(name: string): { name: string; form?: TimeForm | undefined; refusal?: InputError } {
    try {
      return { name, form: this.formOf(name, true) };
    } catch (error) {
      if (error instanceof InputError) return { name, refusal: error };
      throw error;
    }
  }

  private take(name: string, form: TimeForm): GuessedTimes {
    if (!form.certain) this.columns.notes.push(this.doubt(name, form));
    this.columns.use(name, 'timestamp');
    const odd = this.oddTimes.get(name);
    if (odd !== undefined) this.columns.leaveOut(name, 'timestamp', odd);
    if (this.columns.facts(name).times.mixesZones)
      this.columns.notes.push(`${name}: some times have a zone and others have none, and are taken for UTC`);
    const { rounded } = this.columns.facts(name).times;
    if (rounded > 0)
      this.columns.notes.push(`${name}: ${rounded} times are rounded (1.7E+12); export them with all their digits`);
    const share = this.earliestShare(name, form);
    const canSplit = share < mostAtOnce;
    if (!canSplit) {
      this.columns.notes.push(
        `${name} has ${share === 1 ? 'one moment' : `the first moment in ${Math.round(100 * share)} % of the rows`}: the split is at random (data.split.by)`,
      );
    }
    return { name, form, canSplit };
  }

  private earliestShare(name: string, form: TimeForm): number {
    const { times, missing } = this.columns.facts(name);
    const left = new Set([...(this.oddTimes.get(name)?.keys() ?? []), ...missing.keys()]);
    return times.earliestShare(form.format, left);
  }

  private notRead(name: string): string {
    const { first } = this.columns.facts(name);
    const example =
      first === undefined ? 'it is empty' : `${JSON.stringify(first.text)} in line ${first.line} is none that is known`;
    return `${name} is called a time, but ${example}: not used (data.csv.timestamp: ${name}, with data.csv.timeFormat)`;
  }

  private doubt(name: string, { format }: TimeForm): string {
    const { low, high } = this.columns.facts(name);
    const what =
      format === null
        ? 'seconds of 1970 to 1973, or an order'
        : format === 'YYYY'
          ? 'years'
          : format === 'excel-days'
            ? 'days of Excel'
            : `dates written as ${format}`;
    return `${name} runs from ${number(low)} to ${number(high)}: taken for ${what} (data.csv.timeFormat)`;
  }

  private unnamedTimes(): Pick<GuessedTimes, 'name' | 'form'> | undefined {
    const found = this.columns.unnamed.flatMap((name) => {
      const form = this.formOf(name, false);
      return form?.certain ? [{ name, form }] : [];
    });
    return found[0];
  }

  private unreadable(name: string): InputError {
    const { first } = this.columns.facts(name);
    const got = first === undefined ? 'it is empty' : `line ${first.line} has ${JSON.stringify(first.text)}`;
    return this.columns.refusal(
      `${name} holds no times that are known (${got})`,
      'say --time-format, such as DD.MM.YYYY (data.csv.timeFormat), or --no-timestamp',
    );
  }

  /** The form of times in a column, once its few odd values are left out. @param must be times, by name or by word */
  private formOf(name: string, must: boolean): TimeForm | undefined {
    const facts = this.columns.facts(name);
    const form = facts.times.form();
    const { timeFormat } = this.columns.told;
    if (timeFormat !== undefined && must) {
      const { first } = facts;
      if (first === undefined || timeReader(timeFormat)?.(first.text) === undefined) return undefined;
      return { format: timeFormat, certain: true, count: facts.present, rival: undefined, odd: new Map() };
    }
    const mixture = must ? facts.times.mixture() : undefined;
    if (form === undefined && mixture !== undefined) {
      throw this.columns.refusal(
        `${name} holds times of several forms: ${mixture.join(', ')}`,
        'write them alike, or say --no-timestamp',
      );
    }
    if (form === undefined || facts.missingCount > mostMissing * this.columns.survey.rows) return undefined;
    const part = partsOfDates[nameParts(name).at(-1) ?? ''];
    if (
      !form.certain &&
      part !== undefined &&
      this.columns.told.timestamp === undefined &&
      facts.low >= 0 &&
      facts.high <= part
    )
      return undefined;
    if (form.rival !== undefined) {
      if (!must) return undefined;
      throw this.columns.refusal(
        `${name} may have the day or the month first (${facts.first?.text})`,
        `say --time-format "${form.format}" or "${form.rival}" (data.csv.timeFormat), or --no-timestamp`,
      );
    }
    const odd = [...(form.odd?.values() ?? [])].reduce((sum, { count }) => sum + count, 0);
    // One text that comes again and again, such as 0, stands for what is missing.
    const most = form.odd?.size === 1 ? mostMissing : mostOdd;
    if (form.odd !== undefined && odd <= most * facts.present) {
      if (odd > 0 && (must || form.certain)) this.oddTimes.set(name, form.odd);
      return form;
    }
    if (!must) return undefined;
    const example = form.odd === undefined ? undefined : [...form.odd][0];
    const where = example === undefined ? '' : ` (${JSON.stringify(example[0])} in line ${example[1].line})`;
    throw this.columns.refusal(
      `${facts.present - form.count} of ${facts.present} values of ${name} are no times as the others are${where}`,
      'write them alike, say --time-format (data.csv.timeFormat), or --no-timestamp',
    );
  }
}

/**
 * Guesses which column holds times: the one that was told, else one whose name says so, else one whose values can hardly
 * be anything else. What is left out or doubtful goes into the notes.
 *
 * @returns undefined where none does
 * @throws InputError where the values may be read in two ways, or some in none
 */
export function guessTimes(columns: OpenColumns): GuessedTimes | undefined {
  return new TimeGuess(columns).find();
}

/** Guesses what the columns of a CSV file are, from their names and from all their values. */
import { InputError } from '@crossgate/core';
import type { ColumnFacts, CsvOptions, CsvSurvey } from '@crossgate/data';
import { guessTimes } from './guess-times';
import { type GuessedValue, guessValue } from './guess-value';
import { list, OpenColumns, type ToldColumns } from './open-columns';

/** What `init` found out about a file of events. Keys of `data.csv` that need no line are absent. */
export interface GuessedColumns {
  readonly separator: string;
  readonly encoding?: string;
  /** Absent: the first line names the columns; else they are numbers from 1. */
  readonly header?: false;
  readonly user: string;
  readonly item: string;
  /** What makes a row a positive. */
  readonly value: GuessedValue;
  /** What parts the positives: the middle of the range of ratings, or the median of counts. */
  readonly threshold?: number;
  /** Null where no column holds times. */
  readonly timestamp: string | null;
  /** Whether rows can be split by time: there are times, and one moment has not nearly all rows. */
  readonly canSplit: boolean;
  readonly timeFormat?: string;
  readonly decimal?: ',';
  /** Texts that stand for a missing value: of all columns, or by column. */
  readonly missing?: NonNullable<CsvOptions['missing']>;
  /** A column that the loader would take for times by its name, and that holds none. */
  readonly unreadTimes?: true;
  /** What is left out or doubtful, each with the key that would change it. */
  readonly notes: readonly string[];
}

/** Columns for a file without names, in the order in which most such files have them. */
function numberedAdvice(survey: CsvSurvey): string {
  const of = (index: number) => survey.columns[index];
  const numbers = survey.columns.map((_, index) => index + 1);
  const time = numbers.find((column) => of(column - 1)?.times.form()?.certain);
  const [user = 1, item = 2, ...rest] = numbers.filter((column) => column !== time);
  const rating = rest.find((column) => {
    const facts = of(column - 1);
    return facts?.isNumeric && facts.low < facts.high;
  });
  const flags = [
    `--user ${user} --item ${item}`,
    rating === undefined ? '--implicit' : `--rating ${rating}`,
    ...(time === undefined ? [] : [`--timestamp ${time}`]),
  ];
  return flags.join(' ');
}

function thresholdOf(value: GuessedValue, facts: (name: string) => ColumnFacts): number | undefined {
  if (value.kind !== 'rating') return undefined;
  const [low, high] = value.scale ?? value.range;
  if (low === high) return low - 0.5;
  const { median } = facts(value.column);
  // Above the largest there is nothing.
  return value.counts && median < high ? median : (low + high) / 2;
}

/**
 * Guesses what the columns are.
 *
 * @param place names the file in messages; @param told is believed
 * @throws InputError naming the columns there are, and the option and key that decide: where user or item is not among
 *   them, where the first line seems to be a row, where numbers might be the rating, and where times may be read in two
 *   ways
 */
export function guessColumns(survey: CsvSurvey, place: string, told: ToldColumns = {}): GuessedColumns {
  const { separator, encoding, firstLine, header } = survey;
  if (firstLine.length === 1 && survey.rows > 0) {
    const [only = ''] = firstLine;
    throw new InputError(`has one field on its first line (${JSON.stringify(only.slice(0, 40))})`, {
      code: 'csv.syntax',
      place: `${place}:1`,
      fix: 'say --separator, if another character parts its fields, or remove the lines above the names of the columns',
    });
  }
  if (firstLine.length < 2 || survey.rows === 0) {
    throw new InputError('needs a header with user, item and, if there is one, rating or label, and rows below it', {
      code: 'csv.empty',
      place,
    });
  }
  const byNumber = `${numberedAdvice(survey)} (data.csv.header: false, data.csv.user: 1, …)`;
  if (header === undefined) {
    throw new InputError(`seems to have no header: its first line is a row (${list(firstLine.slice(0, 6))})`, {
      code: 'csv.column',
      place: `${place}:1`,
      fix: `say --no-header and name the columns by number, such as --no-header ${byNumber}, or --header if these are names`,
    });
  }
  if (header === false && (told.user === undefined || told.item === undefined)) {
    throw new InputError('without a header, user and item must be named by number', {
      code: 'csv.column',
      place,
      fix: `say which columns they are, such as ${byNumber}`,
    });
  }
  const guess = new OpenColumns(survey, place, told);
  const [user, item] = [guess.entity('user'), guess.entity('item')];
  // A column that is to be the value is no time, whatever its name.
  const value = told.rating !== undefined || told.label !== undefined ? guessValue(guess) : undefined;
  const times = guessTimes(guess);
  const found = value ?? guessValue(guess);
  const { left, notes, missingTexts: missing } = guess;
  if (left.length > 0) {
    const keys = found.kind === 'implicit' ? ' (data.csv.rating or data.csv.label would use one)' : ' (data.csv)';
    notes.push(`not used: ${list(left)}${keys}`);
  }
  const threshold = thresholdOf(found, (name) => guess.facts(name));
  const timeFormat = times?.form.format ?? undefined;
  const hasCommas = [found.kind === 'implicit' ? undefined : found.column, times?.name].some(
    (name) => name !== undefined && guess.facts(name).commas > 0,
  );
  if (hasCommas) notes.push('numbers have a decimal comma: data.csv.decimal: ","');
  if (encoding !== undefined) notes.push(`read as ${encoding}: data.csv.encoding: ${encoding}`);
  return {
    separator,
    ...(encoding === undefined ? {} : { encoding }),
    ...(header === false ? { header } : {}),
    ...{ user, item, value: found },
    ...(threshold === undefined ? {} : { threshold }),
    timestamp: times?.name ?? null,
    canSplit: times?.canSplit ?? false,
    ...(timeFormat === undefined ? {} : { timeFormat }),
    ...(hasCommas ? { decimal: ',' as const } : {}),
    ...(missing === undefined ? {} : { missing }),
    ...(times === undefined && header !== false && guess.names.includes('timestamp')
      ? { unreadTimes: true as const }
      : {}),
    notes,
  };
}

/** Options that turn events into a data set: which rows are positive, which are kept, and how they are split. */

import { InputError } from '@crossgate/core';
import type { Recipe } from './dataset';
import { otherTimeForm, parseTime } from './time';
import type { Window } from './window';

/** An option: null or absent stands for the default. */
type Given<Value> = Value | null | undefined;

/** How rows are split into train, valid and test. */
export interface SplitOptions {
  /**
   * `time` (default): the last rows of all, by time, are valid and test. `ratio`: rows are drawn at random.
   * `leave-one-out`: the last row of each user is test, the one before it valid; users with fewer than three rows are
   * all train.
   */
  readonly by?: Given<'time' | 'ratio' | 'leave-one-out'>;
  /** Share of the rows in valid, in [0, 1). Default 0.1. By time, these rows come directly before those of test. */
  readonly valid?: Given<number>;
  /** Share of the rows in test, in [0, 1). Default 0.1. */
  readonly test?: Given<number>;
  /** By time, instead of shares: the moment at which valid begins, in seconds since 1970 or as ISO 8601 (UTC). */
  readonly validFrom?: Given<number | string>;
  /** By time, instead of shares: the moment at which test begins, in the same form. */
  readonly testFrom?: Given<number | string>;
  /** By ratio: seed of the draw, a whole number from 0. Default 1. */
  readonly seed?: Given<number>;
  /** By ratio: whether shares are drawn within each user, or over all rows. Default true. */
  readonly perUser?: Given<boolean>;
}

/** Which rows are kept. All counts include negative rows. */
export interface FilterOptions {
  /** Rows of users with fewer rows are removed. Rows are counted before any are removed. Default 1. */
  readonly minUserRows?: Given<number>;
  /** Rows of items with fewer rows are removed. Rows are counted before any are removed. Default 1. */
  readonly minItemRows?: Given<number>;
  /**
   * Afterwards, rows of users and items with fewer rows are removed, again and again, until all have this many. Default
   * 1.
   */
  readonly kCore?: Given<number>;
}

/** Columns whose values may be missing. */
export type MissingColumn = 'user' | 'item' | 'rating' | 'label' | 'timestamp';

/** Texts that stand for a missing value, by what the column is for. */
export type MissingTexts = { readonly [column in MissingColumn]?: Given<readonly string[]> };

/** Files and columns of a `csv` data set. */
export interface CsvOptions {
  /**
   * File of the events, by its ending CSV, Parquet (`.parquet`) or JSON lines (`.jsonl`, `.ndjson`), also compressed
   * (`.gz`, `.zst`). `*`, `?` and `**` stand for several files, which are read in the order of their names. Default
   * `interactions.csv`.
   */
  readonly interactions?: Given<string>;
  /** File of the titles, or several, in the same forms; false: none is read. Default `items.csv` if it exists; without one, ids serve as titles. */
  readonly items?: Given<string | false>;
  /** One character between fields. Default: a comma. */
  readonly separator?: Given<string>;
  /** A label of the Encoding Standard that both files are written in, such as `windows-1252`. Default: UTF-8. */
  readonly encoding?: Given<string>;
  /**
   * Whether the first line names the columns. Without a header, columns are numbers from 1; the file of titles has none
   * either if `itemId` and `title` are numbers. Default: there is one, and a first line that seems to be a row is
   * refused.
   */
  readonly header?: Given<boolean>;
  /** The sign before fractions in ratings and times. Default: a point. */
  readonly decimal?: Given<'.' | ','>;
  /**
   * Texts that stand for a missing value, such as `N/A` or nothing. Rows whose rating, label or time is one of them are
   * left out, and counted in a warning; so are rows without a user or an item, if the text without a letter is among
   * them. By column, `{ timestamp: ['0'] }`, texts count for that column alone. Default: none, so that such a row is
   * refused.
   */
  readonly missing?: Given<readonly string[] | MissingTexts>;
  /** Column of users in the events. Default `user`. */
  readonly user?: Given<string | number>;
  /** Column of items in the events. Default `item`. */
  readonly item?: Given<string | number>;
  /** Column of ratings in the events. Default `rating`. */
  readonly rating?: Given<string | number>;
  /** Column of labels, 0 or 1 (or true and false), in the events. Default `label`. */
  readonly label?: Given<string | number>;
  /** Column of times in the events; false: none is read, whatever its name. Default `timestamp`. */
  readonly timestamp?: Given<string | number | false>;
  /**
   * How times are written: `seconds`, `milliseconds`, `microseconds` or `nanoseconds` since 1970, `excel-days`, or a
   * pattern of YYYY, YY, MM, MMM (Jan), DD, ddd (Mon), hh, mm, ss, AM and Z (a zone), with brackets around what may be
   * absent: `DD.MM.YYYY[ hh:mm]`. Default: seconds or ISO 8601, UTC without a zone; numbers that can't be seconds are
   * refused.
   */
  readonly timeFormat?: Given<string>;
  /** Whether every row is a positive, such as a purchase or a click. No rating or label is read then. Default false. */
  readonly implicit?: Given<boolean>;
  /** Column of item ids in the titles. Default `item`. */
  readonly itemId?: Given<string | number>;
  /** Column of titles. Default `title`. */
  readonly title?: Given<string | number>;
  /**
   * Columns of the titles that are attributes of the items: numbers where every value is one, else texts. Default: none.
   */
  readonly attributes?: Given<readonly (string | number)[]>;
  /** Text between several values in a cell of an attribute, such as `|`. Default: a cell holds one value. */
  readonly attributeSeparator?: Given<string>;
}

/** Events of a `csv` data set that a database holds, or a query over files. */
export interface SqlOptions {
  /**
   * A file of DuckDB (`.duckdb`, `.db`) or SQLite (`.sqlite`, `.sqlite3`), or the address of a PostgreSQL server
   * (`postgres://user@host:5432/name`), without a password: that is read from PGPASSWORD or ~/.pgpass. Files lie in the
   * source folder. Default: none, and DuckDB runs the query over the files of that folder.
   */
  readonly database?: Given<string>;
  /** The query whose rows are the events. Its columns are named as those of a CSV file. */
  readonly query?: Given<string>;
  /** The table or view of the events, in place of a query: `events` or `schema.events`. */
  readonly table?: Given<string>;
  /** The query whose rows are the titles. Default: as `csv.items` says. */
  readonly itemsQuery?: Given<string>;
  /** The table or view of the titles, in place of a query. */
  readonly itemsTable?: Given<string>;
}

/** All options of a data set: the keys under `data` in a config. A data set with a fixed recipe takes none. */
export interface DatasetOptions {
  /** `all`: train holds every row before valid, and not only those of the publication's window. Default `paper`. */
  readonly window?: Given<Window>;
  /** Ratings above this are positives. Default 3. */
  readonly threshold?: Given<number>;
  /** How rows are split. */
  readonly split?: Given<SplitOptions>;
  /** Which rows are kept. */
  readonly filter?: Given<FilterOptions>;
  /** Files and columns of the data set `csv`. */
  readonly csv?: Given<CsvOptions>;
  /** Where the data set `csv` reads its rows from instead of files. */
  readonly sql?: Given<SqlOptions>;
}

/** A split with all its defaults. Times are seconds since 1970. */
export type SplitPlan =
  | { readonly by: 'time'; readonly valid: number; readonly test: number }
  | { readonly by: 'time'; readonly validFrom: number; readonly testFrom: number }
  | {
      readonly by: 'ratio';
      readonly valid: number;
      readonly test: number;
      readonly seed: number;
      readonly perUser: boolean;
    }
  | { readonly by: 'leave-one-out' };

/** A filter with all its defaults. */
export type FilterPlan = { readonly minUserRows: number; readonly minItemRows: number; readonly kCore: number };

/** The options of a data set made from events, with all their defaults. */
export interface EventPlan {
  readonly threshold: number;
  readonly split: SplitPlan;
  readonly filter: FilterPlan;
}

/** Options of a data set made from events: its split says what comes before valid, so it has no window. */
type EventOptions = Omit<DatasetOptions, 'window'>;

function isGiven(value: unknown): boolean {
  if (value === null || value === undefined) return false;
  return typeof value !== 'object' || Object.values(value).some(isGiven);
}

/**
 * All keys. JavaScript callers have no types to stop a misspelled key, which would silently leave the default in place.
 */
const known = {
  '': { threshold: 1, split: 1, filter: 1, csv: 1, sql: 1 } satisfies Record<keyof EventOptions, 1>,
  split: { by: 1, valid: 1, test: 1, validFrom: 1, testFrom: 1, seed: 1, perUser: 1 } satisfies Record<
    keyof SplitOptions,
    1
  >,
  filter: { minUserRows: 1, minItemRows: 1, kCore: 1 } satisfies Record<keyof FilterOptions, 1>,
  csv: {
    ...{ interactions: 1, items: 1, separator: 1, user: 1, item: 1, rating: 1, label: 1, timestamp: 1 },
    ...{ implicit: 1, itemId: 1, title: 1, encoding: 1, header: 1, decimal: 1, missing: 1, timeFormat: 1 },
    ...{ attributes: 1, attributeSeparator: 1 },
  } satisfies Record<keyof CsvOptions, 1>,
  sql: { database: 1, query: 1, table: 1, itemsQuery: 1, itemsTable: 1 } satisfies Record<keyof SqlOptions, 1>,
};

function requireKnownKeys(options: EventOptions): void {
  for (const [part, keys] of Object.entries(known)) {
    const given: object = (part === '' ? options : options[part as 'split' | 'filter' | 'csv' | 'sql']) ?? {};
    const wrong = Object.keys(given).find((key) => !Object.hasOwn(keys, key));
    if (wrong === undefined) continue;
    const place = part === '' ? 'data' : `data.${part}`;
    throw new InputError(`unknown key; there are ${Object.keys(keys).join(', ')}`, {
      code: 'config.unknown-key',
      place: `${place}.${wrong}`,
    });
  }
}

/** Whether any option is given: neither null nor absent. */
export function hasOptions(options: DatasetOptions | undefined): boolean {
  return isGiven(options);
}

/**
 * Checks that only options are given that a data set takes.
 *
 * @param name of the data set; @param taken the options that it takes.
 * @throws InputError naming the key of another option.
 */
export function requireOptions(name: string, taken: readonly (keyof DatasetOptions)[], options: DatasetOptions): void {
  for (const key of Object.keys(options) as (keyof DatasetOptions)[]) {
    if (taken.includes(key) || !isGiven(options[key])) continue;
    const what =
      taken.length === 0 ? 'its recipe is fixed' : `it takes ${taken.map((word) => `data.${word}`).join(', ')}`;
    throw new InputError(`${name} does not take it; ${what}`, { code: 'data.option', place: `data.${key}` });
  }
}

function share(key: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw new InputError(`must be a share from 0 to below 1, got ${value}`, {
    code: 'data.option',
    place: `data.split.${key}`,
  });
}

function whole(key: string, value: number, minimum: number): number {
  if (Number.isSafeInteger(value) && value >= minimum) return value;
  throw new InputError(`must be a whole number from ${minimum}, got ${value}`, {
    code: 'data.option',
    place: `data.${key}`,
  });
}

function planSplit(options: SplitOptions): SplitPlan {
  const by = options.by ?? 'time';
  const only = (kind: SplitPlan['by'], ...keys: (keyof SplitOptions)[]) => {
    const key = by === kind ? undefined : keys.find((candidate) => isGiven(options[candidate]));
    if (key !== undefined)
      throw new InputError(`is for a split by ${kind}, and this one is by ${by}`, {
        code: 'data.option',
        place: `data.split.${key}`,
      });
  };
  only('time', 'validFrom', 'testFrom');
  only('ratio', 'seed', 'perUser');
  if (by === 'leave-one-out') {
    const key = (['valid', 'test'] as const).find((candidate) => isGiven(options[candidate]));
    if (key !== undefined)
      throw new InputError('leave-one-out takes no shares', { code: 'data.option', place: `data.split.${key}` });
    return { by };
  }
  if (by !== 'time' && by !== 'ratio') {
    throw new InputError(`must be time, ratio or leave-one-out, got ${JSON.stringify(by)}`, {
      code: 'data.option',
      place: 'data.split.by',
    });
  }
  const { validFrom, testFrom } = options;
  if (isGiven(validFrom) || isGiven(testFrom)) {
    if (isGiven(options.valid) || isGiven(options.test)) {
      throw new InputError('give shares (valid, test) or moments (validFrom, testFrom), not both', {
        code: 'data.option',
        place: 'data.split',
      });
    }
    if (!isGiven(validFrom) || !isGiven(testFrom))
      throw new InputError('give both validFrom and testFrom', { code: 'data.option', place: 'data.split' });
    const [from, until] = [validFrom, testFrom].map((value, index) => {
      const seconds = parseTime(String(value));
      // A file may count its rows from 1 on; 20240131 is a date all the same.
      const form = otherTimeForm(String(value));
      const isDate = form?.format === 'YYYYMMDD' || form?.certain === true;
      if (seconds !== undefined && !isDate) return seconds;
      const key = index === 0 ? 'validFrom' : 'testFrom';
      const hint = isDate ? `, which looks like ${form.format}` : '';
      throw new InputError(`must be seconds since 1970 or a date such as 2024-01-31, got ${value}${hint}`, {
        code: 'data.option',
        place: `data.split.${key}`,
      });
    }) as [number, number];
    if (from > until)
      throw new InputError('lies before validFrom', {
        code: 'data.option',
        place: 'data.split.testFrom',
        fix: 'swap them',
      });
    return { by: 'time', validFrom: from, testFrom: until };
  }
  const valid = share('valid', options.valid ?? 0.1);
  const test = share('test', options.test ?? 0.1);
  if (valid + test >= 1)
    throw new InputError(`shares ${valid} and ${test} leave nothing to train on`, {
      code: 'data.option',
      place: 'data.split',
    });
  if (by === 'time') return { by, valid, test };
  return { by, valid, test, seed: whole('split.seed', options.seed ?? 1, 0), perUser: options.perUser ?? true };
}

/**
 * Checks options and fills in the defaults.
 *
 * @throws InputError naming the key, as in a config (`data.split.valid`), for an unknown key, a value out of range, and
 * keys that exclude each other.
 */
export function planEvents(options: DatasetOptions): EventPlan {
  const { window, ...others } = options;
  requireKnownKeys(others);
  if (isGiven(window)) {
    throw new InputError('is for a data set whose publication leaves earlier rows out', {
      code: 'data.option',
      place: 'data.window',
      fix: 'leave it out',
    });
  }
  const threshold = options.threshold ?? 3;
  if (!Number.isFinite(threshold))
    throw new InputError(`must be a finite number, got ${threshold}`, { code: 'data.option', place: 'data.threshold' });
  const filter = options.filter ?? {};
  return {
    threshold,
    split: planSplit(options.split ?? {}),
    filter: {
      minUserRows: whole('filter.minUserRows', filter.minUserRows ?? 1, 1),
      minItemRows: whole('filter.minItemRows', filter.minItemRows ?? 1, 1),
      kCore: whole('filter.kCore', filter.kCore ?? 1, 1),
    },
  };
}

/** The part of a recipe that holds the options. */
export function recipeOf({ threshold, split, filter }: EventPlan): { label: string; split: Recipe; filter: Recipe } {
  return { label: `rating > ${threshold}`, split, filter };
}

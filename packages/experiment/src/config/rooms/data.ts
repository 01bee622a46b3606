/** The room `data`: which rows there are, and how they are split. */
import { addressProblem } from '@crossgate/data';
import { z } from 'zod';
import { count, LONGEST, optional, word } from './values';

/** A column: its name, or its number where there is no header. */
const column = z.union([word, z.int().positive()], 'must be the name of a column, or its number');
/** A moment in time. */
const moment = z.union([z.number().nonnegative(), z.string().min(1)], 'must be seconds since 1970 or a date');

/** A database. */
const database = word.superRefine((value, context) => {
  const wrong = addressProblem(value);
  if (wrong !== undefined)
    context.addIssue({ code: 'custom', message: `${wrong.problem}; ${wrong.fix}`, params: { isSecret: true } });
});

/** `data`. */
export const data = z.strictObject({
  name: z.string().min(1).default('ml-1m').describe('Data set name (see `crossgate data list`)'),
  path: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'Prepared folder or source folder (csv: or the file, or a pattern of several); null: CROSSGATE_DATA/<name>, then ./data/<name>',
    ),
  window: optional(z.enum(['paper', 'all'])).describe(
    "ml-1m: all trains on every rating before valid, too, and not only on the paper's months (classes T+, H+, P+); the scored rows stay the same; null: paper",
  ),
  threshold: z.number().nullable().default(null).describe('A rating above it is a positive; null: 3'),
  split: z
    .strictObject({
      by: optional(z.enum(['time', 'ratio', 'leave-one-out'])).describe('How rows are split; null: time'),
      valid: optional(z.number().min(0).lt(1)).describe('time, ratio: share of valid; null: 0.1'),
      test: optional(z.number().min(0).lt(1)).describe('time, ratio: share of test; null: 0.1'),
      validFrom: optional(moment).describe('time: first moment of valid, instead of shares'),
      testFrom: optional(moment).describe('time: first moment of test, instead of shares'),
      seed: optional(
        z
          .int()
          .nonnegative()
          .max(2 ** 32 - 1),
      ).describe('ratio: seed of the draw; null: 1'),
      perUser: optional(z.boolean()).describe('ratio: shares of each user (null, true) or of all rows'),
    })
    .prefault({})
    .describe('Split of a data set that leaves it open'),
  filter: z
    .strictObject({
      minUserRows: optional(count(LONGEST)).describe('Users with fewer rows are left out, counted once; null: 1'),
      minItemRows: optional(count(LONGEST)).describe('Items with fewer rows are left out, counted once; null: 1'),
      kCore: optional(count(LONGEST)).describe('Then users and items with fewer, until none is left; null: 1'),
    })
    .prefault({})
    .describe('Rows that stay'),
  csv: z
    .strictObject({
      interactions: optional(word).describe(
        'File of the events: CSV, Parquet or JSON lines, also compressed; * and ** stand for several; null: interactions.csv',
      ),
      items: optional(z.union([word, z.literal(false)], 'must be the name of a file, or false for none')).describe(
        'File of the titles, or several, in the same forms; false: none is read; null: items.csv where there is one',
      ),
      separator: optional(z.string().length(1)).describe('Between fields; null: a comma'),
      encoding: optional(word).describe('Encoding of both files, such as windows-1252; null: UTF-8'),
      header: optional(z.boolean()).describe(
        'Whether the first line names the columns; false: columns are numbers from 1; null: yes, and a row is refused',
      ),
      decimal: optional(z.enum(['.', ','])).describe('Sign before fractions of ratings and times; null: a point'),
      missing: optional(
        z.union(
          [
            z.array(z.string()),
            z.partialRecord(z.enum(['user', 'item', 'rating', 'label', 'timestamp']), z.array(z.string())),
          ],
          'must be a list of texts, or lists by user, item, rating, label and timestamp',
        ),
      ).describe(
        'Texts of missing values, such as N/A: rows whose rating, label or time is one are left out; by column: {timestamp: ["0"]}; null: none',
      ),
      user: optional(column).describe('Column of users; null: user'),
      item: optional(column).describe('Column of items; null: item'),
      rating: optional(column).describe('Column of ratings; null: rating'),
      label: optional(column).describe('Column of labels, 0 or 1, used before ratings; null: label'),
      implicit: optional(z.boolean()).describe('Every row is a positive, such as a purchase: no ratings, no labels'),
      timestamp: optional(
        z.union(
          [word, z.int().positive(), z.literal(false)],
          'must be the name of a column, or its number, or false for none',
        ),
      ).describe('Column of times; false: no times are read; null: timestamp'),
      timeFormat: optional(word).describe(
        'How times are written: seconds, milliseconds, microseconds, nanoseconds, excel-days, or a pattern such as DD.MM.YYYY[ hh:mm]; null: seconds or ISO 8601',
      ),
      itemId: optional(column).describe('Column of items in the file of titles; null: item'),
      title: optional(column).describe('Column of titles; null: title'),
      attributes: optional(z.array(column).max(64)).describe(
        'Columns of the file of titles that are attributes of items, to filter by: numbers where every value is one, else texts; null: none',
      ),
      attributeSeparator: optional(word).describe(
        'Between several values in a cell of an attribute, such as "|"; null: a cell holds one value',
      ),
    })
    .prefault({})
    .describe('Files and columns of the data set csv'),
  sql: z
    .strictObject({
      database: optional(database).describe(
        'File of DuckDB or SQLite in the folder of data.path, or a PostgreSQL server, postgres://user@host/name, with its password in PGPASSWORD; null: DuckDB queries the files of the folder',
      ),
      query: optional(word).describe('Query whose rows are the events, with the columns that data.csv names'),
      table: optional(word).describe('Table or view of the events, instead of a query'),
      itemsQuery: optional(word).describe('Query whose rows are the titles; null: as data.csv.items says'),
      itemsTable: optional(word).describe('Table or view of the titles, instead of a query'),
    })
    .prefault({})
    .describe('Database that the data set csv is read from, instead of files'),
});

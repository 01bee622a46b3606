/** Guesses what the columns of a CSV file are, from their names and first rows. */
import { InputError } from '@crossgate/core';
import { CsvSplitter, parseTime } from '@crossgate/data';

/** What `init` found out about a file of events. */
export interface GuessedColumns {
  readonly separator: string;
  readonly header: readonly string[];
  readonly user: string;
  readonly item: string;
  /** A column of ratings, or of labels that are 0 or 1; `implicit` where none is called so: every row is a positive. */
  readonly value:
    | { readonly kind: 'rating' | 'label'; readonly column: string; readonly range: [number, number] }
    | { readonly kind: 'implicit' };
  /** Null where no column holds times. */
  readonly timestamp: string | null;
}

/** Words that name a column, most telling first; compared without case, spaces, dashes and underscores. */
const words = {
  user: [
    'user',
    'userid',
    'username',
    'customer',
    'customerid',
    'member',
    'memberid',
    'client',
    'reviewerid',
    'account',
    'visitorid',
    'uid',
  ],
  item: [
    'item',
    'itemid',
    'product',
    'productid',
    'movieid',
    'movie',
    'bookid',
    'book',
    'asin',
    'sku',
    'articleid',
    'article',
    'isbn',
    'iid',
  ],
  label: ['label', 'clicked', 'click', 'liked', 'like', 'purchased', 'positive'],
  rating: ['rating', 'ratings', 'stars', 'score', 'overall', 'value', 'grade'],
  timestamp: ['timestamp', 'time', 'datetime', 'date', 'ts', 'createdat', 'unixreviewtime', 'when', 'boughtat'],
} as const;

const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

function named(header: readonly string[], kind: keyof typeof words): string | undefined {
  const known = header.map(plain);
  const word = words[kind].find((candidate) => known.includes(candidate));
  return word === undefined ? undefined : header[known.indexOf(word)];
}

/** The separator that the first line has most of. */
function guessSeparator(line: string): string {
  const count = (separator: string) => line.split(separator).length;
  return [',', ';', '\t', '|'].reduce((best, candidate) => (count(candidate) > count(best) ? candidate : best));
}

function rangeOf(values: readonly string[]): [number, number] | undefined {
  const numbers = values.map((value) => (value.trim() === '' ? Number.NaN : Number(value)));
  if (numbers.length === 0 || !numbers.every(Number.isFinite)) return undefined;
  return [Math.min(...numbers), Math.max(...numbers)];
}

/**
 * Guesses from the beginning of a file.
 * @param text whole lines from the start, the header first
 * @param place names the file in messages
 * @throws InputError naming the columns there are, where user or item is not among them, or a rating is called so but is no number
 */
export function guessColumns(text: string, place: string): GuessedColumns {
  const first = text.split('\n', 1)[0] as string;
  const separator = guessSeparator(first);
  const splitter = new CsvSplitter(place, separator);
  const [head, ...records] = [...splitter.push(text.endsWith('\n') ? text : `${text}\n`), ...splitter.end()];
  const header = (head?.fields ?? []).map((field) => field.trim());
  if (header.length < 2 || records.length === 0) {
    throw new InputError('needs a header with user, item and, if there is one, rating or label, and rows below it', {
      code: 'csv.empty',
      place,
    });
  }
  const valuesOf = (column: string) => {
    const index = header.indexOf(column);
    return records.slice(0, 1000).map(({ fields }) => fields[index] ?? '');
  };
  const need = (kind: 'user' | 'item'): string => {
    const column = named(header, kind);
    if (column !== undefined) return column;
    throw new InputError(`no column looks like the ${kind} (it has ${header.join(', ')})`, {
      code: 'csv.column',
      place: `${place}:1`,
      fix: `rename it to ${kind}, or write data.csv.${kind} yourself`,
    });
  };
  const [user, item] = [need('user'), need('item')];
  const label = named(header, 'label');
  const labels = label === undefined ? undefined : rangeOf(valuesOf(label));
  const rating = named(header, 'rating');
  const ratings = rating === undefined ? undefined : rangeOf(valuesOf(rating));
  const isFlag = label !== undefined && valuesOf(label).every((value) => value.trim() === '0' || value.trim() === '1');
  let value: GuessedColumns['value'];
  if (isFlag && labels !== undefined) value = { kind: 'label', column: label, range: labels };
  else if (rating !== undefined && ratings !== undefined) value = { kind: 'rating', column: rating, range: ratings };
  else if (label === undefined && rating === undefined) value = { kind: 'implicit' };
  else {
    throw new InputError(`no column holds ratings (numbers) or labels (0 or 1) (it has ${header.join(', ')})`, {
      code: 'csv.column',
      place: `${place}:1`,
      fix: 'add one named rating or label',
    });
  }
  const time = named(header, 'timestamp');
  const isTime = time !== undefined && valuesOf(time).every((text) => parseTime(text) !== undefined);
  return { separator, header, user, item, value, timestamp: isTime ? time : null };
}

/** MovieLens-1M, split by month as CoLLM and CCF-LLM do: the exact rows, ids and order of their files. */

import { InputError } from '@crossgate/core';
import { type Assembly, assembleDataset } from './assemble';
import type { Dataset, Recipe } from './dataset';
import type { DatasetDefinition } from './definition';
import { movieAttributes, yearOf } from './movielens';
import type { DatasetOptions } from './options';
import { parseInteger, readRows, type SourceFolder } from './source';
import { maximumTimestamp } from './time-format';
import { planWindow, type Window } from './window';

const recipe: Recipe = {
  name: 'ml-1m',
  version: 1,
  label: 'rating > 3',
  train: '2001-06 … 2002-03 (UTC)',
  valid: '2002-04 … 2002-08 (UTC)',
  test: '2002-09 … 2003-01 (UTC)',
  order: "user, timestamp, the item's first appearance in ratings.dat, file order",
};

/** Splits valid and test are those of the paper, row by row. */
const recipeOfAll: Recipe = { ...recipe, window: 'all', train: 'up to 2002-03 (UTC)' };

/** Month slots are counted from April 2000; [first, last] of train, valid and test. */
const slots: readonly (readonly [number, number])[] = [
  [14, 23],
  [24, 28],
  [29, 33],
];
const maximumId = 0x7fffffff;

/** First second of a month slot. */
function slotStart(slot: number): number {
  // Date.UTC carries months beyond December into the years that follow.
  return Date.UTC(2000, 3 + slot, 1) / 1000;
}

/** The first second of each split and the first after it; of train the former is −∞ when all earlier ratings count. */
function boundsOf(window: Window): (readonly [number, number])[] {
  return slots.map(([first, last], split) => {
    const isOpen = split === 0 && window === 'all';
    return [isOpen ? Number.NEGATIVE_INFINITY : slotStart(first), slotStart(last + 1)];
  });
}

/**
 * The split of a MovieLens-1M rating by its time, as in CoLLM and CCF-LLM.
 *
 * @param timestamp seconds since 1970, UTC.
 * @param window `all`: whatever comes before valid is train. Default `paper`.
 * @returns 0 for train (June 2001 – March 2002), 1 for valid (April – August 2002), 2 for test (September 2002 –
 * January 2003), −1 for other times.
 */
export function ml1mSplitOf(timestamp: number, window: Window = 'paper'): number {
  return boundsOf(window).findIndex(([start, end]) => timestamp >= start && timestamp < end);
}

async function readMovies(source: SourceFolder) {
  const titles = new Map<number, string>();
  const attributes = movieAttributes();
  const file = 'movies.dat';
  const format = { file, separator: '::', fields: ['MovieID', 'Title', 'Genres'], encoding: 'latin1' } as const;
  await readRows(await source.open(file), format, ([idText, titleText, genres], place) => {
    const id = parseInteger(idText as string, 'MovieID', place, 1, maximumId);
    const title = (titleText as string).trim();
    if (title === '') throw new InputError('Title is empty', { code: 'data.source', place: place() });
    if (titles.has(id)) throw new InputError(`MovieID ${id} appears twice`, { code: 'data.source', place: place() });
    titles.set(id, title);
    attributes.add(String(id), [genres as string, yearOf(title)], place());
  });
  return { titles, attributes };
}

/** The ratings inside the window, in file order, with each one's tie-breaking key. */
async function readRatings(source: SourceFolder, titles: ReadonlyMap<number, string>, window: Window) {
  const user: number[] = [];
  const item: number[] = [];
  const label: number[] = [];
  const timestamp: number[] = [];
  const split: number[] = [];
  // Rank of each item by its first appearance in the whole file, the ratings outside the window included.
  const firstAppearance = new Map<number, number>();
  const file = 'ratings.dat';
  const fields = ['UserID', 'MovieID', 'Rating', 'Timestamp'];
  const bounds = boundsOf(window);
  await readRows(await source.open(file), { file, separator: '::', fields, encoding: 'utf-8' }, (row, place) => {
    const userId = parseInteger(row[0] as string, 'UserID', place, 1, maximumId);
    const itemId = parseInteger(row[1] as string, 'MovieID', place, 1, maximumId);
    const rating = parseInteger(row[2] as string, 'Rating', place, 1, 5);
    const seconds = parseInteger(row[3] as string, 'Timestamp', place, 0, maximumTimestamp);
    if (!titles.has(itemId))
      throw new InputError(`MovieID ${itemId} is not in movies.dat`, { code: 'data.source', place: place() });
    if (!firstAppearance.has(itemId)) firstAppearance.set(itemId, firstAppearance.size);
    const splitIndex = bounds.findIndex(([start, end]) => seconds >= start && seconds < end);
    if (splitIndex < 0) return;
    user.push(userId);
    item.push(itemId);
    label.push(rating > 3 ? 1 : 0);
    timestamp.push(seconds);
    split.push(splitIndex);
  });
  return { user, item, label, timestamp, split, firstAppearance };
}

/**
 * Builds MovieLens-1M (Harper & Konstan 2015) from `ratings.dat` and `movies.dat` (fields separated by `::`, Latin-1),
 * with exactly the rows and splits of CoLLM (Zhang et al. 2023) and CCF-LLM. Ratings above 3 are positives.
 *
 * @param options `window: 'all'` adds every rating before June 2001 to train, and so to histories. Valid and test keep
 * their rows in their order; dense ids differ, since ids are given in order of first appearance.
 * @throws InputError naming file and line for a malformed row, a rating outside 1–5, or a movie that `movies.dat` does
 * not have; naming the file when it is missing or empty, and when no rating falls into the months of train; naming
 * `data.window` for another window.
 */
export async function buildMl1m(source: SourceFolder, options: DatasetOptions = {}): Promise<Dataset> {
  const window = planWindow(options.window);
  const { titles, attributes } = await readMovies(source);
  const ratings = await readRatings(source, titles, window);
  if (!ratings.split.includes(0)) {
    const months = window === 'all' ? 'before April 2002' : 'in the training months June 2001 to March 2002';
    throw new InputError(`ratings.dat: no rating falls ${months}`, { code: 'data.empty' });
  }
  const rank = ratings.item.map((id) => ratings.firstAppearance.get(id) as number);
  const compare = (column: readonly number[], a: number, b: number) => (column[a] as number) - (column[b] as number);
  const order = Int32Array.from(ratings.user.keys()).sort(
    (a, b) => compare(ratings.user, a, b) || compare(ratings.timestamp, a, b) || compare(rank, a, b) || a - b,
  );
  const sorted = (column: readonly number[]) => Float64Array.from(order, (index) => column[index] as number);
  const assembly: Assembly = {
    name: 'ml-1m',
    recipe: recipeUnder(options),
    events: {
      user: sorted(ratings.user),
      item: sorted(ratings.item),
      label: sorted(ratings.label),
      timestamp: sorted(ratings.timestamp),
      split: sorted(ratings.split),
    },
    userId: String,
    itemOf: (item) => ({ id: String(item), title: titles.get(item) as string }),
    attributes: (ids) => attributes.of(ids),
  };
  return assembleDataset(assembly);
}

function recipeUnder(options: DatasetOptions = {}): Recipe {
  return planWindow(options.window) === 'all' ? recipeOfAll : recipe;
}

/** The entry of MovieLens-1M in the registry. */
export const ml1m: DatasetDefinition = {
  name: 'ml-1m',
  title: 'MovieLens-1M, split by month (June 2001 – January 2003), rating > 3 is positive',
  homepage: 'https://grouplens.org/datasets/movielens/1m/',
  license: 'GroupLens terms: research use, no redistribution without permission',
  sourceFiles: ['ratings.dat', 'movies.dat'],
  download: {
    url: 'https://files.grouplens.org/datasets/movielens/ml-1m.zip',
    bytes: 5_917_549,
    sha256: 'a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20',
    members: { README: 'ml-1m/README', 'ratings.dat': 'ml-1m/ratings.dat', 'movies.dat': 'ml-1m/movies.dat' },
  },
  options: ['window'],
  recipe: recipeUnder,
  build: buildMl1m,
};

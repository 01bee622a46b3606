/** MovieLens-100K: ratings and titles as published; threshold, filters and split by options. */

import { InputError } from '@crossgate/core';
import type { Dataset, Recipe } from './dataset';
import type { DatasetDefinition } from './definition';
import { assembleEvents, EventTable } from './events';
import { movieAttributes, yearOf } from './movielens';
import { type DatasetOptions, planEvents, recipeOf } from './options';
import { parseInteger, readRows, type SourceFolder } from './source';
import { maximumTimestamp } from './time-format';

const maximumId = 0x7fffffff;
const itemFields = ['movie id', 'movie title', 'release date', 'video release date', 'IMDb URL'];
/** The flags of `u.item`, in their order. A film of genre `unknown` has none. */
const genres = (
  "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|" +
  'Film-Noir|Horror|Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western'
).split('|');

function recipe(options: DatasetOptions = {}): Recipe {
  return {
    name: 'ml-100k',
    version: 1,
    ...recipeOf(planEvents(options)),
    order: 'user by first appearance in u.data, timestamp, file order',
  };
}

async function readMovies(source: SourceFolder) {
  const titles = new Map<number, string>();
  const attributes = movieAttributes();
  const file = 'u.item';
  const fields = [...itemFields, ...genres];
  let first = true;
  await readRows(await source.open(file), { file, separator: '|', fields, encoding: 'latin1' }, (row, place) => {
    const [idText, titleText] = row as [string, string];
    // Some copies begin with a line of names.
    const isHeader = first && idText.trim() === itemFields[0];
    first = false;
    if (isHeader) return;
    const id = parseInteger(idText, 'movie id', place, 1, maximumId);
    const title = titleText.trim();
    if (title === '') throw new InputError('movie title is empty', { code: 'data.source', place: place() });
    if (titles.has(id)) throw new InputError(`movie id ${id} appears twice`, { code: 'data.source', place: place() });
    titles.set(id, title);
    const own = genres.filter((genre, index) => genre !== 'unknown' && row[itemFields.length + index]?.trim() === '1');
    attributes.add(String(id), [own.join('|'), yearOf(title)], place());
  });
  return { titles, attributes };
}

/**
 * Builds MovieLens-100K (Harper & Konstan 2015) from `u.data` (fields separated by tabs) and `u.item` (by `|`,
 * Latin-1).
 *
 * @param options threshold, filters and split. Default: a rating above 3 is a positive, and rows are split by time.
 * @throws InputError naming file and line for a malformed row, a rating outside 1–5, or a movie that `u.item` does not
 * have; naming the file when it is missing or empty, and the key of an invalid option.
 */
export async function buildMl100k(source: SourceFolder, options: DatasetOptions = {}): Promise<Dataset> {
  const plan = planEvents(options);
  const { titles, attributes } = await readMovies(source);
  const events = new EventTable();
  const file = 'u.data';
  const fields = ['user id', 'item id', 'rating', 'timestamp'];
  await readRows(await source.open(file), { file, separator: '\t', fields, encoding: 'utf-8' }, (row, place) => {
    const user = parseInteger(row[0] as string, 'user id', place, 1, maximumId);
    const item = parseInteger(row[1] as string, 'item id', place, 1, maximumId);
    const rating = parseInteger(row[2] as string, 'rating', place, 1, 5);
    const seconds = parseInteger(row[3] as string, 'timestamp', place, 0, maximumTimestamp);
    if (!titles.has(item))
      throw new InputError(`item id ${item} is not in u.item`, { code: 'data.source', place: place() });
    events.add(String(user), String(item), rating > plan.threshold, seconds);
  });
  return assembleEvents({
    name: 'ml-100k',
    recipe: recipe(options),
    events,
    plan,
    titleOf: (item) => titles.get(Number(item)) as string,
    attributes: (ids) => attributes.of(ids),
  });
}

/** The entry of MovieLens-100K in the registry. */
export const ml100k: DatasetDefinition = {
  name: 'ml-100k',
  title: 'MovieLens-100K; by default split by time, rating > 3 is positive',
  homepage: 'https://grouplens.org/datasets/movielens/100k/',
  license: 'GroupLens terms: research use, no redistribution without permission',
  sourceFiles: ['u.data', 'u.item'],
  download: {
    url: 'https://files.grouplens.org/datasets/movielens/ml-100k.zip',
    bytes: 4_924_029,
    sha256: '50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229',
    members: { README: 'ml-100k/README', 'u.data': 'ml-100k/u.data', 'u.item': 'ml-100k/u.item' },
  },
  options: ['threshold', 'split', 'filter'],
  recipe,
  build: buildMl100k,
};

/** Amazon books of 2017, split as CoLLM does: January to November, then December in two halves. */

import { InputError } from '@crossgate/core';
import type { Dataset, Recipe } from './dataset';
import type { DatasetDefinition } from './definition';
import { assembleEvents, EventTable } from './events';
import { readJsonLines } from './json-lines';
import type { Place, SourceFolder } from './source';
import { maximumTimestamp } from './time-format';

const reviewFile = 'Books_5.json';
const metaFile = 'meta_Books.json';
const start = Date.UTC(2017, 0, 1) / 1000;
const december = Date.UTC(2017, 11, 1) / 1000;
const end = Date.UTC(2018, 0, 1) / 1000;
/** More than 20 ratings, counted once among those of 2017. */
const leastRows = 21;

const recipe: Recipe = {
  name: 'amazon-books',
  version: 1,
  window: '2017 (UTC)',
  filter: 'users and items with more than 20 ratings of 2017, counted once, before filtering',
  label: 'rating > 4',
  train: '2017-01 … 2017-11',
  valid: 'first half of 2017-12 by time, then file order',
  test: 'second half of 2017-12',
  order: 'user by first appearance, timestamp, file order',
};

type Row = Readonly<Record<string, unknown>>;

/** A value for a message; a key that is missing, with those that are there. */
function shown(row: Row, key: string): string {
  const value = row[key];
  if (value === undefined) return `nothing; the object has ${Object.keys(row).slice(0, 12).join(', ')}`;
  // JSON has no NaN and no infinity: it would say null.
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function readText(row: Row, key: string, place: Place): string {
  const value = row[key];
  if (typeof value === 'string' && value !== '') return value;
  throw new InputError(`${key} must be a text that is not empty, got ${shown(row, key)}`, {
    code: 'data.source',
    place: place(),
  });
}

function readNumber(row: Row, key: string, place: Place, minimum: number, maximum: number): number {
  const value = row[key];
  if (typeof value === 'number' && value >= minimum && value <= maximum) return value;
  throw new InputError(`${key} must be a number from ${minimum} to ${maximum}, got ${shown(row, key)}`, {
    code: 'data.source',
    place: place(),
  });
}

/** December's rows in two halves by (time, place in the file); an odd one goes to test. */
function halveDecember(timestamp: Float64Array, fileRow: Int32Array): Uint8Array {
  const split = new Uint8Array(timestamp.length);
  const rows = Int32Array.from(timestamp.keys()).filter((row) => (timestamp[row] as number) >= december);
  rows.sort(
    (a, b) => (timestamp[a] as number) - (timestamp[b] as number) || (fileRow[a] as number) - (fileRow[b] as number),
  );
  const half = Math.floor(rows.length / 2);
  for (const [place, row] of rows.entries()) split[row] = place < half ? 1 : 2;
  return split;
}

/** Titles of the wanted items; of a repeated one the first. */
async function readTitles(source: SourceFolder, wanted: ReadonlySet<string>): Promise<Map<string, string>> {
  const titles = new Map<string, string>();
  await readJsonLines(await source.open(metaFile), metaFile, (row, place) => {
    const { title } = row;
    const id = readText(row, 'asin', place);
    if (!wanted.has(id) || titles.has(id) || typeof title !== 'string' || title.trim() === '') return;
    titles.set(id, title.trim());
  });
  return titles;
}

/**
 * Builds `amazon-books` from two files of JSON lines of the Amazon review data of 2018 (Ni, Li & McAuley 2019):
 * `Books_5.json`, the 5-core reviews (reviewerID, asin, overall, unixReviewTime), and `meta_Books.json` (asin, title).
 * Only reviews of 2017 and their titles are kept in memory. The split is CoLLM's (Zhang et al. 2023).
 *
 * @throws InputError naming file and line for a malformed object, and the file when it is missing, empty, or has no row
 * that the recipe keeps.
 */
export async function buildAmazonBooks(source: SourceFolder): Promise<Dataset> {
  const events = new EventTable();
  await readJsonLines(await source.open(reviewFile), reviewFile, (review, place) => {
    const time = readNumber(review, 'unixReviewTime', place, 0, maximumTimestamp);
    const user = readText(review, 'reviewerID', place);
    const item = readText(review, 'asin', place);
    const rating = readNumber(review, 'overall', place, 1, 5);
    if (time >= start && time < end) events.add(user, item, rating > 4, time);
  });
  if (events.rows === 0) throw new InputError('no rating falls in 2017', { code: 'data.empty', place: reviewFile });
  const plan = { filter: { minUserRows: leastRows, minItemRows: leastRows, kCore: 1 }, split: halveDecember };
  const titles = await readTitles(source, new Set(events.itemIds));
  return assembleEvents({
    name: 'amazon-books',
    recipe,
    events,
    plan,
    // A remark, not an error: the metadata lacks some titles.
    remark: (items) => {
      const missing = items.filter((item) => !titles.has(item)).length;
      return missing === 0 ? [] : [`${missing} items have no title in ${metaFile}: their ids stand for it`];
    },
    titleOf: (item) => titles.get(item) ?? item,
  });
}

/** The entry of Amazon's books in the registry. */
export const amazonBooks: DatasetDefinition = {
  name: 'amazon-books',
  title: 'Amazon books of 2017 (5-core reviews), split by month as CoLLM does, rating > 4 is positive',
  homepage: 'https://nijianmo.github.io/amazon/',
  license: "the publisher's terms: ask for the files there, cite Ni, Li and McAuley (EMNLP 2019)",
  sourceFiles: [reviewFile, metaFile],
  recipe: () => recipe,
  build: (source) => buildAmazonBooks(source),
};

/** The data set `csv`: a user's own events and titles, from two CSV files. */

import { InputError } from '@crossgate/core';
import { readCsv } from './csv';
import type { Dataset, Recipe } from './dataset';
import type { DatasetDefinition } from './definition';
import { assembleEvents, EventTable } from './events';
import { type DatasetOptions, planEvents, recipeOf } from './options';
import type { SourceFolder } from './source';
import { parseTime } from './time';

const defaultFile = 'interactions.csv';
const defaultItems = 'items.csv';
const maximumId = 256;

/** Files and columns with their defaults. */
function columnsOf(options: DatasetOptions) {
  const csv = options.csv ?? {};
  const separator = csv.separator ?? ',';
  if (separator.length !== 1 || /["\r\n]/.test(separator)) {
    throw new InputError('must be one character, not a quote or a line end', {
      code: 'data.option',
      place: 'data.csv.separator',
    });
  }
  const implicit = csv.implicit ?? false;
  const unread = [
    ['data.threshold', options.threshold],
    ['data.csv.rating', csv.rating],
    ['data.csv.label', csv.label],
  ].find(([, value]) => implicit && value !== null && value !== undefined);
  if (unread !== undefined)
    throw new InputError('is not read with data.csv.implicit', {
      code: 'data.option',
      place: `${unread[0]}`,
      fix: 'leave one out',
    });
  return {
    implicit,
    interactions: csv.interactions ?? defaultFile,
    items: csv.items ?? defaultItems,
    separator,
    user: csv.user ?? 'user',
    item: csv.item ?? 'item',
    rating: csv.rating ?? 'rating',
    label: csv.label ?? 'label',
    timestamp: csv.timestamp ?? 'timestamp',
    itemId: csv.itemId ?? 'item',
    title: csv.title ?? 'title',
  };
}

function recipe(options: DatasetOptions = {}): Recipe {
  const plan = recipeOf(planEvents(options));
  // What the files are called is no part of the recipe.
  const { interactions: _, items: __, implicit, ...columns } = columnsOf(options);
  return {
    name: 'csv',
    version: 1,
    ...plan,
    label: implicit ? 'every row' : `the column of labels, else ${plan.label}`,
    columns,
    order: 'user by first appearance, timestamp, file order',
  };
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

function readId(text: string, column: string, place: string): string {
  const id = text.trim();
  if (id === '') throw new InputError(`${column} is empty`, { code: 'csv.value', place });
  if (id.length > maximumId) {
    throw new InputError(`${column} has ${id.length} characters; an id may have ${maximumId}`, {
      code: 'csv.value',
      place,
    });
  }
  return id;
}

function readRating(text: string, column: string, place: string): number {
  const value = decimal.test(text.trim()) ? Number(text) : Number.NaN;
  if (Number.isFinite(value)) return value;
  throw new InputError(`${column} must be a finite number, got ${excerpt(text)}`, { code: 'csv.value', place });
}

function readLabel(text: string, column: string, place: string): boolean {
  const value = decimal.test(text.trim()) ? Number(text) : Number.NaN;
  if (value === 0 || value === 1) return value === 1;
  throw new InputError(`${column} must be 0 or 1, got ${excerpt(text)}`, { code: 'csv.value', place });
}

function readTime(text: string, column: string, place: string): number {
  const seconds = parseTime(text);
  if (seconds !== undefined) return seconds;
  // From 1978 on, milliseconds lie past what is taken for seconds.
  const hint = /^\d{12,}$/.test(text.trim()) ? '; it looks like milliseconds: divide by 1000' : '';
  throw new InputError(
    `${column} must be seconds since 1970 or a time such as 2024-01-31T12:00:00Z, got ${excerpt(text)}${hint}`,
    { code: 'csv.value', place },
  );
}

async function readTitles(source: SourceFolder, columns: ReturnType<typeof columnsOf>, required: boolean) {
  const titles = new Map<string, string>();
  if (!required && !(await source.has(columns.items))) return undefined;
  const format = { name: columns.items, columns: [columns.itemId, columns.title], separator: columns.separator };
  for await (const rows of readCsv(await source.open(columns.items), format)) {
    for (const { line, values } of rows) {
      const place = `${columns.items}:${line}`;
      const [idText, titleText] = values as [string, string];
      const id = readId(idText, columns.itemId, place);
      const title = titleText.trim();
      if (title === '') throw new InputError(`${columns.title} is empty`, { code: 'csv.value', place });
      if (titles.has(id)) throw new InputError(`item ${excerpt(id)} appears twice`, { code: 'csv.value', place });
      titles.set(id, title);
    }
  }
  return titles;
}

/**
 * Builds a data set from `interactions.csv` and, if it exists, `items.csv`. The first has the columns user, item,
 * timestamp, and rating or label (neither with `csv.implicit`); the second has item and title.
 *
 * @param options names of files and columns, threshold, filters and split.
 * @throws InputError naming file and line for a malformed row, an id that is empty or longer than 256 characters, a
 * rating or time that cannot be read, and an item without a title; naming the key for an invalid option.
 */
export async function buildCsv(source: SourceFolder, options: DatasetOptions = {}): Promise<Dataset> {
  const plan = planEvents(options);
  const columns = columnsOf(options);
  const { csv } = options;
  const titles = await readTitles(source, columns, typeof csv?.items === 'string');
  const events = new EventTable();
  const required = [columns.user, columns.item];
  // A column that is named must be there; of the usual ones, those that are.
  const optional: string[] = [];
  for (const key of columns.implicit ? (['timestamp'] as const) : (['label', 'rating', 'timestamp'] as const)) {
    (typeof csv?.[key] === 'string' ? required : optional).push(columns[key]);
  }
  const order = [...required, ...optional];
  const at = (name: string) => order.indexOf(name);
  // A rating column that is named wins over a label column that happens to be there.
  const ratingOnly = typeof csv?.rating === 'string' && typeof csv.label !== 'string';
  const file = columns.interactions;
  const format = { name: file, columns: required, optional, separator: columns.separator };
  for await (const rows of readCsv(await source.open(file), format)) {
    for (const { line, values } of rows) {
      const place = `${file}:${line}`;
      const user = readId(values[at(columns.user)] as string, columns.user, place);
      const item = readId(values[at(columns.item)] as string, columns.item, place);
      const labelText = ratingOnly ? undefined : values[at(columns.label)];
      const ratingText = values[at(columns.rating)];
      const timeText = values[at(columns.timestamp)];
      if (labelText === undefined && ratingText === undefined && !columns.implicit) {
        throw new InputError(`needs a column ${columns.rating} or ${columns.label}`, {
          code: 'csv.column',
          place: `${file}:1`,
          fix: 'name yours by data.csv, or set data.csv.implicit where every row is a positive',
        });
      }
      if (timeText === undefined && plan.split.by !== 'ratio') {
        throw new InputError(`a split by ${plan.split.by} needs a column ${columns.timestamp}`, {
          code: 'csv.column',
          place: `${file}:1`,
          fix: 'name yours by data.csv, or split by ratio',
        });
      }
      if (titles !== undefined && !titles.has(item)) {
        throw new InputError(`item ${excerpt(item)} is not in ${columns.items}`, {
          code: 'csv.value',
          place,
          fix: `add its title there, or leave out ${columns.items} if you need no titles`,
        });
      }
      let label = true;
      if (labelText !== undefined) label = readLabel(labelText, columns.label, place);
      else if (ratingText !== undefined) label = readRating(ratingText, columns.rating, place) > plan.threshold;
      events.add(user, item, label, timeText === undefined ? 0 : readTime(timeText, columns.timestamp, place));
    }
  }
  if (events.rows === 0) throw new InputError('holds no rows below its header', { code: 'csv.empty', place: file });
  const warnings = titles === undefined ? [`no ${columns.items}: the ids stand for the titles`] : [];
  return assembleEvents({
    name: 'csv',
    recipe: recipe(options),
    warnings,
    events,
    plan,
    titleOf: (item) => titles?.get(item) ?? item,
  });
}

/** The entry of the user's own CSV files in the registry. */
export const csvDataset: DatasetDefinition = {
  name: 'csv',
  title: 'Your own events and titles, from CSV files; columns, threshold, filters and split are options',
  homepage: 'packages/data/README.md',
  license: 'yours',
  sourceFiles: [defaultFile],
  options: ['threshold', 'split', 'filter', 'csv'],
  filesFor: (options) => [columnsOf(options).interactions],
  recipe,
  build: buildCsv,
};

/** The data set `csv`: a user's own events and titles, from files or a database. */

import { InputError } from '@crossgate/core';
import { AttributeTable } from './attribute-table';
import { columnsFor } from './column-names';
import { excerpt, readId, readLabel, readRating, TimeColumn } from './csv-values';
import type { Dataset, Recipe } from './dataset';
import type { DatasetDefinition } from './definition';
import { assembleEvents, EventTable } from './events';
import { idBesideSpace, idOfSameNumber } from './id-lookup';
import { idRemarks } from './id-remarks';
import { missingCheck, missingTexts } from './missing';
import { type DatasetOptions, planEvents, recipeOf } from './options';
import type { CsvKeys } from './read-csv';
import type { SourceFolder } from './source';
import { Places, sourceRows } from './source-rows';
import { planSql, type SqlSource } from './sql-options';
import type { Cell, CellKind } from './table';
import { requireEncoding } from './text-encoding';
import { requireTimeFormat } from './time-format';

const defaultFile = 'interactions.csv';
/** File of the titles where none is named. */
export const defaultItems = 'items.csv';

const isNamed = (column: string | number | false | null | undefined) => column !== null && column !== undefined;

const mostAttributes = 64;

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
  const decimal = csv.decimal ?? undefined;
  const missing = missingTexts(csv.missing);
  if (decimal !== undefined && decimal !== '.' && decimal !== ',')
    throw new InputError('must be "." or ","', { code: 'data.option', place: 'data.csv.decimal' });
  const attributes = (csv.attributes ?? []).map(String);
  const twice = attributes.find((name, index) => attributes.indexOf(name) !== index);
  const wrong = (problem: string, key: string) =>
    new InputError(problem, { code: 'data.option', place: `data.csv.${key}` });
  if (twice !== undefined) throw wrong(`names ${excerpt(twice)} twice`, 'attributes');
  if (attributes.length > mostAttributes)
    throw wrong(`names ${attributes.length} columns; an item may have ${mostAttributes} attributes`, 'attributes');
  // Requests name attributes as keys of objects, where this key means something else.
  if (attributes.includes('__proto__')) throw wrong('__proto__ cannot be an attribute', 'attributes');
  const attributeSeparator = csv.attributeSeparator ?? undefined;
  if (attributeSeparator === '') throw wrong('must not be empty', 'attributeSeparator');
  if (attributeSeparator !== undefined && attributes.length === 0)
    throw wrong('is read with data.csv.attributes alone', 'attributeSeparator');
  if (csv.encoding !== null && csv.encoding !== undefined) requireEncoding(csv.encoding, 'data.csv.encoding');
  if (csv.timeFormat !== null && csv.timeFormat !== undefined) requireTimeFormat(csv.timeFormat, 'data.csv.timeFormat');
  return {
    implicit,
    interactions: csv.interactions ?? defaultFile,
    items: csv.items === false ? (false as const) : (csv.items ?? defaultItems),
    separator,
    user: String(csv.user ?? 'user'),
    item: String(csv.item ?? 'item'),
    rating: String(csv.rating ?? 'rating'),
    label: String(csv.label ?? 'label'),
    timestamp: csv.timestamp === false ? (false as const) : String(csv.timestamp ?? 'timestamp'),
    itemId: String(csv.itemId ?? 'item'),
    title: String(csv.title ?? 'title'),
    attributes,
    attributeSeparator,
    // Keys that are not given are absent, so that recipes of older data sets stay what they are.
    ...(csv.header === null || csv.header === undefined ? {} : { header: csv.header }),
    ...(csv.encoding === null || csv.encoding === undefined ? {} : { encoding: csv.encoding }),
    ...(csv.timeFormat === null || csv.timeFormat === undefined ? {} : { timeFormat: csv.timeFormat }),
    ...(decimal === undefined ? {} : { decimal }),
    ...(missing === undefined ? {} : { missing }),
  };
}

function recipe(options: DatasetOptions = {}): Recipe {
  const plan = recipeOf(planEvents(options));
  // What the files are called is no part of the recipe.
  const { interactions: _, items: __, implicit, attributes, attributeSeparator, ...columns } = columnsOf(options);
  return {
    name: 'csv',
    version: 1,
    ...plan,
    label: implicit ? 'every row' : `the column of labels, else ${plan.label}`,
    columns,
    // Apart from the columns: data without attributes may be asked of a folder that has some.
    ...(attributes.length > 0 && { attributes: { columns: attributes, separator: attributeSeparator ?? '' } }),
    order: 'user by first appearance, timestamp, file order',
  };
}

/** What messages advise for the columns of the events. */
function keysOf(columns: ReturnType<typeof columnsOf>, of: 'events' | 'titles'): CsvKeys {
  const roles =
    of === 'titles'
      ? ([
          ['itemId', 'item'],
          ['title', 'title'],
        ] as const)
      : (['user', 'item', 'rating', 'label', 'timestamp'] as const).map((role) => [role, role] as const);
  return {
    parent: 'data.csv',
    columns: Object.fromEntries([
      ...(of === 'titles' ? columns.attributes.map((name) => [name, { key: 'data.csv.attributes' }] as const) : []),
      ...roles.flatMap(([key, role]) => {
        const name = columns[key];
        return name === false ? [] : [[name, { key: `data.csv.${key}`, role }] as const];
      }),
    ]),
  };
}

const textOf = (cell: Cell | undefined) => (typeof cell === 'number' ? String(cell) : cell);

/** Titles and attributes by item id, of a file or a database. */
async function readItems(
  source: SourceFolder,
  from: string | SqlSource,
  columns: ReturnType<typeof columnsOf>,
  onWarnings: (warnings: readonly string[]) => void,
) {
  const titles = new Map<string, string>();
  const { separator, encoding, header, attributes: names, missing } = columns;
  const attributes = new AttributeTable(
    names.map((name) => ({ name })),
    {
      separator: columns.attributeSeparator,
      decimal: columns.decimal,
      // By column, texts are named for the columns of events alone.
      missing: Array.isArray(missing) ? missing : undefined,
    },
  );
  // Without a header in the events, the file of titles has none either if its columns are numbers.
  const isNumbered = header === false && /^\d+$/.test(columns.itemId) && /^\d+$/.test(columns.title);
  const format = {
    ...{ columns: [columns.itemId, columns.title, ...names], ids: [columns.itemId], separator, encoding, onWarnings },
    header: header === false && !isNumbered ? undefined : header,
    keys: keysOf(columns, 'titles'),
  };
  const places = new Places();
  for await (const rows of sourceRows(source, from, format, places)) {
    for (const { line, values } of rows) {
      const place = places.at(line);
      const [idText, titleText, ...cells] = values.map(textOf) as [string, string, ...string[]];
      const id = readId(idText, columns.itemId, place);
      const title = titleText.trim();
      if (title === '') throw new InputError(`${columns.title} is empty`, { code: 'csv.value', place });
      if (titles.has(id)) throw new InputError(`item ${excerpt(id)} appears twice`, { code: 'csv.value', place });
      titles.set(id, title);
      if (names.length > 0) attributes.add(id, cells, place);
    }
  }
  return { titles, attributes };
}

/** The rows of a `csv` data set before they are filtered, ordered and split. */
export interface CsvEvents {
  /** All rows, in the order of the file. */
  readonly events: EventTable;
  /** Titles by item id; undefined where there is no file of them. */
  readonly titles: ReadonlyMap<string, string> | undefined;
  /** Attributes by item id, of the columns that `csv.attributes` names; undefined where there is no file of titles. */
  readonly attributes: AttributeTable | undefined;
  /** Remarks on the files that do not prevent their use. */
  readonly warnings: string[];
}

/** Where the events and the titles are read from. @throws InputError for keys of files beside keys of a database */
function sourcesOf(options: DatasetOptions, columns: ReturnType<typeof columnsOf>) {
  const sql = planSql(options.sql);
  const beside = (key: string, other: string) =>
    new InputError(`is not read with ${other}`, {
      code: 'data.option',
      place: `data.csv.${key}`,
      fix: 'leave one out',
    });
  if (sql !== undefined && isNamed(options.csv?.interactions)) throw beside('interactions', sql.events.key);
  if (sql?.items !== undefined && isNamed(options.csv?.items)) throw beside('items', sql.items.key);
  return { events: sql?.events ?? columns.interactions, items: sql?.items ?? columns.items };
}

/**
 * Reads the events and, if there are some, the titles. The first have the columns user, item, timestamp, and rating
 * or label (neither with `csv.implicit`); the second have item, title and the attributes that are
 * named.
 *
 * @param options names of files and columns, threshold, filters and split.
 * @param onRow called with the number of the line of each row that is taken.
 * @throws InputError naming file and line for a malformed row, an id that is empty or longer than 256 characters, a
 * rating or time that cannot be read, and an item without a title; naming the key for an invalid option.
 */
export async function readCsvEvents(
  source: SourceFolder,
  options: DatasetOptions = {},
  onRow: (line: number) => void = () => {},
): Promise<CsvEvents> {
  const plan = planEvents(options);
  const columns = columnsOf(options);
  const { csv } = options;
  const from = sourcesOf(options, columns);
  const remarks: string[] = [];
  const onWarnings = (warnings: readonly string[]) => void remarks.push(...warnings);
  const hasItems =
    from.items !== false && (typeof from.items !== 'string' || isNamed(csv?.items) || (await source.has(from.items)));
  const items = hasItems && from.items !== false ? await readItems(source, from.items, columns, onWarnings) : undefined;
  const { titles, attributes } = items ?? {};
  if (items === undefined && columns.attributes.length > 0) {
    throw new InputError(
      `there is no ${columns.items === false ? 'file of titles' : columns.items} to read them from`,
      {
        code: 'data.option',
        place: 'data.csv.attributes',
        fix: 'add the file, name it by data.csv.items, or leave them out',
      },
    );
  }
  const itemsName = typeof from.items === 'object' ? `the rows of ${from.items.key}` : columns.items;
  const events = new EventTable();
  const required = [columns.user, columns.item];
  // A column that is named must be there; of the usual ones, those that are.
  const optional: string[] = [];
  for (const key of columns.implicit ? (['timestamp'] as const) : (['label', 'rating', 'timestamp'] as const)) {
    const name = columns[key];
    if (name !== false) (isNamed(csv?.[key]) ? required : optional).push(name);
  }
  const order = [...required, ...optional];
  const at = (name: string | false) => (name === false ? -1 : order.indexOf(name));
  const [labelAt, ratingAt, timeAt] = [at(columns.label), at(columns.rating), at(columns.timestamp)];
  // A rating column that is named wins over a label column that happens to be there.
  const ratingOnly = isNamed(csv?.rating) && !isNamed(csv?.label);
  const { decimal = '.', encoding, header, separator } = columns;
  const isMissing = missingCheck(columns.missing);
  const leftOut = { rows: 0, first: 0 };
  let names: readonly string[] = [];
  const onHeader = (found: readonly string[]) => {
    names = found;
  };
  let hasTimes = false;
  const onKinds = (kinds: readonly (CellKind | undefined)[] | undefined) => {
    hasTimes = kinds?.[timeAt] === 'time';
  };
  /** Advises the key of a column whose name says that it is for this. */
  const named = (...roles: ('rating' | 'label' | 'count' | 'timestamp')[]) => {
    for (const role of roles) {
      const [found] = columnsFor(role, names);
      if (found !== undefined)
        return `set data.csv.${role === 'count' ? 'rating' : role}: ${found}, which looks like it`;
    }
    return `name yours by ${roles
      .filter((role) => role !== 'count')
      .map((role) => `data.csv.${role}`)
      .join(' or ')}`;
  };
  const timeColumn = columns.timestamp === false ? 'timestamp' : columns.timestamp;
  const places = new Places();
  const times = new TimeColumn((line) => places.at(line), timeColumn, columns.timeFormat, decimal);
  const format = {
    ...{ columns: required, optional, separator, encoding, header, onHeader, onKinds, onWarnings },
    ids: [columns.user, columns.item],
    time: timeColumn,
    hasTimeFormat: columns.timeFormat !== undefined,
    keys: keysOf(columns, 'events'),
  };
  /** @throws InputError as `readId`; nothing can be wrong with a number that is an id */
  const idOf = (cell: Cell, column: string, line: number): Cell => {
    // Most ids need no closer look.
    if (typeof cell === 'number') return cell;
    const first = cell.charCodeAt(0);
    if (first > 32 && first < 127 && cell.length < 200) return cell;
    return readId(cell, column, places.at(line));
  };
  const requireTitle = (item: string, line: number) => {
    if (titles === undefined || titles.has(item)) return;
    const spaced = idBesideSpace(item, titles.keys());
    const other = spaced ?? idOfSameNumber(item, titles.keys());
    throw new InputError(`item ${excerpt(item)} is not in ${itemsName}`, {
      code: 'csv.value',
      place: places.at(line),
      fix:
        other === undefined
          ? `add its title there, or read no titles (data.csv.items: false)`
          : `${excerpt(other)} is, but ${spaced === undefined ? 'ids are compared letter by letter' : 'white space is part of an id'}: write it alike in both files`,
    });
  };
  const isPositive = (label: Cell | undefined, rating: Cell | undefined, line: number): boolean => {
    if (label !== undefined) {
      if (label === 0 || label === 1) return label === 1;
      return readLabel(String(label), columns.label, places.at(line));
    }
    if (rating === undefined) return true;
    const value =
      typeof rating === 'number' && Number.isFinite(rating)
        ? rating
        : readRating(String(rating), columns.rating, places.at(line), decimal);
    return value > plan.threshold;
  };
  const timeOf = (cell: Cell | undefined, line: number): number => {
    if (cell === undefined) return 0;
    if (typeof cell === 'string') return times.read(cell, line);
    return hasTimes ? times.readSeconds(cell, line) : times.readNumber(cell, line);
  };
  for await (const rows of sourceRows(source, from.events, format, places)) {
    for (const { line, values } of rows) {
      const label = ratingOnly ? undefined : values[labelAt];
      const rating = values[ratingAt];
      const time = values[timeAt];
      if (label === undefined && rating === undefined && !columns.implicit) {
        throw new InputError(`needs a column ${columns.rating} or ${columns.label}`, {
          code: 'csv.column',
          place: places.header(),
          fix: `${named('rating', 'label', 'count')}, or set data.csv.implicit where every row is a positive`,
        });
      }
      if (time === undefined && plan.split.by !== 'ratio') {
        throw new InputError(`a split by ${plan.split.by} needs a column ${timeColumn}`, {
          code: 'csv.column',
          place: places.header(),
          fix: `${columns.timestamp === false ? 'name it by data.csv.timestamp in place of false' : named('timestamp')}, or split by ratio (data.split.by)`,
        });
      }
      const [userCell, itemCell] = values as [Cell, Cell];
      if (
        isMissing !== undefined &&
        (isMissing('label', textOf(label)) ||
          (label === undefined && isMissing('rating', textOf(rating))) ||
          isMissing('timestamp', textOf(time)) ||
          isMissing('user', textOf(userCell)) ||
          isMissing('item', textOf(itemCell)))
      ) {
        if (leftOut.rows++ === 0) leftOut.first = line;
        continue;
      }
      const user = idOf(userCell, columns.user, line);
      const item = idOf(itemCell, columns.item, line);
      if (titles !== undefined && !events.knowsItem(item)) requireTitle(String(item), line);
      events.add(user, item, isPositive(label, rating, line), timeOf(time, line));
      onRow(line);
    }
  }
  const warnings = [...remarks, ...times.finish()];
  if (leftOut.rows > 0) {
    const first = places.at(leftOut.first);
    if (events.rows === 0)
      throw new InputError(`all ${leftOut.rows} rows lack a value (data.csv.missing)`, {
        code: 'csv.empty',
        place: first,
      });
    warnings.push(
      `${leftOut.rows} rows are left out, whose value is missing (data.csv.missing); the first is ${first}`,
    );
  }
  if (events.rows === 0)
    throw new InputError(
      `holds no rows${typeof from.events !== 'string' || header === false ? '' : ' below its header'}`,
      {
        code: 'csv.empty',
        place: typeof from.events === 'string' ? from.events : from.events.key,
      },
    );
  const [unread] =
    columns.timestamp === false || names.includes(columns.timestamp) ? [] : columnsFor('timestamp', names);
  if (unread !== undefined)
    warnings.push(`column ${unread} is not read; data.csv.timestamp: ${unread} takes it for times`);
  if (titles === undefined && columns.items !== false)
    warnings.push(`no ${columns.items}: the ids stand for the titles`);
  warnings.push(...(attributes?.doubts() ?? []));
  warnings.push(...idRemarks('user', events.userIds), ...idRemarks('item', events.itemIds));
  return { events, titles, attributes, warnings };
}

/** Builds a data set from the files that `readCsvEvents` reads. @throws InputError as it does */
export async function buildCsv(source: SourceFolder, options: DatasetOptions = {}): Promise<Dataset> {
  const { events, titles, attributes, warnings } = await readCsvEvents(source, options);
  return assembleEvents({
    name: 'csv',
    recipe: recipe(options),
    warnings,
    events,
    plan: planEvents(options),
    titleOf: (item) => titles?.get(item) ?? item,
    attributes: (ids) => attributes?.of(ids) ?? [],
  });
}

/** The entry of the user's own CSV files in the registry. */
export const csvDataset: DatasetDefinition = {
  name: 'csv',
  title: 'Your own events and titles, from files or a database; columns, threshold, filters and split are options',
  homepage: 'packages/data/README.md',
  license: 'yours',
  sourceFiles: [defaultFile],
  options: ['threshold', 'split', 'filter', 'csv', 'sql'],
  filesFor: (options) => (planSql(options.sql) === undefined ? [columnsOf(options).interactions] : []),
  recipe,
  build: buildCsv,
};

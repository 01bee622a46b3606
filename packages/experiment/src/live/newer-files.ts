/** What came after the training, from files: the run's own CSV grown, events alone, and titles of new items. */
import { InputError, type Log } from '@crossgate/core';
import { type CellFormat, type Dataset, type ItemAttributes, readNumber, readTexts, splitNames } from '@crossgate/data';
import { type FileEvent, readColumns, readEventFile } from '@crossgate/data/node';
import type { ExperimentConfig } from '../config/schema';
import type { LiveEvent, NewItem } from './live-run';

/** Which files. Paths are absolute. */
export interface NewerFiles {
  /** Events with the columns of the run's own CSV, or with user, item, label (or rating) and timestamp. */
  readonly events?: string | undefined;
  /** New items: the columns item (or id), title, and any attributes of the run's data; known ones get these attributes. */
  readonly items?: string | undefined;
}

/**
 * Reads what is new in files. Of events that the run's data hold already none is taken again; titles of a file beside
 * the events are taken for items that the run does not have.
 *
 * @throws InputError naming file and line for an event that contradicts the run (the same user, item and time with
 * another label), an item without a title, and a title that contradicts the run's; as `readEventFile` does
 */
export async function readNewer(
  files: NewerFiles,
  { data }: Pick<ExperimentConfig, 'data'>,
  dataset: Dataset,
  log: Log,
): Promise<{ items: NewItem[]; events: LiveEvent[] }> {
  const known = new Map(dataset.items.slice(1).map(({ id, title }) => [id, title]));
  const items = new Map<string, NewItem>();
  if (files.items !== undefined) {
    for (const { line, id, title, attributes } of await readItems(files.items, dataset, cellFormatOf(data))) {
      const other = known.get(id) ?? items.get(id)?.title;
      if (other !== undefined && other !== title) {
        throw new InputError(`item ${JSON.stringify(id)} has the title ${JSON.stringify(other)} already`, {
          code: 'data.other',
          place: `${files.items}:${line}`,
          fix: 'give the new item an id of its own',
        });
      }
      const told = { ...items.get(id)?.attributes, ...attributes };
      if (!known.has(id) || Object.keys(told).length > 0) items.set(id, newItem(id, title, told));
    }
  }
  if (files.events === undefined) return { items: [...items.values()], events: [] };
  const { name: _, path: __, ...options } = data;
  const isCsv = data.name === 'csv';
  const { events, titles, attributesOf } = await readEventFile(
    files.events,
    isCsv ? options : {},
    isCsv && files.items === undefined,
  );
  const fresh = newRows(events, dataset, files.events, log);
  // In data without a file of titles, ids are the titles.
  const areTitles = isCsv && titles === undefined && files.items === undefined;
  let renamed = 0;
  for (const [id, title] of titles ?? []) if (known.has(id) && known.get(id) !== title) renamed++;
  if (renamed > 0) {
    log.warn(`${renamed} items have another title in the file beside ${files.events}; the run keeps its own`);
  }
  for (const { item, line } of fresh) {
    if (known.has(item) || items.has(item)) continue;
    const title = titles?.get(item) ?? (areTitles ? item : undefined);
    if (title === undefined) {
      throw new InputError(`item ${JSON.stringify(item)} is not among the ${dataset.itemCount} items of the run`, {
        code: 'data.unknown-id',
        place: `${files.events}:${line}`,
        fix: 'give its title in a file of new items',
      });
    }
    const attributes = attributesOf(item, dataset.attributes ?? []);
    items.set(item, newItem(item, title, attributes));
  }
  log.info(`${fresh.length} of ${events.length} events of ${files.events} are newer than the run`);
  return { items: [...items.values()], events: fresh };
}

/** Without attributes, an item has no such key: parts of long results are told apart by it. */
const newItem = (id: string, title: string, attributes: ItemAttributes): NewItem => ({
  ...{ id, title },
  ...(Object.keys(attributes).length > 0 && { attributes }),
});

/** How cells of attributes are written: as in the run's own CSV, or as MovieLens writes its genres. */
function cellFormatOf({ name, csv }: ExperimentConfig['data']): CellFormat {
  if (name !== 'csv') return { separator: '|' };
  const { attributeSeparator, decimal, missing } = csv;
  return {
    separator: attributeSeparator ?? undefined,
    decimal: decimal ?? undefined,
    missing: Array.isArray(missing) ? missing : undefined,
  };
}

/** Separates the parts of a key: no id holds it. */
const BREAK = '\u0000';

/** The events that the data do not hold; each row of the data stands for one event. */
function newRows(events: readonly FileEvent[], dataset: Dataset, path: string, log: Log): FileEvent[] {
  /** By user, item and time: how many rows there are of each label. */
  const known = new Map<string, [number, number]>();
  let left = 0;
  for (const split of splitNames) {
    const { rows, user, item, label, timestamp } = dataset.splits[split];
    for (let row = 0; row < rows; row++) {
      const key = [dataset.users[user[row]!], dataset.items[item[row]!]!.id, timestamp[row]].join(BREAK);
      const counts = known.get(key) ?? [0, 0];
      counts[label[row]!]!++;
      known.set(key, counts);
      left++;
    }
  }
  const total = left;
  const fresh: FileEvent[] = [];
  const unmatched: { readonly event: FileEvent; readonly counts: [number, number] }[] = [];
  for (const event of events) {
    const counts = known.get([event.user, event.item, event.timestamp].join(BREAK));
    if (counts === undefined) fresh.push(event);
    else if (counts[event.label] > 0) {
      counts[event.label]--;
      left--;
    } else unmatched.push({ event, counts });
  }
  for (const { event, counts } of unmatched) {
    // A row of the other label that no event stands for: the past was changed.
    if (counts[1 - event.label]! > 0) {
      throw new InputError(
        `user ${JSON.stringify(event.user)} has item ${JSON.stringify(event.item)} with label ${1 - event.label} at this time in the run, and with ${event.label} here`,
        { code: 'data.other', place: `${path}:${event.line}`, fix: 'train again on data whose past has changed' },
      );
    }
    fresh.push(event);
  }
  // A file of new events alone holds none of the run's.
  if (left > 0 && left < total) {
    log.warn(`${left} of ${total} rows of the run are not in ${path}; the run keeps them`);
  }
  return fresh.sort((a, b) => a.line - b.line);
}

async function readItems(
  path: string,
  { attributes }: Dataset,
  format: CellFormat,
): Promise<Required<NewItem & { readonly line: number }>[]> {
  const found: Required<NewItem & { line: number }>[] = [];
  const columns = attributes ?? [];
  const optional = ['item', 'id', ...columns.map(({ name }) => name)];
  for await (const { line, values } of readColumns(path, ['title'], optional)) {
    const [title, item, id, ...cells] = values;
    const own = item ?? id;
    const place = `${path}:${line}`;
    if (own === undefined)
      throw new InputError('needs a column item or id', { code: 'csv.column', place: `${path}:1` });
    if (own === '' || title!.trim() === '')
      throw new InputError('lacks an id or a title', { code: 'csv.value', place });
    const given = columns.flatMap(({ name, type }, index): [string, readonly string[] | number][] => {
      const cell = cells[index] ?? '';
      const texts = readTexts(cell, format, name, place);
      // An empty cell says nothing.
      if (texts.length === 0) return [];
      if (type === 'text') return [[name, texts]];
      const number = readNumber(cell, format);
      if (typeof number === 'number') return [[name, number]];
      throw new InputError(`${name} must be a number, got ${JSON.stringify(texts[0])}`, { code: 'csv.value', place });
    });
    found.push({ line, id: own, title: title!.trim(), attributes: Object.fromEntries(given) });
  }
  return found;
}

/** Finds the file of titles that lies beside a file of events. */
import { isInputError } from '@crossgate/core';
import { CsvSplitter, columnRole, columnsFor, readCsv, type SourceFolder } from '@crossgate/data';
import type { GuessedColumns } from './guess-columns';

/** A file of titles and its columns. */
export interface FoundTitles {
  readonly items: string;
  readonly itemId: string;
  readonly title: string;
}

/** What lies beside the events. */
export interface TitleSearch {
  /** The file that the loader can read whole; false: it would read `items.csv`, which it would refuse. */
  readonly titles: FoundTitles | false | undefined;
  /** Remarks on files that are not used. */
  readonly notes: string[];
}

/** Files that may hold titles; a packed one is called as it is when unpacked. */
const readable = /\.(csv|tsv|txt|dat|item|tab)$/i;
/** The loader reads this one without being told. */
const usual = 'items.csv';

/** The first line of a file; undefined where it cannot be read so. */
async function headerOf(
  source: SourceFolder,
  file: string,
  guess: GuessedColumns,
): Promise<readonly string[] | undefined> {
  const splitter = new CsvSplitter(file, guess.separator);
  const decoder = new TextDecoder(guess.encoding ?? 'utf-8');
  for await (const bytes of await source.open(file)) {
    try {
      const [first] = splitter.push(decoder.decode(bytes, { stream: true }));
      if (first !== undefined) return first.fields.map((name) => name.trim());
    } catch (error) {
      if (isInputError(error)) return undefined;
      throw error;
    }
  }
  return undefined;
}

/** The columns of items and titles, if the names say that there are such. */
function columnsIn(header: readonly string[], item: string): { itemId: string; title: string } | undefined {
  const isKey = (name: string) => columnRole(name)?.role === 'other' && /id$/i.test(name);
  const itemId = header.find((name) => name === item) ?? columnsFor('item', header)[0] ?? header.find(isKey);
  const title = columnsFor('title', header).find((name) => name !== itemId);
  // With users in it, the file holds events as well.
  if (itemId === undefined || title === undefined || columnsFor('user', header).length > 0) return undefined;
  return { itemId, title };
}

/** What a column of a file of titles holds. */
class ColumnContent {
  readonly values = new Set<string>();
  wanted = 0;
  texts = 0;
  isWhole = true;

  add(value: string, wanted: ReadonlySet<string>): void {
    const text = value.trim();
    if (text === '' || this.values.has(value)) this.isWhole &&= text !== '' && !wanted.has(value);
    else if (wanted.has(value)) this.wanted++;
    if (text !== '' && !Number.isFinite(Number(text))) this.texts++;
    this.values.add(value);
  }
}

/**
 * The columns of items and titles by what they hold: the ids of all items, each once, and the texts that differ most.
 * Undefined where no column is one of them.
 */
async function columnsByContent(
  source: SourceFolder,
  file: string,
  header: readonly string[],
  { separator, encoding }: GuessedColumns,
  wanted: ReadonlySet<string>,
): Promise<{ itemId: string; title: string } | undefined> {
  const isTable = header.length > 1 && new Set(header).size === header.length && !header.includes('');
  // An id in the first line: it is a row.
  if (!isTable || header.some((name) => wanted.has(name)) || columnsFor('user', header).length > 0) return undefined;
  const contents = header.map(() => new ColumnContent());
  try {
    const format = { name: file, columns: header, separator, encoding, header: true };
    for await (const rows of readCsv(await source.open(file), format))
      for (const { values } of rows)
        for (const [at, value] of values.entries()) contents[at]?.add(value as string, wanted);
  } catch (error) {
    if (isInputError(error)) return undefined;
    throw error;
  }
  const ids = contents.findIndex((content) => content.isWhole && content.wanted === wanted.size);
  const itemId = header[ids];
  if (itemId === undefined) return undefined;
  const named = columnsFor('title', header).find((name) => name !== itemId);
  const others = contents.flatMap((content, at) => (at !== ids && content.isWhole && content.texts > 0 ? [at] : []));
  const most = (best: number, at: number) =>
    (contents[at]?.values.size ?? 0) > (contents[best]?.values.size ?? 0) ? at : best;
  const title = named ?? header[others.reduce(most, others[0] ?? -1)];
  return title === undefined ? undefined : { itemId, title };
}

/** Another separator than that of the events, by which a first line names items and titles. */
function otherSeparator(header: readonly string[] | undefined, guess: GuessedColumns): string | undefined {
  const [only = ''] = header ?? [];
  if (header?.length !== 1) return undefined;
  const found = [',', ';', '\t', '|'].find((each) => only.includes(each) && columnsIn(only.split(each), guess.item));
  return found === undefined ? undefined : JSON.stringify(found);
}

async function itemsOf(source: SourceFolder, file: string, guess: GuessedColumns): Promise<Set<string>> {
  const { separator, encoding, header, item, missing = [] } = guess;
  // In a list for all columns, only nothing stands for a missing id.
  const missingIds = new Set<string>('item' in missing ? (missing.item ?? []) : []);
  const items = new Set<string>();
  const format = { name: file, columns: [item], separator, encoding, header: header ?? true };
  for await (const rows of readCsv(await source.open(file), format)) {
    for (const { values } of rows) items.add(values[0] as string);
  }
  for (const id of items) if (id.trim() === '' || missingIds.has(id.trim())) items.delete(id);
  return items;
}

/** Why the loader would refuse a file of titles; undefined where it would not. */
async function faultOf(
  source: SourceFolder,
  { items: file, itemId, title }: FoundTitles,
  { separator, encoding }: GuessedColumns,
  wanted: ReadonlySet<string>,
): Promise<{ problem: string; isOffered: boolean } | undefined> {
  const known = new Set<string>();
  let problem: string | undefined;
  let isUnread = false;
  try {
    const format = { name: file, columns: [itemId, title], separator, encoding, header: true };
    for await (const rows of readCsv(await source.open(file), format)) {
      for (const { line, values } of rows) {
        const [id, text] = values as [string, string];
        const lacking = id.trim() === '' ? itemId : text.trim() === '' ? title : undefined;
        if (lacking !== undefined) problem ??= `line ${line} has no ${lacking}`;
        if (known.has(id)) problem ??= `item ${JSON.stringify(id)} appears twice (line ${line})`;
        known.add(id);
      }
    }
  } catch (error) {
    if (!isInputError(error)) throw error;
    problem = (error as Error).message;
    isUnread = true;
  }
  const lacking = [...wanted].filter((id) => !known.has(id));
  if (lacking.length > 0)
    problem ??= `${lacking.length} of ${wanted.size} items have no title in it, such as ${JSON.stringify(lacking[0])}`;
  // A file that cannot be read may have them all; ids may differ in white space alone.
  const bare = new Set([...known].map((id) => id.trim()));
  return problem === undefined
    ? undefined
    : { problem, isOffered: isUnread || [...wanted].some((id) => bare.has(id.trim())) };
}

/** How a file is left out, and what would take it up. */
const leftOut = (file: string, isUsual: boolean): string =>
  isUsual
    ? `data.csv.items: false, so the ids stand for the titles; data.csv.items, itemId and title would name ${file} and its columns`
    : `not used (data.csv.items: ${file})`;

/**
 * Looks for a file with titles of the items beside the events.
 *
 * @param names of the files in the folder. @param events name of the file of events among them, unpacked
 */
export async function findTitles(
  source: SourceFolder,
  names: readonly string[],
  events: string,
  guess: GuessedColumns,
): Promise<TitleSearch> {
  const files = [...new Set(names.map((name) => name.replace(/\.gz$/, '')))].filter(
    (name) => readable.test(name) && name !== events,
  );
  files.sort((a, b) => Number(b === usual) - Number(a === usual) || (a < b ? -1 : 1));
  const notes: string[] = [];
  let wanted: Set<string> | undefined;
  let titles: FoundTitles | undefined;
  let isRefused = false;
  for (const file of files) {
    const isUsual = file === usual;
    const note = (problem: string) => {
      notes.push(`${file} ${isUsual ? 'lies beside' : 'may hold titles'}, but ${problem}: ${leftOut(file, isUsual)}`);
      isRefused ||= isUsual;
    };
    const header = await headerOf(source, file, guess);
    const parted = otherSeparator(header, guess);
    if (parted !== undefined) {
      note(`${parted} parts its fields, not ${JSON.stringify(guess.separator)} as in ${events}, so save both alike`);
      continue;
    }
    const named = header === undefined ? undefined : columnsIn(header, guess.item);
    if (named === undefined && !isUsual) continue;
    if (titles !== undefined) {
      notes.push(`${file} may hold titles too: not used (data.csv.items: ${file})`);
      continue;
    }
    wanted ??= await itemsOf(source, events, guess);
    const faultIn = (columns: typeof named) =>
      columns && faultOf(source, { items: file, ...columns }, guess, wanted as ReadonlySet<string>);
    const fault = await faultIn(named);
    if (named !== undefined && fault === undefined) {
      titles = { items: file, ...named };
      continue;
    }
    const held = isUsual && header && (await columnsByContent(source, file, header, guess, wanted));
    if (held && (await faultIn(held)) === undefined) titles = { items: file, ...held };
    else if (fault !== undefined) {
      if (isUsual || fault.isOffered) note(fault.problem);
    } else {
      note(
        `no columns of item and title are seen in it (${(header ?? []).join(', ')}); if that line is a row, add a line with the names above it`,
      );
    }
  }
  return { titles: titles ?? (isRefused ? false : undefined), notes };
}

/** Finds the file of titles that lies beside a file of events. */
import { isInputError } from '@crossgate/core';
import { CsvSplitter, columnRole, columnsFor, readCsv, type SourceFolder } from '@crossgate/data';
import type { GuessedColumns } from './guess-columns';

/** A file of titles, its columns, and whether it has a title for every item. */
export interface FoundTitles {
  readonly items: string;
  readonly itemId: string;
  readonly title: string;
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

/**
 * Looks for a file with titles of the items beside the events.
 *
 * @param names of the files in the folder. @param events name of the file of events among them, unpacked
 * @returns the file that the loader can read whole, and remarks on those that it cannot
 */
export async function findTitles(
  source: SourceFolder,
  names: readonly string[],
  events: string,
  guess: GuessedColumns,
): Promise<{ titles: FoundTitles | undefined; notes: string[] }> {
  const files = [...new Set(names.map((name) => name.replace(/\.gz$/, '')))].filter(
    (name) => readable.test(name) && name !== events,
  );
  files.sort((a, b) => Number(b === usual) - Number(a === usual) || (a < b ? -1 : 1));
  const notes: string[] = [];
  let wanted: Set<string> | undefined;
  let titles: FoundTitles | undefined;
  for (const file of files) {
    const header = await headerOf(source, file, guess);
    const columns = header === undefined ? undefined : columnsIn(header, guess.item);
    const isRead = file === usual && titles === undefined;
    const parted = otherSeparator(header, guess);
    if (parted !== undefined) {
      notes.push(
        `${file} ${isRead ? 'lies beside and will be refused:' : 'may hold titles, but'} ${parted} parts its fields, not ${JSON.stringify(guess.separator)} as in ${events}: save both alike`,
      );
      continue;
    }
    if (columns === undefined) {
      if (isRead) {
        notes.push(
          `${file} lies beside and will be read, but no columns of item and title are seen in it (${(header ?? []).join(', ')}): data.csv.itemId and data.csv.title name them, or, if that line is a row, add a line with the names above it`,
        );
      }
      continue;
    }
    const found = { items: file, ...columns };
    if (titles !== undefined) {
      notes.push(`${file} may hold titles too: not used (data.csv.items: ${file})`);
      continue;
    }
    wanted ??= await itemsOf(source, events, guess);
    const fault = await faultOf(source, found, guess, wanted);
    if (fault === undefined) titles = found;
    else if (isRead) notes.push(`${file} lies beside and will be refused: ${fault.problem}; mend it or move it away`);
    else if (fault.isOffered)
      notes.push(`${file} may hold titles, but ${fault.problem}: not used (data.csv.items: ${file})`);
  }
  return { titles, notes };
}

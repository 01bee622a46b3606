/** The prepared format: the files of a data set, byte for byte, and the checks when opening it. Pure; see README.md. */

import { InputError, sha256 } from '@crossgate/core';
import type { Attribute } from './attributes';
import { Dataset, type DatasetParts, type DatasetSummary, type Split, splitNames, summarizeDataset } from './dataset';

/** The name of the format in the manifest. */
export const formatName = 'crossgate-dataset';
/** The version of the prepared format that this package writes and reads. */
export const formatVersion = 1;
/** Name of the manifest, the file that marks a folder as a prepared data set. */
export const manifestFile = 'dataset.json';

/** The manifest of a prepared data set: the contents of `dataset.json`. */
export interface DatasetManifest {
  /** Name of the format. */
  format: typeof formatName;
  /** Version of the format. */
  version: number;
  /** Name of the data set. */
  name: string;
  /** The data set's hash: SHA-256 over names and SHA-256 of `contentFiles`, in lower-case hex. */
  hash: string;
  /** Counts of users, items and rows. */
  counts: DatasetSummary;
  /** How the data set was made. */
  recipe: DatasetParts['recipe'];
  /** Remarks on the source that did not prevent its use. */
  warnings: readonly string[];
  /** Size in bytes and SHA-256 of each content file, and of `attributes.json`. */
  files: Record<string, { bytes: number; sha256: string }>;
}

type Column = Int32Array | Float64Array | Uint8Array;

/** Name and type of each column of a split. */
const splitColumns = [
  ['user', 'user.i32', Int32Array],
  ['item', 'item.i32', Int32Array],
  ['label', 'label.u8', Uint8Array],
  ['timestamp', 'timestamp.f64', Float64Array],
  ['seen', 'seen.u8', Uint8Array],
  ['historyLength', 'history-length.i32', Int32Array],
] as const;

/** Names of the files of a prepared folder that make up its hash, in their order. */
export const contentFiles: readonly string[] = [
  'users.json',
  'items.json',
  'positives.offset.i32',
  'positives.item.i32',
  ...splitNames.flatMap((split) => splitColumns.map(([, file]) => `${split}.${file}`)),
];

/** The file of attributes: no part of the hash, and absent where a version wrote the folder that knew none. */
export const attributesFile = 'attributes.json';

/** Names of the content files that a manifest speaks of, in the order in which one file holds them. */
export function filesOf(manifest: DatasetManifest): readonly string[] {
  return Object.hasOwn(manifest.files, attributesFile) ? [...contentFiles, attributesFile] : contentFiles;
}

function bytesOf(column: Column): Uint8Array<ArrayBuffer> {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) throw new Error('a little-endian machine is needed');
  return new Uint8Array(column.buffer as ArrayBuffer, column.byteOffset, column.byteLength);
}

function encodeText(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}

/** A JSON array with one entry per line, so that a row of it can be found by its number. */
function jsonLines(entries: readonly unknown[]): Uint8Array<ArrayBuffer> {
  return encodeText(`[\n${entries.map((entry) => JSON.stringify(entry)).join(',\n')}\n]\n`);
}

/** The content files of a data set, in the order of `contentFiles`. */
function encodeContent(parts: Omit<DatasetParts, 'hash'>): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  files.set('users.json', jsonLines(parts.users.slice(1)));
  files.set('items.json', jsonLines(parts.items.slice(1).map(({ id, title }) => [id, title])));
  files.set('positives.offset.i32', bytesOf(parts.positiveOffset));
  files.set('positives.item.i32', bytesOf(parts.positiveItem));
  for (const split of splitNames) {
    for (const [column, file] of splitColumns) files.set(`${split}.${file}`, bytesOf(parts.splits[split][column]));
  }
  return files;
}

/** An attribute a line: its distinct texts, and those of each item by their places among them; or numbers. */
function encodeAttributes(attributes: readonly Attribute[]): Uint8Array<ArrayBuffer> {
  return jsonLines(
    attributes.map((attribute) => {
      const { name, type } = attribute;
      if (type === 'number') return { name, type, items: attribute.values.slice(1) };
      const placeOf = new Map<string, number>();
      const place = (text: string) => {
        if (!placeOf.has(text)) placeOf.set(text, placeOf.size);
        return placeOf.get(text)!;
      };
      const items = attribute.values.slice(1).map((texts) => texts.map(place));
      return { name, type, texts: [...placeOf.keys()], items };
    }),
  );
}

/** @param complain throws @param itemCount without padding */
function decodeAttributes(
  entries: readonly unknown[],
  itemCount: number,
  complain: (what: string) => never,
): readonly Attribute[] {
  return entries.map((entry): Attribute => {
    const { name, type, texts, items } = (entry ?? {}) as Record<string, unknown>;
    if (typeof name !== 'string' || !Array.isArray(items)) return complain('an attribute has no name or no items');
    if (items.length !== itemCount) return complain(`${name} has ${items.length} items, not ${itemCount}`);
    if (type === 'number') {
      const isNumber = (value: unknown) => value === null || Number.isFinite(value);
      if (!items.every(isNumber)) return complain(`${name} has a value that is no number`);
      return { name, type, values: [null, ...(items as (number | null)[])] };
    }
    if (type !== 'text' || !Array.isArray(texts) || !texts.every((text) => typeof text === 'string'))
      return complain(`${name} has neither texts nor numbers`);
    // Items with the same texts share them.
    const lists = new Map<string, readonly string[]>([['', []]]);
    const values = items.map((places: unknown) => {
      if (!Array.isArray(places) || !places.every((place) => typeof texts[place] === 'string'))
        return complain(`${name} has an item whose texts are not there`);
      const key = places.join();
      if (!lists.has(key))
        lists.set(
          key,
          places.map((place) => texts[place] as string),
        );
      return lists.get(key)!;
    });
    return { name, type, values: [[], ...values] };
  });
}

/** The hash over a list of files: SHA-256 of the lines `NAME SHA256`, in the order of `contentFiles`. */
function combineHashes(digests: ReadonlyMap<string, string>): Promise<string> {
  const lines = contentFiles.map((file) => `${file} ${digests.get(file)}\n`).join('');
  return sha256(encodeText(lines));
}

async function digestAll(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for (const [file, bytes] of files) digests.set(file, await sha256(bytes));
  return digests;
}

/**
 * The hash of a data set: SHA-256 over all columns, ids and titles, in lower-case hex. Equal data has an equal hash.
 */
export async function hashDataset(parts: Omit<DatasetParts, 'hash'>): Promise<string> {
  return combineHashes(await digestAll(encodeContent(parts)));
}

/** Encodes a data set as the files of a prepared folder, name → bytes. The manifest comes last. */
export async function encodeDataset(dataset: Dataset): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const content = encodeContent(dataset);
  if (dataset.attributes !== null) content.set(attributesFile, encodeAttributes(dataset.attributes));
  const digests = await digestAll(content);
  const manifest: DatasetManifest = {
    format: formatName,
    version: formatVersion,
    name: dataset.name,
    hash: dataset.hash,
    counts: summarizeDataset(dataset),
    recipe: dataset.recipe,
    warnings: dataset.warnings,
    files: Object.fromEntries(
      [...content].map(([file, bytes]) => [file, { bytes: bytes.length, sha256: digests.get(file) as string }]),
    ),
  };
  return new Map([...content, [manifestFile, encodeText(`${JSON.stringify(manifest, null, 2)}\n`)]]);
}

/**
 * Parses the manifest of a prepared data set.
 *
 * @param place the name of the file, for messages.
 * @throws InputError unless it is a manifest of this format and version.
 */
export function parseManifest(text: string, place: string): DatasetManifest {
  let value: Partial<DatasetManifest> | null;
  try {
    value = JSON.parse(text) as Partial<DatasetManifest> | null;
  } catch {
    throw new InputError('not valid JSON', { code: 'data.damaged', place, fix: 'prepare the data set again' });
  }
  if (value?.format !== formatName)
    throw new InputError(`not a prepared data set ("format" is not "${formatName}")`, {
      code: 'data.unprepared',
      place,
    });
  if (value.version !== formatVersion) {
    throw new InputError(`format version ${value.version}, this program reads ${formatVersion}`, {
      code: 'data.unprepared',
      place,
      fix: 'prepare the data set again',
    });
  }
  const files = value.files;
  if (typeof files !== 'object' || files === null || typeof value.hash !== 'string' || typeof value.name !== 'string') {
    throw new InputError('"name", "hash" or "files" is missing', {
      code: 'data.damaged',
      place,
      fix: 'prepare the data set again',
    });
  }
  for (const file of filesOf(value as DatasetManifest)) {
    const bytes = files[file]?.bytes;
    if (!Number.isSafeInteger(bytes))
      throw new InputError(`no size for ${file}`, { code: 'data.damaged', place, fix: 'prepare the data set again' });
  }
  return value as DatasetManifest;
}

/** How {@link decodeDataset} checks the files. */
export interface DecodeOptions {
  /** Name of the folder, for messages. */
  readonly place: string;
  /** Whether to check the SHA-256 of every file as well. Default false: only sizes and ranges, which is fast. */
  readonly verify?: boolean;
}

/**
 * Builds a data set from the files of a prepared folder. Its columns are views on the bytes.
 *
 * @param files name → bytes, each at an offset of its ArrayBuffer that is a multiple of 8.
 * @throws InputError naming the file that is missing, has a wrong size, holds an id out of range or, with `verify`, has
 * a wrong SHA-256.
 */
export async function decodeDataset(
  manifest: DatasetManifest,
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  options: DecodeOptions,
): Promise<Dataset> {
  const again = 'the data set is damaged, prepare it again';
  const fileBytes = (file: string): Uint8Array<ArrayBuffer> => {
    const bytes = files.get(file);
    const expected = manifest.files[file]?.bytes;
    if (bytes === undefined)
      throw new InputError('missing', { code: 'data.damaged', place: `${options.place}/${file}`, fix: again });
    if (bytes.length !== expected) {
      throw new InputError(`${bytes.length} bytes, expected ${expected}`, {
        code: 'data.damaged',
        place: `${options.place}/${file}`,
        fix: again,
      });
    }
    return bytes;
  };
  if (options.verify) {
    const digests = await digestAll(new Map(filesOf(manifest).map((file) => [file, fileBytes(file)])));
    for (const [file, digest] of digests) {
      if (digest !== manifest.files[file]?.sha256)
        throw new InputError('wrong SHA-256', { code: 'data.damaged', place: `${options.place}/${file}`, fix: again });
    }
    if ((await combineHashes(digests)) !== manifest.hash) {
      throw new InputError('"hash" does not match the files', {
        code: 'data.damaged',
        place: `${options.place}/${manifestFile}`,
        fix: again,
      });
    }
  }
  const column = <T extends Column>(file: string, type: ColumnType<T>): T => {
    const bytes = fileBytes(file);
    if (bytes.length % type.BYTES_PER_ELEMENT !== 0) {
      throw new InputError(`${bytes.length} bytes is not a whole number of entries`, {
        code: 'data.damaged',
        place: `${options.place}/${file}`,
        fix: again,
      });
    }
    return new type(bytes.buffer, bytes.byteOffset, bytes.length / type.BYTES_PER_ELEMENT);
  };
  const array = (file: string): unknown[] => {
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(fileBytes(file)));
      if (Array.isArray(value)) return value;
    } catch (error) {
      if (error instanceof InputError) throw error;
    }
    throw new InputError('not a JSON array', { code: 'data.damaged', place: `${options.place}/${file}`, fix: again });
  };
  const users = ['', ...array('users.json').map(String)];
  const itemPairs = array('items.json') as [unknown, unknown][];
  const items = [{ id: '', title: '' }, ...itemPairs.map(([id, title]) => ({ id: String(id), title: String(title) }))];
  const positiveOffset = column('positives.offset.i32', Int32Array);
  const positiveItem = column('positives.item.i32', Int32Array);

  const complain = (file: string, what: string): never => {
    throw new InputError(what, { code: 'data.damaged', place: `${options.place}/${file}`, fix: again });
  };
  // Counted loops: iterators over ten million rows would take the most of the time that opening takes.
  const checkRange = (file: string, values: Int32Array, first: number, last: number): void => {
    for (let index = 0; index < values.length; index++) {
      const value = values[index] as number;
      if (value < first || value > last) complain(file, `${value} is outside ${first} … ${last}`);
    }
  };
  const hasAttributes = filesOf(manifest).includes(attributesFile);
  const attributes = hasAttributes
    ? decodeAttributes(array(attributesFile), items.length - 1, (what) => complain(attributesFile, what))
    : null;
  checkRange('positives.item.i32', positiveItem, 1, items.length - 1);
  if (positiveOffset.length !== users.length + 1) complain('positives.offset.i32', 'length does not match users.json');
  for (let user = 0; user < users.length; user++) {
    if ((positiveOffset[user] as number) > (positiveOffset[user + 1] as number))
      complain('positives.offset.i32', 'offsets decrease');
  }
  if (positiveOffset[0] !== 0 || positiveOffset[users.length] !== positiveItem.length) {
    complain('positives.offset.i32', 'offsets do not cover positives.item.i32');
  }
  const split = (name: string): Split => {
    const columns = Object.fromEntries(
      splitColumns.map(([key, file, type]) => [key, column<Column>(`${name}.${file}`, type)]),
    ) as unknown as Omit<Split, 'rows'>;
    const rows = columns.user.length;
    for (const [key, file] of splitColumns)
      if (columns[key].length !== rows) complain(`${name}.${file}`, `not ${rows} rows`);
    checkRange(`${name}.user.i32`, columns.user, 1, users.length - 1);
    checkRange(`${name}.item.i32`, columns.item, 1, items.length - 1);
    const { user, historyLength, label, seen } = columns;
    for (let row = 0; row < rows; row++) {
      const length = historyLength[row] as number;
      const owner = user[row] as number;
      if (length < 0 || length > (positiveOffset[owner + 1] as number) - (positiveOffset[owner] as number)) {
        complain(`${name}.history-length.i32`, `row ${row} asks for ${length} positives`);
      }
      if ((label[row] as number) > 1) complain(`${name}.label.u8`, `row ${row} is neither 0 nor 1`);
      if ((seen[row] as number) > 1) complain(`${name}.seen.u8`, `row ${row} is neither 0 nor 1`);
    }
    return { rows, ...columns };
  };
  return new Dataset({
    name: manifest.name,
    hash: manifest.hash,
    recipe: manifest.recipe,
    warnings: manifest.warnings,
    users,
    items,
    attributes,
    splits: { train: split('train'), valid: split('valid'), test: split('test') },
    positiveOffset,
    positiveItem,
  });
}

/** A typed array's constructor over a part of a buffer. */
interface ColumnType<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): T;
}

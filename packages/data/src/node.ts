/** @crossgate/data/node: data sets from source folders and prepared folders on disk. */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf, writeFolder } from '@crossgate/files';
import type { Dataset } from './dataset';
import type { DatasetDefinition } from './definition';
import {
  attributesFile,
  contentFiles,
  decodeDataset,
  encodeDataset,
  filesOf,
  manifestFile,
  parseManifest,
} from './format';
import { isPattern, splitPattern } from './node/file-pattern';
import { errorCode, folderSource, placeOf } from './node/folder-source';
import { type DatasetOptions, requireOptions } from './options';
import { findDataset } from './registry';
import { memorySource } from './source';

export { exportSplit } from './export';
export { datasetFile, openDatasetFile } from './node/dataset-file';
export { type DownloadOutcome, downloadDataset } from './node/download';
export { type EventFile, type FileEvent, readEventFile } from './node/event-file';
export { filesLike, filesOf, isPattern } from './node/file-pattern';
export { folderSource } from './node/folder-source';
export { readColumns } from './node/read-columns';
export { type IdRows, readIds, requireIds } from './node/read-ids';

async function requireFolder(directory: string, remedy: string): Promise<void> {
  const kind = await kindOf(directory);
  if (kind === 'absent')
    throw new InputError('no such folder', { code: 'data.not-found', place: directory, fix: remedy });
  if (kind !== 'folder') throw new InputError('not a folder', { code: 'file.kind', place: directory, fix: remedy });
}

/** The folder and the name in it of a file of events, or of several by a pattern; undefined for a folder. */
async function filesOfPath(path: string | undefined): Promise<{ directory: string; file: string } | undefined> {
  if (path === undefined) return undefined;
  if ((await placeOf(dirname(path), basename(path))) !== undefined)
    return { directory: dirname(path), file: basename(path).replace(/\.gz$/, '') };
  if (!isPattern(path) || (await kindOf(path)) === 'folder') return undefined;
  const { directory, pattern } = splitPattern(path);
  return { directory, file: pattern };
}

/**
 * Builds a known data set in memory from the files of its publisher.
 *
 * @param name of the data set, as `listDatasets` lists it.
 * @param path the source folder; for `csv` it may also be the file of the events, with the other files beside it, or a
 * pattern of several (`shop/events-*.parquet`). A generated data set needs none, nor does `sql.database`.
 * @param options options of the data set.
 * @throws InputError for an unknown name, options that the data set does not take, a missing folder or file, and naming
 * file and line for a malformed row.
 */
export async function loadSource(name: string, path?: string, options: DatasetOptions = {}): Promise<Dataset> {
  const definition = findDataset(name);
  requireOptions(name, definition.options ?? [], options);
  if (definition.generated) return definition.build(memorySource({}));
  const ownData = definition.options?.includes('csv') ?? false;
  const named =
    ownData && options.sql?.query == null && options.sql?.table == null ? await filesOfPath(path) : undefined;
  if (named !== undefined && typeof options.csv?.interactions === 'string') {
    throw new InputError('is a file; with data.csv.interactions, name its folder', { code: 'file.kind', place: path });
  }
  const chosen: DatasetOptions =
    named === undefined ? options : { ...options, csv: { ...options.csv, interactions: named.file } };
  // A database may lie anywhere: names of files begin in the folder that the program was started in.
  const fallback = ownData && options.sql?.database != null ? '.' : undefined;
  const directory = named?.directory ?? path ?? fallback;
  const files = definition.filesFor?.(chosen) ?? definition.sourceFiles;
  if (directory === undefined)
    throw new InputError(
      `${name} needs a source folder (--source) with ${files.join(', ') || 'the files of the query'}`,
      {
        code: 'data.not-found',
      },
    );
  await requireFolder(directory, `${name} needs a folder with ${files.join(', ') || 'the files of the query'}`);
  const source = folderSource(directory);
  for (const file of files) {
    if (await source.has(file)) continue;
    throw new InputError(`no such file; ${name} needs ${files.join(', ')}`, {
      code: 'data.not-found',
      place: join(directory, file),
    });
  }
  return definition.build(source, chosen);
}

/** Whether a folder has all source files of a data set, each plain or compressed (`NAME.gz`). */
export async function hasSource(definition: DatasetDefinition, directory: string): Promise<boolean> {
  const source = folderSource(directory);
  for (const file of definition.sourceFiles) if (!(await source.has(file))) return false;
  return definition.sourceFiles.length > 0;
}

/** Refuses any folder that holds what we did not write: it will be replaced as a whole. */
async function checkReplaceable(directory: string): Promise<void> {
  let entries: string[];
  try {
    entries = await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    if (errorCode(error) === 'ENOTDIR')
      throw new InputError('is a file', { code: 'file.kind', place: directory, fix: 'name a folder to write to' });
    throw error;
  }
  if (entries.length === 0) return;
  const own = [manifestFile, ...contentFiles, attributesFile];
  const foreign = entries.find((entry) => !own.includes(entry));
  if (foreign !== undefined || !entries.includes(manifestFile)) {
    const why = foreign === undefined ? `no ${manifestFile}` : foreign;
    throw new InputError(`not empty and not a prepared data set (${why})`, {
      code: 'file.exists',
      place: directory,
      fix: 'name another folder',
    });
  }
}

/**
 * Writes a data set as a prepared folder, whole or not at all: it is written to a temporary folder beside its place and
 * then renamed. An earlier prepared data set is replaced.
 *
 * @param directory the folder to write; missing parents are made.
 * @throws InputError when the place is a file, or a folder with any content that is not a prepared data set; errors of
 * the file system. Nothing is left behind then, and an earlier data set stays.
 */
export async function saveDataset(dataset: Dataset, directory: string): Promise<void> {
  const target = resolve(directory);
  await checkReplaceable(target);
  const files = await encodeDataset(dataset);
  await writeFolder(target, files, { replace: true, fix: 'name another folder' });
}

/**
 * Builds a known data set from the files of its publisher and writes it as a prepared folder.
 *
 * @param name of the data set, as `listDatasets` lists it.
 * @returns the data set, with `warnings` about its source.
 * @throws InputError as {@link loadSource} and {@link saveDataset} do; nothing is left behind then.
 */
export async function prepareDataset(
  name: string,
  options: {
    /**
     * The source folder (for `csv` also the file of the events), as `loadSource` takes it; a generated set needs none.
     */
    source?: string | undefined;
    /** The folder to write; missing parents are made, and an earlier prepared data set is replaced. */
    out: string;
    /** Options of the data set, with the keys that they have under `data` in a config. Default: none. */
    options?: DatasetOptions;
  },
): Promise<Dataset> {
  // The place is checked first, so that a wrong --out costs no minutes of reading.
  await checkReplaceable(resolve(options.out));
  const dataset = await loadSource(name, options.source, options.options);
  await saveDataset(dataset, options.out);
  return dataset;
}

/** Bytes that are read at once: a read may not exceed 2 GiB. */
const readBytes = 2 ** 30;

/**
 * A whole file, in a buffer of its own, so that columns in it are aligned; undefined where there is none. `readFile`
 * goes through the event loop for every 512 KiB, which on a busy machine takes longer than the reading.
 */
async function readAligned(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.allocUnsafeSlow((await file.stat()).size) as Uint8Array<ArrayBuffer>;
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, Math.min(readBytes, bytes.length - length));
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}

/**
 * Opens a prepared folder, and checks the sizes of its files and the ranges of ids and offsets.
 *
 * @param directory the folder that {@link saveDataset} wrote.
 * @throws InputError naming the folder or file that is missing, of another format or damaged.
 */
export async function openDataset(
  directory: string,
  options: {
    /** Checks the SHA-256 of every file, and with them the hash of the whole. Default false. */
    verify?: boolean;
  } = {},
): Promise<Dataset> {
  await requireFolder(directory, 'prepare the data set first');
  const manifestPath = join(directory, manifestFile);
  const manifestBytes = await readAligned(manifestPath);
  if (manifestBytes === undefined) {
    throw new InputError(`no ${manifestFile}, so not a prepared data set`, {
      code: 'data.unprepared',
      place: directory,
      fix: 'prepare it first',
    });
  }
  const manifest = parseManifest(new TextDecoder().decode(manifestBytes), manifestPath);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const names = filesOf(manifest);
  const contents = await Promise.all(names.map((file) => readAligned(join(directory, file))));
  for (const [index, file] of names.entries()) {
    const bytes = contents[index];
    if (bytes !== undefined) files.set(file, bytes);
  }
  return decodeDataset(manifest, files, { place: directory, ...options });
}

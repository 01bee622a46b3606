/** Finds data sets and models: by path, by the environment, or in the working folder. */

import { isAbsolute, join, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import {
  type Dataset,
  type DatasetOptions,
  findDataset,
  hasOptions,
  listDatasets,
  manifestFile,
  requireOptions,
} from '@crossgate/data';
import { hasSource, isPattern, loadSource, openDataset } from '@crossgate/data/node';
import { kindOf, pathAdvice, shippedPath } from '@crossgate/files';
import {
  type CachePlace,
  findPulled,
  findShared,
  huggingFaceFolder,
  modelCache,
  offlineBy,
  parseReference,
} from '@crossgate/hub';

/** The parts of the outside world that decide where things lie. */
export interface Surroundings extends CachePlace {
  /** Folder of the running program: models that come with it lie beside it or above. */
  readonly program?: string;
}

/**
 * A prepared folder was made once: options of a config cannot change it any more.
 * @throws InputError when it was made by another recipe than these options ask for
 */
function requireRecipe(folder: string, dataset: Dataset, options: DatasetOptions): void {
  if (!hasOptions(options)) return;
  const definition = findDataset(dataset.name);
  requireOptions(dataset.name, definition.options ?? [], options);
  const wanted = definition.recipe(options);
  const key = Object.keys(wanted).find((name) => JSON.stringify(wanted[name]) !== JSON.stringify(dataset.recipe[name]));
  if (key === undefined) return;
  throw new InputError(
    `was prepared with other options (${key}: ${JSON.stringify(dataset.recipe[key]) ?? 'none'}, not ${JSON.stringify(wanted[key])})`,
    { code: 'data.other', place: folder, fix: 'prepare it again, or remove them from the config' },
  );
}

/** Opens a prepared folder, or builds the data set `name` from a source folder. */
async function openFolder(folder: string, name: string | undefined, options: DatasetOptions = {}): Promise<Dataset> {
  if ((await kindOf(join(folder, manifestFile))) === 'file') {
    const dataset = await openDataset(folder);
    if (name === undefined || dataset.name === name) requireRecipe(folder, dataset, options);
    return dataset;
  }
  if (name !== undefined && !findDataset(name).generated) return loadSource(name, folder, options);
  for (const definition of listDatasets()) {
    if (!definition.generated && (await hasSource(definition, folder))) {
      return loadSource(definition.name, folder, options);
    }
  }
  throw new InputError(`is not a data set (no ${manifestFile})`, {
    code: 'data.unprepared',
    place: folder,
    fix: `make one with \`crossgate data prepare NAME --source DIR --out DIR\``,
  });
}

/**
 * Opens a data folder the user named: a prepared one, or the publisher's files of a known data set.
 * @throws InputError when it is missing, not a folder, or neither
 */
export async function openDataFolder(path: string, surroundings: Surroundings): Promise<Dataset> {
  const folder = resolve(surroundings.cwd, path);
  const kind = await kindOf(folder);
  if (kind === 'absent')
    throw new InputError('data folder not found', { code: 'data.not-found', place: path, fix: 'check the path' });
  if (kind !== 'folder')
    throw new InputError('is a file, but a data set is a folder', { code: 'file.kind', place: path });
  return openFolder(folder, undefined);
}

/**
 * Opens the data set of a config: `path`, else `CROSSGATE_DATA/<name>`, else `./data/<name>`. Source folders are
 * prepared in memory, and so is a generated data set without `path`. Other keys are options of the data set.
 * @throws InputError naming every place that was tried, options it does not take, a folder prepared with other ones
 */
export async function locateDataset(
  wanted: DatasetOptions & { readonly name: string; readonly path: string | null },
  surroundings: Surroundings,
): Promise<Dataset> {
  const { name: _, path: __, ...options } = wanted;
  if (wanted.path !== null) {
    const folder = resolve(surroundings.cwd, wanted.path);
    // Of the user's own data, the file of the events will do, or a pattern of several.
    const kind = await kindOf(folder);
    if (wanted.name === 'csv' && (kind === 'file' || (kind === 'absent' && isPattern(wanted.path))))
      return loadSource('csv', folder, options);
    if (kind !== 'folder') {
      throw new InputError(`${wanted.path}: no such folder`, {
        code: 'data.not-found',
        place: 'data.path',
        fix: pathAdvice(wanted.path, 'give a prepared folder or a source folder'),
      });
    }
    const dataset = await openFolder(folder, wanted.name, options);
    if (dataset.name !== wanted.name) {
      throw new InputError(`${wanted.path} holds ${dataset.name}, but data.name is ${wanted.name}`, {
        code: 'data.other',
        place: 'data.path',
      });
    }
    return dataset;
  }
  if (findDataset(wanted.name).generated) return loadSource(wanted.name, undefined, options);
  // A database needs no folder.
  if (wanted.name === 'csv' && options.sql?.database != null) return loadSource('csv', surroundings.cwd, options);
  const places = candidates('CROSSGATE_DATA', 'data', wanted.name, surroundings);
  for (const place of places) if ((await kindOf(place)) === 'folder') return openFolder(place, wanted.name, options);
  const fetching =
    findDataset(wanted.name).download === undefined ? '' : `, or \`crossgate data download ${wanted.name}\``;
  throw new InputError(`data set ${wanted.name} not found (tried ${places.join(', ')})`, {
    code: 'data.not-found',
    fix: `give --set data.path=DIR, or set CROSSGATE_DATA${fetching}`,
  });
}

/**
 * Finds a model: an existing path (absolute or from the working folder), else `CROSSGATE_MODELS/<name>`, else
 * `./models/<name>`, else one that comes with the program (`demo-llm`), else one that `model pull` or Hugging Face's
 * own programs fetched (`ORG/NAME`). A folder without config.json stands for its `hf` folder where that has one; else
 * `findModel` says what it holds.
 * @param key how messages call the argument: `llm.path` or `--model`
 * @returns the absolute path of a folder with config.json, or of a file
 * @throws InputError naming every place that was tried, and for a folder that holds no model or several
 */
export async function locateModel(name: string, key: string, surroundings: Surroundings): Promise<string> {
  const direct = resolve(surroundings.cwd, name);
  const places = isAbsolute(name)
    ? [direct]
    : [direct, ...candidates('CROSSGATE_MODELS', 'models', name, surroundings)];
  const shipped =
    surroundings.program !== undefined && MODEL_NAME.test(name)
      ? await shippedPath(`assets/${name}`, surroundings.program)
      : undefined;
  if (shipped !== undefined) places.push(shipped);
  for (const place of places) {
    const kind = await kindOf(place);
    if (kind === 'file') return place;
    if (kind !== 'folder') continue;
    const nested = join(place, 'hf');
    const hasConfig = async (folder: string) => (await kindOf(join(folder, 'config.json'))) === 'file';
    if (!(await hasConfig(place)) && (await hasConfig(nested))) return nested;
    return await (await findModels())(place).catch((error: unknown) => {
      if (error instanceof InputError) error.message = `${key}: ${error.message}`;
      throw error;
    });
  }
  const reference = parseReference(name);
  const pulled = reference && (await findPulled(reference, surroundings));
  if (pulled !== undefined) return pulled;
  const shared = reference && (await findShared(reference, surroundings));
  if (shared !== undefined) return shared.path;
  if (reference) places.push(modelCache(surroundings), huggingFaceFolder(reference.repository, surroundings));
  const offline = reference && offlineBy(surroundings.env);
  const fetching = reference ? `, or ${offline ? `unset ${offline} and ` : ''}\`crossgate model pull ${name}\`` : '';
  const tried = places.length > 1 ? ` (tried ${places.join(', ')})` : '';
  throw new InputError(`${name}: model not found${tried}`, {
    code: 'model.not-found',
    place: key,
    fix: pathAdvice(name, `give a path, or a name in CROSSGATE_MODELS${fetching}`),
  });
}

/** Loaded when used, so that commands that find their model elsewhere start without it. */
async function findModels(): Promise<(path: string) => Promise<string>> {
  return (await import('@crossgate/llm/node')).findModel;
}

/** What a model that comes with the program may be called: never a path. */
const MODEL_NAME = /^[\w-]+$/;

/** Where a data set is looked for first when no path is given: `CROSSGATE_DATA/<name>`, else `./data/<name>`. */
export function dataHome(name: string, surroundings: Surroundings): string {
  return candidates('CROSSGATE_DATA', 'data', name, surroundings)[0] as string;
}

function candidates(variable: string, folder: string, name: string, { cwd, env }: Surroundings): string[] {
  const root = env[variable];
  const fromEnvironment = root === undefined || root === '' ? [] : [resolve(cwd, root, name)];
  return [...fromEnvironment, resolve(cwd, folder, name)];
}

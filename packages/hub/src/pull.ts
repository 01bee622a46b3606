/**
 * Fetches a model from the Hugging Face Hub into the cache: what we can read of it, checked, going on after a break.
 */

import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CrossgateError, InputError } from '@crossgate/core';
import { acquireLock, type CachePlace, downloadFile, kindOf, makeFolders, type NetworkOptions } from '@crossgate/files';
import { describeRepository, explainRefusal, type Hub, type HubFile } from './api';
import { findShared, isCommit, type ModelReference, modelPath, RepositoryCache } from './cache';

/** What `pullModel` did. */
export interface Pulled {
  /** `ORG/NAME` of the repository. */
  readonly repository: string;
  /** The commit that the revision meant, 40 hexadecimal digits. */
  readonly commit: string;
  /** The model's folder, or its GGUF file. */
  readonly path: string;
  /** Bytes of the files that the model consists of. */
  readonly bytes: number;
  /** Names of these files: weights, configuration and tokenizer, and the license and README that come with them. */
  readonly files: readonly string[];
  /** False when everything was there before. */
  readonly downloaded: boolean;
  /** Why the Hub was not asked what the revision is now: what is here is what it was. Undefined where it was asked. */
  readonly unasked?: string;
}

/** How a pull waits and reports. Everything has a default. */
export interface PullOptions extends NetworkOptions {
  /** Where Hugging Face's own programs keep models: looked at when the Hub need not or cannot be asked. */
  readonly shared?: CachePlace;
  /** Called with the bytes that are there, `from` of them before this call. */
  progress?(bytes: number, total: number, from: number): void;
}

/** What is read of a model folder beside its weights, and its terms. */
const COMPANION =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map)\.json$|^(LICENSE|NOTICE|README|USE_POLICY)(\.\w+)?$/i;
/** What serves for a tokenizer.json that is not there. */
const PIECES = ['tokenizer.model', 'added_tokens.json'];
const INDEX = 'model.safetensors.index.json';

const sizeOf = async (path: string) => (await stat(path).catch(() => undefined))?.size;

/**
 * The GGUF file that is meant, or its parts; undefined for a repository of safetensors.
 * @throws InputError when the named file is not there, when several could be meant, and when there is nothing we read
 */
function chooseGguf(
  files: ReadonlyMap<string, HubFile>,
  { repository, file }: ModelReference,
  { ggufParts, pickleAdvice }: Pick<typeof import('@crossgate/llm'), 'ggufParts' | 'pickleAdvice'>,
): HubFile[] | undefined {
  const partsOf = (name: string) =>
    ggufParts(name).map((part) => {
      const found = files.get(part);
      if (found === undefined)
        throw new InputError(`has no ${part}, a part of ${name}`, { code: 'model.missing-file', place: repository });
      return found;
    });
  const names = [...files.keys()].filter((name) => name.endsWith('.gguf') && ggufParts(name)[0] === name);
  const listed = () =>
    names
      .map((name) => `${name} (${(partsOf(name).reduce((sum, { bytes }) => sum + bytes, 0) / 1e9).toFixed(2)} GB)`)
      .join(', ');
  if (file !== undefined) {
    if (files.has(file)) return partsOf(file);
    const others = names.length === 0 ? 'it has no GGUF file' : `it has ${listed()}`;
    throw new InputError(`has no ${file}; ${others}`, { code: 'hub.not-found', place: repository });
  }
  if (files.has('model.safetensors') || files.has(INDEX)) return undefined;
  if (names.length === 1) return partsOf(names[0]!);
  if (names.length > 1) {
    throw new InputError(`has several models: ${listed()}`, {
      code: 'model.ambiguous',
      place: repository,
      fix: `name one, as in ${repository}/${names[0]}`,
    });
  }
  const pickled = [...files.keys()].find((name) => /\.(bin|pt|pth)$/.test(name));
  if (pickled !== undefined) {
    throw new InputError(`has only ${pickled}, ${pickleAdvice(repository)}`, {
      code: 'model.unsupported',
      place: repository,
    });
  }
  throw new InputError('has no weights we read at its top: neither model.safetensors nor a .gguf file', {
    code: 'model.unsupported',
    place: repository,
  });
}

/** Fetches files of one commit, all counted as one piece of work. */
class Fetching {
  /** Files that are there, by name. */
  readonly files: Record<string, number> = {};
  downloaded = false;
  #total = 0;
  #done = 0;
  #from = 0;

  constructor(
    private readonly hub: Hub,
    private readonly repository: string,
    private readonly commit: string,
    private readonly folder: string,
    private readonly options: PullOptions,
  ) {}

  /** Fetches files that are not there. A file has its name only since it was found right, so its size is enough. */
  async fetch(wanted: readonly HubFile[]): Promise<void> {
    const missing: HubFile[] = [];
    for (const file of wanted) {
      const path = join(this.folder, file.path);
      const present = (await sizeOf(path)) === file.bytes;
      const bytes = present ? file.bytes : Math.min(file.bytes, (await sizeOf(`${path}.partial`)) ?? 0);
      this.#total += file.bytes;
      this.#from += bytes;
      if (present) this.#done += file.bytes;
      else missing.push(file);
      this.files[file.path] = file.bytes;
    }
    for (const file of missing) await this.#fetchOne(file);
  }

  async #fetchOne(file: HubFile): Promise<void> {
    const { hub, repository, commit, options } = this;
    const { path: name, ...known } = file;
    const { progress, shared: _, ...network } = options;
    const url = `${hub.endpoint}/${repository}/resolve/${commit}/${name}`;
    const headers = hub.token === undefined ? {} : { authorization: `Bearer ${hub.token}` };
    await downloadFile({ url, headers, ...known }, join(this.folder, name), {
      ...network,
      progress: (bytes) => progress?.(this.#done + bytes, this.#total, this.#from),
    }).catch((error) => explainRefusal(error, hub, repository, `${repository}/${name}`));
    this.#done += file.bytes;
    this.downloaded = true;
  }
}

async function fetchModel(
  fetching: Fetching,
  files: ReadonlyMap<string, HubFile>,
  reference: ModelReference,
  folder: string,
): Promise<void> {
  const terms = [...files.values()].filter(({ path }) => COMPANION.test(path) && !path.endsWith('.json'));
  const [llm, { openFolder }] = await Promise.all([import('@crossgate/llm'), import('@crossgate/llm/node')]);
  const gguf = chooseGguf(files, reference, llm);
  if (gguf !== undefined) return fetching.fetch([...terms, ...gguf]);
  const whole = files.get('model.safetensors');
  const index = whole === undefined ? files.get(INDEX) : undefined;
  const pieces = files.has('tokenizer.json') ? [] : PIECES;
  await fetching.fetch(
    [...files.values()].filter(({ path }) => COMPANION.test(path) || path === index?.path || pieces.includes(path)),
  );
  // A model that we do not compute is refused before its gigabytes are fetched.
  const local = openFolder(folder);
  await llm.readConfig(local);
  if (whole !== undefined) return fetching.fetch([whole]);
  const shards = [...(await llm.shardsByIndex(local, INDEX)).keys()].map((name) => {
    const shard = files.get(name);
    if (shard === undefined)
      throw new InputError(`has no ${name}, which its ${INDEX} names`, {
        code: 'model.missing-file',
        place: reference.repository,
      });
    return shard;
  });
  return fetching.fetch(shards);
}

/** The result for a model, which consists of these files. */
function outcome(
  { repository, commit, path, downloaded }: Pick<Pulled, 'repository' | 'commit' | 'path' | 'downloaded'>,
  files: Readonly<Record<string, number>>,
): Pulled {
  const bytes = Object.values(files).reduce((sum, size) => sum + size, 0);
  return { repository, commit, path, bytes, files: Object.keys(files), downloaded };
}

/** What is here of a reference, whole: fetched by us, or by Hugging Face's own programs. */
async function findHere(
  { file, repository, revision = 'main' }: ModelReference,
  places: RepositoryCache,
  shared: CachePlace | undefined,
): Promise<Pulled | undefined> {
  const commit = await places.commitOf(revision);
  const known = commit === undefined ? undefined : await places.read(commit);
  if (known !== undefined) {
    const folder = places.snapshot(known.commit);
    const path = modelPath(folder, known, file);
    if (path !== undefined && (await allPresent(folder, known.files))) {
      return outcome({ repository, commit: known.commit, path, downloaded: false }, known.files);
    }
  }
  const theirs = shared && (await findShared({ repository, revision, ...(file && { file }) }, shared));
  if (theirs === undefined) return undefined;
  const folder = (await kindOf(theirs.path)) === 'folder' ? theirs.path : dirname(theirs.path);
  const { modelFiles } = await import('@crossgate/llm/node');
  const paths = new Set(await modelFiles(theirs.path));
  for (const name of await readdir(folder)) {
    if (COMPANION.test(name) || PIECES.includes(name) || name === INDEX) paths.add(join(folder, name));
  }
  const files: Record<string, number> = {};
  for (const path of paths) files[basename(path)] = (await sizeOf(path)) ?? 0;
  return outcome({ repository, ...theirs, downloaded: false }, files);
}

/** Whether nobody answers who could say what a revision is: then what is here must do. */
function isDown(error: unknown): error is CrossgateError {
  return error instanceof CrossgateError && (error.code === 'network.failed' || error.code === 'hub.answer');
}

/**
 * Fetches a model into the cache, unless it is there. Every file is checked by size and digest (SHA-256, or that of
 * Git).
 * The Hub is not asked for a commit that is here, nor where the environment says so. A branch or tag that is here
 * serves while the Hub cannot be reached; {@link Pulled.unasked} says why.
 *
 * @param cache folder of all fetched models
 * @throws InputError for what the user can put right: a wrong name, no access, a model that we do not read, one that is
 *   not here while the Hub may not be asked; Error when the Hub cannot be reached or sends other files than it lists;
 *   the signal's reason when aborted
 */
export async function pullModel(
  hub: Hub,
  reference: ModelReference,
  cache: string,
  options: PullOptions = {},
): Promise<Pulled> {
  const { repository, file, revision = 'main' } = reference;
  const places = new RepositoryCache(cache, repository);
  const here = () => findHere(reference, places, options.shared);
  // A commit does not change: nothing need be asked when it is here.
  if (isCommit(revision)) {
    const found = await here();
    if (found !== undefined) return found;
  }
  if (hub.offline !== undefined) {
    const found = await here();
    if (found !== undefined) return { ...found, unasked: `${hub.offline} is set` };
    throw new InputError(`is not here, and ${hub.offline} says not to ask the Hub`, {
      code: 'hub.offline',
      place: revision === 'main' ? repository : `${repository}@${revision}`,
      fix: `unset it, or fetch the model where there is a network and give its path`,
    });
  }
  const { progress: _, shared: __, ...network } = options;
  const described = await describeRepository(hub, repository, revision, network).catch(async (error: unknown) => {
    const found = isDown(error) ? await here() : undefined;
    if (found === undefined) throw error;
    return { ...found, unasked: (error as Error).message };
  });
  if ('path' in described) return described;
  const { commit, files } = described;
  const folder = places.snapshot(commit);
  await makeFolders(folder, 'set CROSSGATE_CACHE to another folder');
  const lock = await acquireLock(join(places.folder, '.lock'), 'model');
  try {
    // Only plain names at the top: a listing must not reach elsewhere on the disk.
    const plain = files.filter(({ path }) => /^[\w-][\w.-]*$/.test(path));
    const fetching = new Fetching(hub, repository, commit, folder, options);
    await fetchModel(fetching, new Map(plain.map((entry) => [entry.path, entry])), reference, folder);
    await places.write(revision, { commit, files: fetching.files });
    const path = modelPath(folder, { repository, commit, files: fetching.files }, file) as string;
    return outcome({ repository, commit, path, downloaded: fetching.downloaded }, fetching.files);
  } finally {
    await lock.release();
  }
}

async function allPresent(folder: string, files: Readonly<Record<string, number>>): Promise<boolean> {
  const sizes = await Promise.all(Object.keys(files).map((name) => sizeOf(join(folder, name))));
  return Object.values(files).every((bytes, i) => bytes === sizes[i]);
}

/** Models that were fetched from the Hugging Face Hub: where they lie, and how a name finds them. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import { type CachePlace, kindOf, userCache, writeAtomic } from '@crossgate/files';
import { huggingFaceFolder } from './environment';

/** A model on the Hub, as it is written: `ORG/NAME`, with `/FILE.gguf` and `@REVISION` if need be. */
export interface ModelReference {
  /** `ORG/NAME`. */
  readonly repository: string;
  /** A GGUF file of the repository; undefined stands for its safetensors, or its only GGUF file. */
  readonly file?: string;
  /** Branch, tag or commit; undefined stands for `main`. */
  readonly revision?: string;
}

/** What was fetched of one commit. Written last: what it names is there, and was checked. */
export interface Snapshot {
  readonly repository: string;
  readonly commit: string;
  /** Bytes by name. */
  readonly files: Readonly<Record<string, number>>;
}

const REFERENCE = /^([\w-][\w.-]*\/[\w-][\w.-]*?)(?:\/([\w-][\w.-]*\.gguf))?(?:@([\w-][\w./-]*))?$/;

/** Whether a revision is a whole commit, which names its content for ever. */
export const isCommit = (revision: string) => /^[0-9a-f]{40}$/.test(revision);

/** Reads a reference; undefined when the text is none. */
export function parseReference(text: string): ModelReference | undefined {
  const [, repository, file, revision] = REFERENCE.exec(text) ?? [];
  if (repository === undefined) return undefined;
  return { repository, ...(file !== undefined && { file }), ...(revision !== undefined && { revision }) };
}

/** The folder of all fetched models: `models` in CROSSGATE_CACHE, else in the user's cache folder. */
export function modelCache(place: CachePlace, platform: string = process.platform): string {
  return join(userCache(place, platform), 'models');
}

/** The places of one repository in the cache. */
export class RepositoryCache {
  readonly folder: string;

  constructor(
    cache: string,
    readonly repository: string,
  ) {
    this.folder = join(cache, repository.replace('/', '--'));
  }

  /** The folder of the files of a commit. */
  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /** The commit that a revision meant when it was last fetched. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(this.#reference(revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  /** What was fetched of a commit. */
  async read(commit: string): Promise<Snapshot | undefined> {
    const text = await readFile(this.#manifest(commit), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as Snapshot);
  }

  /** Notes that files of a commit are there, beside those noted before, and that `revision` means this commit. */
  async write(revision: string, { commit, files }: Pick<Snapshot, 'commit' | 'files'>): Promise<Snapshot> {
    const snapshot = { repository: this.repository, commit, files: { ...(await this.read(commit))?.files, ...files } };
    await writeAtomic(this.#manifest(commit), `${JSON.stringify(snapshot, null, 2)}\n`);
    if (!isCommit(revision)) await writeAtomic(this.#reference(revision), `${commit}\n`);
    return snapshot;
  }

  #manifest(commit: string): string {
    return join(this.folder, 'snapshots', `${commit}.json`);
  }

  #reference(revision: string): string {
    return join(this.folder, 'revisions', encodeURIComponent(revision));
  }
}

/** A GGUF file that its first part stands for. */
const LATER_PART = /-(?!00001-)\d{5}-of-\d{5}\.gguf$/;

/**
 * The path of a model in a snapshot: its folder, or a GGUF file.
 * @returns undefined when what is asked for was not fetched
 * @throws InputError when the snapshot holds several GGUF files and none is named
 */
export function modelPath(folder: string, { files, repository }: Snapshot, file?: string): string | undefined {
  if (file !== undefined) return file in files ? join(folder, file) : undefined;
  const names = Object.keys(files);
  if (names.some((name) => name.endsWith('.safetensors'))) return folder;
  const [only, ...others] = names.filter((name) => name.endsWith('.gguf') && !LATER_PART.test(name));
  if (others.length > 0) {
    throw new InputError(`${[only, ...others].join(', ')} were fetched`, {
      code: 'model.ambiguous',
      place: repository,
      fix: `name one, as in ${repository}/${only}`,
    });
  }
  return only === undefined ? undefined : join(folder, only);
}

/** Finds a fetched model by its reference, without asking the Hub. */
export async function findPulled(reference: ModelReference, place: CachePlace): Promise<string | undefined> {
  const cache = new RepositoryCache(modelCache(place), reference.repository);
  const commit = await cache.commitOf(reference.revision ?? 'main');
  const snapshot = commit === undefined ? undefined : await cache.read(commit);
  return snapshot && modelPath(cache.snapshot(snapshot.commit), snapshot, reference.file);
}

/** The part of a cache of Hugging Face's own programs that a reference leads to. */
export interface SharedModel {
  /** A folder with config.json, or a GGUF file. */
  readonly path: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
}

/**
 * Finds a model that Hugging Face's own programs fetched, by its reference, without asking the Hub. A snapshot without
 * weights, or of a kind we do not read, is as good as not there.
 * @throws InputError when the snapshot holds several GGUF files and none is named
 */
export async function findShared(reference: ModelReference, place: CachePlace): Promise<SharedModel | undefined> {
  const { repository, file, revision = 'main' } = reference;
  const folder = huggingFaceFolder(repository, place);
  if (revision.split('/').includes('..')) return undefined;
  const commit = isCommit(revision)
    ? revision
    : (await readFile(join(folder, 'refs', ...revision.split('/')), 'utf8').catch(() => '')).trim();
  const snapshot = join(folder, 'snapshots', commit);
  if (commit === '' || (await kindOf(snapshot)) !== 'folder') return undefined;
  const { findModel, modelFiles } = await import('@crossgate/llm/node');
  try {
    const path = await findModel(file === undefined ? snapshot : join(snapshot, file));
    for (const weights of await modelFiles(path)) if ((await kindOf(weights)) !== 'file') return undefined;
    return { path, commit };
  } catch (error) {
    if (!(error instanceof InputError) || error.code === 'model.ambiguous') throw error;
    return undefined;
  }
}

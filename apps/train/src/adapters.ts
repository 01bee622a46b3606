/** Adapters on disk: found in run folders and PEFT folders, put on models, written out. */
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolders } from '@crossgate/data/node';
import type { LlamaConfig, PeftAdapter } from '@crossgate/llm';
import { writeFileAtomic } from '@crossgate/tensor/node';
import { loadConfig } from './config/load';
import { InputError } from './errors';
import { kindOf, temporaryName } from './files';

/** Where an adapter lies, and what it was trained on. */
export interface AdapterPlace {
  /** Absolute path of the folder with adapter_config.json. */
  readonly folder: string;
  /** The run's `llm.path`, as the user gave it; null for a PEFT folder that is no run. */
  readonly model: string | null;
}

/**
 * Finds the adapter of a run folder, or takes a PEFT folder as it is.
 * @param path absolute
 * @throws InputError when there is none
 */
export async function locateAdapter(path: string): Promise<AdapterPlace> {
  const kind = await kindOf(path);
  if (kind === 'absent') throw new InputError(`${path}: not found; give a run folder or a PEFT folder`);
  if (kind !== 'folder') throw new InputError(`${path}: is a file; give a run folder or a PEFT folder`);
  if ((await kindOf(join(path, 'adapter_config.json'))) === 'file') return { folder: path, model: null };
  const folder = join(path, 'adapter');
  const config = join(path, 'config.yaml');
  if ((await kindOf(join(folder, 'adapter_config.json'))) !== 'file') {
    const what =
      (await kindOf(config)) === 'file' ? 'the run has no adapter (yet)' : 'is neither a run nor a PEFT folder';
    throw new InputError(`${path}: ${what}; there is no adapter_config.json`);
  }
  if ((await kindOf(config)) !== 'file') return { folder, model: null };
  return { folder, model: (await loadConfig(config, { cwd: path })).llm.path };
}

/** Reads an adapter for a model. @throws InputError naming the file and what does not fit */
export async function openAdapter(folder: string, config: LlamaConfig): Promise<PeftAdapter> {
  const [{ readPeftAdapter }, { openFolder }] = await Promise.all([
    import('@crossgate/llm'),
    import('@crossgate/llm/node'),
  ]);
  return readPeftAdapter(openFolder(folder), config);
}

/** Content of a file: text, or bytes as they are made. */
export type Content = string | Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Writes a folder that appears whole, by rename, or not at all.
 * @param path absolute; absent, or an empty folder
 * @throws InputError when it holds something already or cannot be made
 */
export async function writeFolder(path: string, files: ReadonlyMap<string, Content>): Promise<void> {
  await makeFolders(dirname(path), 'choose another --out');
  const temporary = temporaryName(path);
  try {
    await mkdir(temporary);
    for (const [name, content] of files) await writeFileAtomic(join(temporary, name), content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      throw new InputError(`${path}: is not empty; choose another --out, or remove it`);
    }
    if (code === 'ENOTDIR') throw new InputError(`${path}: is a file; choose another --out`);
    throw error;
  }
}

/** @throws InputError when the folder cannot take what {@link writeFolder} writes; asked before long work. */
export async function checkOutFolder(path: string): Promise<void> {
  const kind = await kindOf(path);
  if (kind === 'absent') return;
  if (kind !== 'folder') throw new InputError(`${path}: is a file; choose another --out`);
  const { readdir } = await import('node:fs/promises');
  if ((await readdir(path)).length > 0) {
    throw new InputError(`${path}: is not empty; choose another --out, or remove it`);
  }
}

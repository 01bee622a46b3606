/** Where the adapter of a run lies. */

import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';
import { loadConfig } from './config/load';

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
  if (kind === 'absent')
    throw new InputError('not found', {
      code: 'adapter.not-found',
      place: path,
      fix: 'give a run folder or a PEFT folder',
    });
  if (kind !== 'folder')
    throw new InputError('is a file', {
      code: 'adapter.not-found',
      place: path,
      fix: 'give a run folder or a PEFT folder',
    });
  if ((await kindOf(join(path, 'adapter_config.json'))) === 'file') return { folder: path, model: null };
  const folder = join(path, 'adapter');
  const config = join(path, 'config.yaml');
  if ((await kindOf(join(folder, 'adapter_config.json'))) !== 'file') {
    const what =
      (await kindOf(config)) === 'file' ? 'the run has no adapter (yet)' : 'is neither a run nor a PEFT folder';
    throw new InputError(`${what}; there is no adapter_config.json`, { code: 'adapter.not-found', place: path });
  }
  if ((await kindOf(config)) !== 'file') return { folder, model: null };
  return { folder, model: (await loadConfig(config, { cwd: path })).llm.path };
}

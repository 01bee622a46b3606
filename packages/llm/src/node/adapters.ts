/** Adapters on disk. */
import type { LlamaConfig } from '../config';
import { type PeftAdapter, readPeftAdapter } from '../model/peft';
import { openFolder } from './open-model';

/**
 * Reads a PEFT folder on disk and checks it against a model.
 *
 * @throws InputError naming the file and what does not fit
 */
export function openAdapter(folder: string, config: LlamaConfig): Promise<PeftAdapter> {
  return readPeftAdapter(openFolder(folder), config);
}

/** Where in a folder on disk a model is: beside config.json, as a GGUF file, or in a snapshot of the Hub's cache. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kindOf } from '@crossgate/files';
import { InputError } from '@crossgate/tensor';
import { ggufParts } from '../formats/gguf-model';

/** Whether a path is a folder. @throws {InputError} when nothing is there */
export async function isFolder(path: string): Promise<boolean> {
  const kind = await kindOf(path);
  if (kind === 'absent') {
    throw new InputError('there is no such model', {
      code: 'model.not-found',
      place: path,
      fix: 'give a Hugging Face folder or a .gguf file.',
    });
  }
  return kind === 'folder';
}

/**
 * Finds the model that a path leads to. A folder may have config.json and safetensors, or one GGUF model. It may also
 * be a repository in the cache of Hugging Face's programs (`models--ORG--NAME`); it then stands for its snapshot of
 * `main`.
 *
 * @returns the path of a folder with config.json, or of a GGUF file (the first of several parts)
 * @throws {InputError} when there is no model, or several
 */
export async function findModel(path: string): Promise<string> {
  if (!(await isFolder(path))) return ggufParts(path)[0]!;
  const names = await readdir(path);
  const ggufs = names.filter((name) => name.endsWith('.gguf') && ggufParts(name)[0] === name).sort();
  const hasConfig = names.includes('config.json');
  // A config.json beside a GGUF file often has no more than the architecture.
  if (hasConfig && (ggufs.length === 0 || names.some((name) => name.endsWith('.safetensors')))) return path;
  if (ggufs.length === 1) return join(path, ggufs[0]!);
  if (ggufs.length > 1)
    throw new InputError(`holds several models: ${ggufs.join(', ')}`, {
      code: 'model.ambiguous',
      place: path,
      fix: 'name one of them.',
    });
  const commit = await readFile(join(path, 'refs', 'main'), 'utf8').catch(() => undefined);
  if (commit !== undefined && names.includes('snapshots')) return findModel(join(path, 'snapshots', commit.trim()));
  const what = names.includes('adapter_config.json')
    ? 'is an adapter; give the model that it was trained on'
    : 'is not a model folder (there is no config.json); give a Hugging Face folder or a .gguf file';
  throw new InputError(`${what}.`, { code: 'model.not-found', place: path });
}

/** `result.json`: what a complete run found. */

import { basename, join } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf, pathAdvice, readText } from '@crossgate/files';
import { parseResult, type StoredResult } from './stored-result';

export type { StoredResult } from './stored-result';

/**
 * Reads the result of a run folder.
 * @throws InputError when the path is not a run, the run is not complete, or its result is damaged
 */
export async function readResult(path: string): Promise<StoredResult> {
  const kind = await kindOf(path);
  if (kind === 'absent')
    throw new InputError('run not found', {
      code: 'run.not-found',
      place: path,
      fix: pathAdvice(path, 'check the path'),
    });
  if (kind !== 'folder')
    throw new InputError('is a file, but a run is a folder', { code: 'run.not-found', place: path });
  if ((await kindOf(join(path, 'config.yaml'))) === 'absent') {
    throw new InputError('is not a run (it has no config.yaml)', { code: 'run.not-found', place: path });
  }
  const file = join(path, 'result.json');
  if ((await kindOf(file)) === 'absent') {
    throw new InputError('the run is not complete', {
      code: 'run.incomplete',
      place: path,
      fix: `finish it with train ${basename(path)}/config.yaml --resume --run ${path}`,
    });
  }
  return parseResult(await readText(file, 'result'), file);
}

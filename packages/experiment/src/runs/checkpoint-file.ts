/** `checkpoints/last.json` and `best.json`: the small file that names the weights of a checkpoint, checked when read. */

import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf, readText } from '@crossgate/files';
import { z } from 'zod';
import { peakMemory } from './stored-result';

/** The names of checkpoints. */
export type CheckpointName = 'last' | 'best';

const checkpointFile = z.strictObject({
  // Only what saving a checkpoint writes: the file is deleted after the next one, so it must lie in this folder.
  weights: z.string().regex(/^(last|best)-[ab]\.safetensors$/),
  metricsBytes: z.int().nonnegative(),
  seconds: z.number().nonnegative(),
  // Absent in checkpoints of earlier versions.
  peakMemory: peakMemory.optional(),
  state: z.unknown(),
});

/** Contents of the file. */
export type CheckpointFile = z.output<typeof checkpointFile>;

/** What is said of every checkpoint that cannot be used. */
function damaged(path: string, detail: string): InputError {
  return new InputError(`is not a checkpoint${detail}`, {
    code: 'checkpoint.damaged',
    place: path,
    fix: 'delete the folder and start the run again',
  });
}

const pathOf = (run: string, name: CheckpointName): string => join(run, 'checkpoints', `${name}.json`);

/**
 * Reads the file of a checkpoint.
 * @param run the run folder
 * @returns undefined when there is none yet
 * @throws InputError naming the file, and the key that is wrong
 */
export async function readCheckpointFile(run: string, name: CheckpointName): Promise<CheckpointFile | undefined> {
  const path = pathOf(run, name);
  if ((await kindOf(path)) === 'absent') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(await readText(path, 'checkpoint'));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw damaged(path, ' (no JSON)');
  }
  return check(path, checkpointFile, value);
}

/**
 * Checks what a caller stored in a checkpoint.
 * @throws InputError naming the file, and the key that is wrong
 */
export function checkCheckpointState<State>(
  run: string,
  name: CheckpointName,
  schema: z.ZodType<State>,
  state: unknown,
): State {
  return check(pathOf(run, name), schema, state, 'state.');
}

function check<Value>(path: string, schema: z.ZodType<Value>, value: unknown, prefix = ''): Value {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const key = result.error.issues[0]?.path.join('.') ?? '';
  throw damaged(path, key === '' ? '' : ` (${prefix}${key} is wrong)`);
}

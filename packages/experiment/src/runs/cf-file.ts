/** The files of a run that hold the vectors of its CF backends. */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';
import { CF_FILE, cfFile } from './run-source';

/** @throws InputError where a finished run lacks a file */
export async function requireRunFile(path: string): Promise<void> {
  if ((await kindOf(path)) === 'file') return;
  throw new InputError('is missing; the run folder is not whole', { code: 'run.damaged', place: path });
}

/**
 * What a file of vectors holds.
 * @param path absolute
 * @returns a hash of names, shapes and values, and the file's metadata
 * @throws InputError when it is missing or damaged
 */
export async function digestVectors(path: string): Promise<{ hash: string; metadata: Record<string, string> }> {
  await requireRunFile(path);
  const [{ parseState }, { openFile }] = await Promise.all([
    import('@crossgate/tensor'),
    import('@crossgate/tensor/node'),
  ]);
  const file = await openFile(path);
  const { state, metadata } = await parseState(file).finally(() => file.close());
  const hash = createHash('sha256');
  for (const name of [...state.keys()].sort()) {
    const { shape, data } = state.get(name)!;
    hash.update(JSON.stringify([name, shape])).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return { hash: hash.digest('hex'), metadata };
}

/**
 * Whether the runs of `cf.run` have the vectors that a run took when it began: they may lie elsewhere by now.
 * @param run absolute path of the run
 * @param named `cf.run`
 * @param cwd that `cf.run` is relative to
 * @returns also true while the run has taken no vectors
 */
export async function hasVectorsOf(run: string, named: string | readonly string[], cwd: string): Promise<boolean> {
  for (const [index, name] of [named].flat().entries()) {
    const own = join(run, cfFile(index));
    if ((await kindOf(own)) !== 'file') return true;
    const other = join(resolve(cwd, name), CF_FILE);
    if ((await kindOf(other)) !== 'file') return false;
    if ((await digestVectors(own)).hash !== (await digestVectors(other)).hash) return false;
  }
  return true;
}

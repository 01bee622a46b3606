/** Writing folders so that they are whole or absent. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '@crossgate/core';
import { type FileContent, temporaryName, writeAtomic } from './atomic';
import { makeFolders } from './make-folders';
import { kindOf } from './read';

/**
 * Writes a folder that appears whole, by rename, or not at all.
 * @param path absolute; absent, or an empty folder
 * @throws InputError when it holds something already or cannot be made
 */
export async function writeFolder(path: string, files: ReadonlyMap<string, FileContent>): Promise<void> {
  await makeFolders(dirname(path), 'choose another --out');
  const temporary = temporaryName(path);
  try {
    await mkdir(temporary);
    for (const [name, content] of files) await writeAtomic(join(temporary, name), content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      throw new InputError('is not empty', {
        code: 'file.exists',
        place: path,
        fix: 'choose another --out, or remove it',
      });
    }
    if (code === 'ENOTDIR')
      throw new InputError('is a file', { code: 'file.kind', place: path, fix: 'choose another --out' });
    throw error;
  }
}

/**
 * Checks, before long work, that {@link writeFolder} can write to a path: nothing or an empty folder is there.
 * @throws InputError when it is a file, or a folder that holds something
 */
export async function checkOutFolder(path: string): Promise<void> {
  const kind = await kindOf(path);
  if (kind === 'absent') return;
  if (kind !== 'folder')
    throw new InputError('is a file', { code: 'file.kind', place: path, fix: 'choose another --out' });
  if ((await readdir(path)).length > 0) {
    throw new InputError('is not empty', {
      code: 'file.exists',
      place: path,
      fix: 'choose another --out, or remove it',
    });
  }
}

/** Writing folders so that they are whole or absent. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '@crossgate/core';
import { type FileContent, temporaryName, writeAtomic } from './atomic';
import { makeFolders, removeFolders } from './make-folders';
import { kindOf } from './read';

/** How a folder is written. */
export interface WriteFolderOptions {
  /** Whether what the folder holds gives way; the caller has made sure that it may. Default: it is refused. */
  readonly replace?: boolean;
  /** What the user can do where the folder cannot be made. */
  readonly fix?: string;
}

/**
 * Writes a folder that appears whole, by rename, or not at all: on failure parents that were missing are gone again,
 * and an earlier folder is as it was.
 * @param path absolute; absent, or an empty folder, or with `replace` any folder
 * @throws InputError when it holds something already or cannot be made
 */
export async function writeFolder(
  path: string,
  files: ReadonlyMap<string, FileContent>,
  { replace = false, fix = 'choose another --out' }: WriteFolderOptions = {},
): Promise<void> {
  const parent = dirname(path);
  const created = await makeFolders(parent, fix);
  const temporary = temporaryName(path);
  let previous: string | undefined;
  try {
    await mkdir(temporary);
    for (const [name, content] of files) await writeAtomic(join(temporary, name), content);
    // A full folder cannot be replaced by one rename: the earlier one steps aside first, and comes back on failure.
    if (replace && (await readdir(path).catch(() => [])).length > 0) {
      const aside = temporaryName(path);
      await rename(path, aside);
      previous = aside;
    }
    await rename(temporary, path);
  } catch (error) {
    if (previous !== undefined) await rename(previous, path).catch(() => undefined);
    await rm(temporary, { recursive: true, force: true });
    if (created !== undefined) await removeFolders(parent, created);
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      throw new InputError('is not empty', { code: 'file.exists', place: path, fix: `${fix}, or remove it` });
    }
    if (code === 'ENOTDIR') throw new InputError('is a file', { code: 'file.kind', place: path, fix });
    throw error;
  }
  if (previous !== undefined) await rm(previous, { recursive: true, force: true });
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

/** Makes a folder and its missing parents, one level at a time, and takes them back. */
import { mkdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf } from './read';

/** System errors that say that a folder cannot be made at this place, with the words for them. */
const PLACE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'the file system refuses it',
  ENOTDIR: 'a part of the path is a file',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EINVAL: 'the name is not allowed there',
};

/**
 * Makes a folder with its parents. Not by `mkdir` with `recursive`: that never returns where an existing parent answers
 * ENOENT, as /proc does.
 * @param path absolute
 * @param remedy ends the message, such as `choose another --run`
 * @returns the topmost folder that was made, or undefined when all were there
 * @throws InputError naming the folder that is a file or cannot be made; nothing is left behind
 */
export async function makeFolders(path: string, remedy: string): Promise<string | undefined> {
  const missing: string[] = [];
  let present = path;
  let kind = await kindOf(present);
  while (kind === 'absent' && dirname(present) !== present) {
    missing.unshift(present);
    present = dirname(present);
    kind = await kindOf(present);
  }
  if (kind === 'absent')
    throw new InputError('there is no such drive', { code: 'file.path', place: present, fix: remedy });
  if (kind !== 'folder')
    throw new InputError('is a file where a folder is needed', { code: 'file.kind', place: present, fix: remedy });
  for (const folder of missing) {
    try {
      await mkdir(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Made by another process meanwhile.
      if (code === 'EEXIST' && (await kindOf(folder)) === 'folder') continue;
      await removeFolders(dirname(folder), missing[0]!);
      const words = code === 'EEXIST' ? 'a broken link has its name' : PLACE_ERRORS[code ?? ''];
      if (words === undefined) throw error;
      throw new InputError(`the folder cannot be made: ${words}`, { code: 'file.path', place: folder, fix: remedy });
    }
  }
  return missing[0];
}

/** Removes the folders from `path` up to `topmost`, as long as they are empty. */
export async function removeFolders(path: string, topmost: string): Promise<void> {
  for (let folder = path; folder.length >= topmost.length; folder = dirname(folder)) {
    await rmdir(folder).catch(() => {});
  }
}

/** Reading what the user named. */
import { readFile, stat } from 'node:fs/promises';
import { InputError } from '@crossgate/core';

/**
 * What a path leads to. Symbolic links are followed; one that leads nowhere is absent.
 * @throws what the file system says of a path that may not be looked at
 */
export async function kindOf(path: string): Promise<'file' | 'folder' | 'other' | 'absent'> {
  try {
    const info = await stat(path);
    return info.isFile() ? 'file' : info.isDirectory() ? 'folder' : 'other';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'absent';
    throw error;
  }
}

/**
 * Checks that a path the user gave is a file.
 * @param what how the message calls it, such as `config`
 * @param streams whether a pipe or a device such as /dev/stdin will do
 * @throws InputError when it is missing, is a folder, or is a pipe or device that will not do
 */
export async function requireFile(path: string, what: string, streams = false): Promise<void> {
  const kind = await kindOf(path);
  if (kind === 'absent')
    throw new InputError(`${what} not found`, { code: 'file.not-found', place: path, fix: 'check the path' });
  if (kind === 'folder')
    throw new InputError(`is a folder, but a ${what} file is needed`, { code: 'file.kind', place: path });
  if (kind === 'other' && !streams) {
    throw new InputError(`is a pipe or a device, but a ${what} file is needed`, {
      code: 'file.kind',
      place: path,
      fix: 'save it to a file first',
    });
  }
}

/**
 * Reads a small text file the user gave.
 * @throws InputError when it is missing, no regular file, larger than `limit` bytes, or not UTF-8
 */
export async function readText(path: string, what: string, limit = 1 << 20): Promise<string> {
  await requireFile(path, what);
  // Asked before reading: a file of gigabytes given by mistake should not be read into memory to be refused.
  const { size } = await stat(path);
  if (size > limit) {
    throw new InputError(`its ${size} bytes are more than the ${limit} that a ${what} may have`, {
      code: 'file.too-large',
      place: path,
    });
  }
  const bytes = await readFile(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`is not UTF-8 text, so it is not a ${what}`, { code: 'file.encoding', place: path });
  }
}

/** Reading what the user named and writing so that a file is whole or absent. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InputError } from './errors';

/** What a path is, without following it into an error. */
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
  if (kind === 'absent') throw new InputError(`${path}: ${what} not found; check the path`);
  if (kind === 'folder') throw new InputError(`${path}: is a folder, but a ${what} file is needed`);
  if (kind === 'other' && !streams) {
    throw new InputError(`${path}: is a pipe or a device, but a ${what} file is needed; save it to a file first`);
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
    throw new InputError(`${path}: its ${size} bytes are more than the ${limit} that a ${what} may have`);
  }
  const bytes = await readFile(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${path}: is not UTF-8 text, so it is not a ${what}`);
  }
}

/** A name beside `path` that no other process uses; a leftover is recognised by its `.partial` ending. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.partial`);
}

/** Whether a name is one that an unfinished write left: ours, or one of a writer that was given a path of ours. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.partial(\.\d+\.[0-9a-f]+\.tmp)?$/.test(name);
}

/** An error of the file system that names its file: one that came up while a file was being written does not. */
export function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error && 'code' in error && 'syscall' in error) {
    const known = (error as NodeJS.ErrnoException).path;
    // The user knows the file by its own name, not by the temporary one.
    if (known === undefined || isTemporaryName(basename(known))) Object.assign(error, { path });
  }
  return error;
}

/**
 * Writes a file that appears whole, by rename, or not at all.
 * @param fill writes to the temporary path it is given; what it threw is thrown again after cleaning up, with the path
 */
export async function writeAtomicallyWith(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await fill(temporary);
    // The rename must not reach the disk before the contents do.
    const handle = await open(temporary, 'r+');
    await handle.sync().finally(() => handle.close());
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw withPath(error, path);
  }
}

/** Writes text or bytes that appear whole, by rename, or not at all. */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  await writeAtomicallyWith(path, async (temporary) => {
    const handle = await open(temporary, 'wx');
    await handle.writeFile(content).finally(() => handle.close());
  });
}

/** Writing so that a file is whole or absent: beside its place, flushed, then renamed. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** What a file is made of: text (written as UTF-8), bytes, or pieces of these in order. */
export type FileContent = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** A name beside `path` that no other process uses; a leftover is recognized by its `.partial` ending. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.partial`);
}

/** Whether a name is one that an unfinished write left. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.partial$/.test(name);
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
 * Writes a file that appears whole, by rename, or not at all; missing parent folders are made.
 * @throws what the file system or the content throws, the file system's errors with the path; the temporary file is
 *   then gone, and an earlier file of that name is as it was
 */
export async function writeAtomic(path: string, content: FileContent): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(temporary, 'wx');
    try {
      for await (const part of isWhole(content) ? [content] : content) {
        const piece = typeof part === 'string' ? encoder.encode(part) : part;
        for (let done = 0; done < piece.byteLength; ) {
          done += (await handle.write(piece, done, piece.byteLength - done)).bytesWritten;
        }
      }
      // The rename must not reach the disk before the contents do.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw withPath(error, path);
  }
}

const encoder = new TextEncoder();

const isWhole = (content: FileContent): content is string | Uint8Array =>
  typeof content === 'string' || content instanceof Uint8Array;

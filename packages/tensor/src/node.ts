/** Files on disk, for Node: reading in any order, writing all or nothing. */
import { randomBytes } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type ByteSource, checkRange } from './byte-source';
import { InputError } from './input-error';

/**
 * Opens a file for reading.
 * @throws {InputError} when there is no such file, it may not be read, or it is a folder.
 */
export async function openFile(path: string): Promise<ByteSource> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') throw new InputError(`${path}: there is no such file.`);
    if (error.code === 'EACCES' || error.code === 'EPERM') throw new InputError(`${path}: it may not be read.`);
    throw error;
  });
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw new InputError(`${path} is not a file.`);
    const { size } = status;
    return {
      name: path,
      size,
      async read(offset, length, into) {
        checkRange({ name: path, size }, offset, length);
        // Not cleared: every byte is read, or it throws.
        const bytes = into?.subarray(0, length) ?? new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
        for (let done = 0; done < length; ) {
          const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
          if (bytesRead === 0) throw new InputError(`${path} became shorter while it was read.`);
          done += bytesRead;
        }
        return bytes;
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What {@link writeFileAtomic} accepts: text, bytes, or pieces of bytes in order. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file so that it appears whole or not at all: into a temporary neighbour, flushed, then renamed.
 * On any failure the neighbour is removed and an earlier file of that name stays as it was.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
  const handle = await open(temporary, 'wx');
  try {
    try {
      for await (const piece of pieces(content)) {
        for (let done = 0; done < piece.byteLength; ) {
          done += (await handle.write(piece, done, piece.byteLength - done)).bytesWritten;
        }
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

function pieces(content: FileContent): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof content === 'string') return [new TextEncoder().encode(content)];
  return content instanceof Uint8Array ? [content] : content;
}

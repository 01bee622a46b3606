/** Files on disk, for Node: reading in any order. Writing is in `@crossgate/files`. */
import { open } from 'node:fs/promises';
import { type ByteSource, checkRange } from './byte-source';
import { InputError } from './input-error';

/**
 * Opens a file on disk for reading.
 *
 * @throws InputError when there is no such file, it may not be read, or is no file.
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

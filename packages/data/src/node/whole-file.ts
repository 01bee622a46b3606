/** Whether a compressed file is whole. DuckDB takes the place where one is cut off for its end. Node only. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { InputError } from '@crossgate/core';

const refusal = (name: string, what: string, cause?: unknown) =>
  new InputError(what, { code: 'file.damaged', place: name, fix: 'fetch or write it again', cause });

/**
 * Checks that a file compressed by gzip or zstd is not cut off; of gzip, the checksums too. Other files pass.
 *
 * @param path of the file; @param name in messages.
 * @throws InputError for one that is cut off or damaged.
 */
export async function requireWhole(path: string, name: string): Promise<void> {
  if (/\.gz$/i.test(path)) {
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    await pipeline(
      createReadStream(path, { highWaterMark: 1 << 20 }),
      createGunzip({ chunkSize: 1 << 20 }),
      nowhere,
    ).catch((error: NodeJS.ErrnoException) => {
      throw error.code?.startsWith('Z_') ? refusal(name, `damaged or cut short gzip (${error.message})`, error) : error;
    });
  }
  if (/\.zst$/i.test(path)) {
    const file = await open(path);
    try {
      await walkFrames(file, (await file.stat()).size, name);
    } finally {
      await file.close();
    }
  }
}

/** Goes from header to header through the frames and blocks of zstd (RFC 8878), without unpacking any. */
async function walkFrames(file: FileHandle, size: number, name: string): Promise<void> {
  const cut = () => refusal(name, 'damaged or cut short zstd');
  const read = async (at: number, length: number): Promise<Buffer> => {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at);
    if (bytesRead < length) throw cut();
    return buffer;
  };
  if (size === 0) throw cut();
  for (let at = 0; at < size; ) {
    const magic = (await read(at, 4)).readUInt32LE();
    at += 4;
    if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) {
      at += 4 + (await read(at, 4)).readUInt32LE();
      if (at > size) throw cut();
      continue;
    }
    if (magic !== 0xfd2fb528) throw cut();
    const [flags] = (await read(at, 1)) as unknown as [number];
    const isSingle = (flags & 0x20) !== 0;
    const contentSize = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6] as number;
    at += 1 + (isSingle ? 0 : 1) + ([0, 1, 2, 4][flags & 3] as number) + contentSize;
    for (let isLast = false; !isLast; ) {
      const header = (await read(at, 3)).readUIntLE(0, 3);
      isLast = (header & 1) === 1;
      // A block of one repeated byte holds it once.
      at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
    }
    at += (flags & 4) === 0 ? 0 : 4;
    if (at > size) throw cut();
  }
}

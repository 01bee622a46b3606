/** Source folders on disk. Node only. */
import { createReadStream, type ReadStream } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { InputError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';
import type { SourceFolder } from '../source';

/** The code of a file system error, such as ENOENT. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** Where a source file lies: as it is named, or compressed beside that name. */
export async function placeOf(directory: string, file: string): Promise<string | undefined> {
  for (const path of [join(directory, file), join(directory, `${file}.gz`)]) {
    if ((await kindOf(path)) === 'file') return path;
  }
  return undefined;
}

/** The content of a gzip file as a stream: no more than a few chunks are in memory. */
async function* unzipped(bytes: ReadStream, path: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  bytes.on('error', (error) => gunzip.destroy(error));
  try {
    yield* bytes.pipe(gunzip) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (errorCode(error)?.startsWith('Z_')) {
      throw new InputError(`damaged or cut short gzip (${(error as Error).message})`, {
        code: 'file.damaged',
        place: path,
        fix: 'fetch it again',
      });
    }
    throw error;
  } finally {
    bytes.destroy();
    gunzip.destroy();
  }
}

/** A source folder on disk. Files are read as streams; `NAME.gz` is read where `NAME` is missing. */
export function folderSource(directory: string): SourceFolder {
  return {
    name: directory,
    async has(file) {
      return (await placeOf(directory, file)) !== undefined;
    },
    async open(file) {
      const path = await placeOf(directory, file);
      if (path === undefined)
        throw new InputError('no such file', { code: 'data.not-found', place: join(directory, file) });
      const bytes = createReadStream(path, { highWaterMark: 1 << 20 });
      return path.endsWith('.gz') ? unzipped(bytes, path) : bytes;
    },
  };
}

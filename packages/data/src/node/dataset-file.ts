/** A whole data set in one compressed file: the manifest as a line of JSON, then the content files in their order. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { InputError } from '@crossgate/core';
import type { Dataset } from '../dataset';
import { readDatasetFile } from '../dataset-file';
import { type DatasetManifest, encodeDataset, filesOf, manifestFile } from '../format';

/**
 * A data set as one gzip file, piece by piece; {@link openDatasetFile} reads it. Columns of small ids compress to about
 * a third.
 */
export async function* datasetFile(dataset: Dataset): AsyncGenerator<Uint8Array> {
  const files = await encodeDataset(dataset);
  const pieces = function* () {
    const manifest = JSON.parse(new TextDecoder().decode(files.get(manifestFile))) as DatasetManifest;
    yield Buffer.from(`${JSON.stringify(manifest)}\n`);
    for (const name of filesOf(manifest)) yield files.get(name)!;
  };
  yield* Readable.from(pieces(), { objectMode: true }).pipe(createGzip({ level: 6, chunkSize: 1 << 18 }));
}

/**
 * Opens a file that {@link datasetFile} made.
 *
 * @param path of the file.
 * @throws InputError naming the file when it is damaged or of another format.
 */
export async function openDatasetFile(path: string): Promise<Dataset> {
  const damaged = (what: string) => new InputError(what, { code: 'data.damaged', place: path });
  const bytes = createReadStream(path, { highWaterMark: 1 << 20 });
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  bytes.on('error', (error) => gunzip.destroy(error));
  const stream = bytes.pipe(gunzip);
  try {
    return await readDatasetFile(stream as AsyncIterable<Uint8Array>, path);
  } catch (error) {
    if (error instanceof Error && (error as NodeJS.ErrnoException).code?.startsWith('Z_')) {
      throw damaged(`damaged or cut short gzip (${error.message})`);
    }
    throw error;
  } finally {
    bytes.destroy();
    gunzip.destroy();
  }
}

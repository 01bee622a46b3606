/** A whole data set in one compressed file: the manifest as a line of JSON, then the content files in their order. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { InputError } from '@crossgate/core';
import type { Dataset } from '../dataset';
import { type DatasetManifest, decodeDataset, encodeDataset, filesOf, manifestFile, parseManifest } from '../format';

/** The longest manifest that is read: counts, recipe and warnings are short. */
const LONGEST_MANIFEST = 2 ** 24;

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
    const chunks = (stream as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    let rest: Uint8Array = new Uint8Array(0);
    while (!rest.includes(10)) {
      const { done, value } = await chunks.next();
      if (done || rest.length > LONGEST_MANIFEST) throw damaged('holds no data set');
      rest = Buffer.concat([rest, value]);
    }
    const end = rest.indexOf(10);
    const manifest = parseManifest(new TextDecoder().decode(rest.subarray(0, end)), path);
    rest = rest.subarray(end + 1);
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const name of filesOf(manifest)) {
      const size = manifest.files[name]!.bytes;
      // A buffer of its own, so that columns in it are aligned.
      const file = Buffer.allocUnsafeSlow(size) as Uint8Array<ArrayBuffer>;
      for (let filled = 0; filled < size; ) {
        if (rest.length === 0) {
          const { done, value } = await chunks.next();
          if (done) throw damaged('is cut short');
          rest = value;
        }
        const part = rest.subarray(0, size - filled);
        file.set(part, filled);
        filled += part.length;
        rest = rest.subarray(part.length);
      }
      files.set(name, file);
    }
    // The end is read too: there the checksum of the archive is compared.
    if (rest.length > 0 || !(await chunks.next()).done) throw damaged('is longer than its manifest says');
    return await decodeDataset(manifest, files, { place: path });
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

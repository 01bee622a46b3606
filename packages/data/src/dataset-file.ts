/** Reads a whole data set from one file: the manifest as a line of JSON, then the content files in their order. */
import { InputError } from '@crossgate/core';
import type { Dataset } from './dataset';
import { decodeDataset, filesOf, parseManifest } from './format';

/** The longest manifest that is read: counts, recipe and warnings are short. */
const LONGEST_MANIFEST = 2 ** 24;

const LINE_FEED = 10;

/** Two pieces of bytes as one. */
function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/**
 * Reads the data set of a file that `datasetFile` of `@crossgate/data/node` made, such as `data.gz` of a run.
 *
 * @param unpacked what the gzip file holds, piece by piece: in a browser, what a `DecompressionStream` gives
 * @param place of the file, for messages
 * @throws InputError naming the file when it is damaged or of another format; what `unpacked` throws
 */
export async function readDatasetFile(unpacked: AsyncIterable<Uint8Array>, place: string): Promise<Dataset> {
  const damaged = (what: string) => new InputError(what, { code: 'data.damaged', place });
  const chunks = unpacked[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  while (!rest.includes(LINE_FEED)) {
    const { done, value } = await chunks.next();
    if (done || rest.length > LONGEST_MANIFEST) throw damaged('holds no data set');
    rest = joined(rest, value);
  }
  const end = rest.indexOf(LINE_FEED);
  const manifest = parseManifest(new TextDecoder().decode(rest.subarray(0, end)), place);
  rest = rest.subarray(end + 1);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const name of filesOf(manifest)) {
    const size = manifest.files[name]!.bytes;
    // A buffer of its own, so that columns in it are aligned.
    const file = new Uint8Array(size);
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
  return await decodeDataset(manifest, files, { place });
}

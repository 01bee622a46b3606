/** Arrays on their way to peers and back, and how far results lie apart. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PeerProblem } from './process';
import type { ArrayFile, ArrayFiles } from './protocol';
import { rowsOf } from './rows';
import type { HostArray } from './work';

/**
 * What a result may differ by, relative to ours in the Euclidean norm. Sums in another order differ by far less, a wrong
 * layout by about 1.
 */
export const tolerances = { f32: 1e-4, f16: 3e-2 } as const;

/** Writes arrays into the folder. @param kind tells the files of one use from those of another */
export async function writeArrays(
  folder: string,
  kind: string,
  arrays: Readonly<Record<string, HostArray>>,
): Promise<ArrayFiles> {
  const files: Record<string, ArrayFile> = {};
  for (const [index, [name, { shape, data }]] of Object.entries(arrays).entries()) {
    const file = `${kind}.${index}.bin`;
    await writeFile(join(folder, file), data);
    files[name] = { file, shape, dtype: data instanceof Int32Array ? 'i32' : 'f32' };
  }
  return files;
}

async function readArray(folder: string, { file, dtype }: ArrayFile): Promise<ArrayLike<number>> {
  const { buffer, byteOffset, byteLength } = await readFile(join(folder, file));
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  return dtype === 'f64' ? new Float64Array(bytes) : dtype === 'i32' ? new Int32Array(bytes) : new Float32Array(bytes);
}

/** ‖actual − expected‖ / ‖expected‖; NaN where one of them is no number. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  return Math.sqrt(difference) / Math.max(Math.sqrt(size), 1e-30);
}

/**
 * The largest relative error of a peer's results, of those rows that it gives.
 * @throws PeerProblem when a result is missing, or has another number of values
 */
export async function compareFiles(
  folder: string,
  files: ArrayFiles,
  expected: Readonly<Record<string, HostArray>>,
): Promise<number> {
  let worst = 0;
  for (const [name, array] of Object.entries(expected)) {
    const file = files[name];
    if (file === undefined) throw new PeerProblem(`gives no ${name}`);
    const data = file.rows ? rowsOf(array, file.rows) : array.data;
    const actual = await readArray(folder, file);
    if (actual.length !== data.length)
      throw new PeerProblem(`gives ${actual.length} values of ${name}, ours ${data.length}`);
    const error = relativeError(actual, data);
    // A comparison with NaN is false: it stays.
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

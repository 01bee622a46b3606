/** Writes a report so that it is there whole or not at all. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { InputError } from './errors';

/**
 * Writes beside `path` and renames.
 *
 * @throws InputError naming the path when it cannot be written
 */
export async function writeReport(path: string, text: string): Promise<void> {
  const partial = `${path}.${process.pid}.part`;
  try {
    await writeFile(partial, text);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw new InputError(`${path}: cannot be written (${(error as Error).message}); give another --out`);
  }
}

/** Files that come with a program: configs/ and assets/ beside it in a checkout, an installed package or a bundle. */
import { dirname, join } from 'node:path';
import { kindOf } from './read';

/** Folders above the program that are looked in: as far as the root of a checkout, and one more. */
const LEVELS = 4;

/**
 * Finds a file or folder of the program's own, such as `configs/demo/demo.yaml`. The folder nearest to the program wins: an
 * installed package has its copies in `dist`, a checkout and a bundle have theirs at the root.
 * @param name relative, with slashes
 * @param program folder of the program's code
 * @returns its absolute path, or undefined when this program came without it
 */
export async function shippedPath(name: string, program: string): Promise<string | undefined> {
  let folder = program;
  for (let level = 0; level <= LEVELS; level++) {
    const path = join(folder, ...name.split('/'));
    if ((await kindOf(path)) !== 'absent') return path;
    folder = dirname(folder);
  }
  return undefined;
}

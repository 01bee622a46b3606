// Where the parts of a checkout lie.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** The compiler that checks types and writes declarations: a native program, several times as fast as TypeScript 6. */
export const tsc = join(root, 'node_modules', 'typescript-7', 'bin', 'tsc');

/** The folders of all packages and apps of the workspace, relative to `folder`, sorted. */
export async function workspaceFolders(folder = root) {
  const found = [];
  for (const group of ['packages', 'apps']) {
    for (const entry of await readdir(join(folder, group), { withFileTypes: true }).catch(() => [])) {
      const path = join(group, entry.name);
      if (entry.isDirectory() && (await stat(join(folder, path, 'package.json')).catch(() => null))) found.push(path);
    }
  }
  return found.sort();
}

// Copies what comes with the crossgate program into its dist while the package is packed. In a checkout the program
// finds these at the root, so the copies go again afterwards. Run by npm in the package's folder: shipped.mjs
// copy|remove
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Paths from the root of the checkout; the program looks for the same names beside itself. */
export const shipped = ['configs/base.yaml', 'configs/demo', 'configs/ml-1m', 'configs/paper', 'assets/demo-llm'];

/** Copies to `target`. */
export async function copyShipped(/** @type {string} */ target, source = root) {
  for (const path of shipped) await cp(join(source, path), join(target, path), { recursive: true });
}

/** Removes what `copyShipped` made. */
export async function removeShipped(/** @type {string} */ target) {
  for (const name of new Set(shipped.map((path) => path.split('/')[0] ?? ''))) {
    if (name !== '') await rm(join(target, name), { recursive: true, force: true });
  }
}

const dist = join(process.cwd(), 'dist');
if (process.argv[2] === 'copy') await copyShipped(dist);
if (process.argv[2] === 'remove') await removeShipped(dist);

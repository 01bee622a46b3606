// What goes into the bundle, as a list, so that it can be checked without making one.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * @typedef {{ from: string, to: string }} Entry an absolute path, and where it goes in the bundle
 */

/** Every file under a folder. @returns {Promise<Entry[]>} */
async function folderEntries(/** @type {string} */ from, /** @type {string} */ to) {
  const entries = await readdir(from, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(from.length + 1))
    .sort()
    .map((name) => ({ from: join(from, name), to: `${to}/${name}` }));
}

/**
 * The files that are copied as they are. Programs, Node, and libraries are made or found by the command itself.
 * @param {string} root of the checkout
 * @returns {Promise<Entry[]>}
 * @throws {Error} when a file that must be there is not
 */
export async function listContents(root) {
  const webgpu = join(root, 'packages', 'gpu', 'node_modules', 'webgpu');
  const forReport = join(root, 'packages', 'report', 'node_modules');
  const libsql = join(root, 'node_modules', '.pnpm', 'node_modules', '@libsql', 'linux-x64-gnu');
  const koffi = join(root, 'node_modules', '.pnpm', 'node_modules', '@koromix', 'koffi-linux-x64');
  const required = [
    { from: join(root, 'tools', 'bundle', 'run.sh'), to: 'run.sh' },
    { from: join(root, 'docs', 'bundle.md'), to: 'README.md' },
    { from: join(root, 'LICENSE'), to: 'LICENSE' },
    ...['pytorch.py', 'pytorch_steps.py'].map((name) => ({
      from: join(root, 'apps', 'bench', 'src', 'peers', name),
      to: `app/bench/${name}`,
    })),
    ...['index.js', 'package.json', 'LICENSE.md', 'dist/linux-x64/dawn.node'].map((name) => ({
      from: join(webgpu, name),
      to: `app/node_modules/webgpu/${name}`,
    })),
    // What draws PNG is read as files.
    ...[
      ...['@resvg/resvg-wasm/package.json', '@resvg/resvg-wasm/index_bg.wasm'],
      ...['package.json', 'LICENSE', 'ttf/DejaVuSans.ttf'].map((name) => `dejavu-fonts-ttf/${name}`),
    ].map((name) => ({ from: join(forReport, name), to: `app/node_modules/${name}` })),
    // SQLite of the state file of `crossgate serve`: the rest of the package is in the program.
    ...['package.json', 'index.node'].map((name) => ({
      from: join(libsql, name),
      to: `app/node_modules/@libsql/linux-x64-gnu/${name}`,
    })),
    // What calls Open MPI.
    ...['package.json', 'index.js', 'linux_x64/koffi.node'].map((name) => ({
      from: join(koffi, name),
      to: `app/node_modules/@koromix/koffi-linux-x64/${name}`,
    })),
  ];
  const absent = required.filter(({ from }) => !existsSync(from));
  if (absent.length > 0) throw new Error(`bundle: ${absent.map(({ from }) => from).join(', ')}: not there`);
  return [
    ...required,
    ...(await folderEntries(join(root, 'configs'), 'configs')),
    ...(await folderEntries(join(root, 'assets'), 'assets')),
  ];
}

// Declarations of the packages, dist/*.d.ts: one run of tsc writes those of every module, and rollup joins them to one
// file for each entry. tsup would start a compiler for each package, which takes nine times as long.
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { runToEnd } from '../../packages/setup/src/run-to-end.mjs';
import { root, tsc, workspaceFolders } from './layout.mjs';

/**
 * Types of the platform in our declarations. Which library declares them depends on the project: DOM, node, TypeScript 6
 * or @webgpu/types. These merge with such a declaration; where there is none, the names are opaque types. A reference to
 * @webgpu/types would contradict the DOM library of TypeScript 6, and does not compile without a DOM library.
 */
const platformTypes = [
  ...['AbortSignal', 'Blob'],
  ...['GPU', 'GPUAdapter', 'GPUAdapterInfo', 'GPUBindGroup', 'GPUBindGroupLayout', 'GPUBuffer', 'GPUComputePipeline'],
  ...['GPUDevice', 'GPUSupportedLimits'],
];
const banner = `declare global { ${platformTypes.map((name) => `interface ${name} {}`).join(' ')} }`;

/** Where tsc writes, as tsconfig.declarations.json says. */
const modules = join(root, '.cache', 'declarations');

/**
 * The entries of a package that have types: the declaration of the source, by the name of the file in dist.
 * @param {string} path of the package's folder, relative to the root
 * @returns {Promise<Record<string, string>>}
 */
async function entriesOf(path) {
  const { exports = {} } = JSON.parse(await readFile(join(root, path, 'package.json'), 'utf8'));
  const entries = /** @type {{ types?: string, '@crossgate/source': string }[]} */ (Object.values(exports));
  const typed = entries.flatMap((entry) => (entry.types ? [{ ...entry, types: entry.types }] : []));
  return Object.fromEntries(
    typed.map(({ types, '@crossgate/source': source }) => {
      return [basename(types, '.d.ts'), join(modules, path, source.replace(/\.ts$/, '.d.ts'))];
    }),
  );
}

/**
 * Writes the declarations of all packages.
 * @throws {Error} when a compiler fails, or an entry refers to a declaration that is not there
 */
export async function writeDeclarations() {
  await rm(modules, { recursive: true, force: true });
  const code = await runToEnd(process.execPath, [tsc, '-p', 'tsconfig.declarations.json'], {
    ...{ cwd: root, env: process.env, stdio: ['ignore', 'inherit', 'inherit'] },
  });
  if (code !== 0) throw new Error('setup: tsc wrote no declarations; the lines above say why');
  for (const path of await workspaceFolders()) {
    const input = await entriesOf(path);
    if (Object.keys(input).length === 0) continue;
    const bundle = await rollup({
      input,
      // Our own packages and all dependencies stay imports.
      external: (id) => !/^[./]/.test(id) && !id.startsWith(root),
      plugins: [dts()],
      onwarn({ code: kind, message }) {
        // Types without a public name are bundled without one, on purpose.
        if (kind === 'PLUGIN_WARNING' && message.includes('private shared type')) return;
        throw new Error(`setup: declarations of ${path}: ${message}`);
      },
    });
    await bundle.write({
      ...{ dir: join(root, path, 'dist'), format: 'es', banner },
      entryFileNames: '[name].d.ts',
      // The plugin names a chunk after a declaration.
      chunkFileNames: ({ name }) => `${name.replace(/\.d$/, '')}-[hash].d.ts`,
    });
    await bundle.close();
  }
}

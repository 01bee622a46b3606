// Bundles the two programs and their launcher into few files that need nothing but Node and Dawn.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Packages that were written for CommonJS call `require`, which a module does not have. */
const banner =
  "import { createRequire as createRequire_ } from 'node:module';\nconst require = createRequire_(import.meta.url);";

/**
 * Writes `train/` with the page of `crossgate serve`, `bench/` and `launch.mjs` to a folder.
 * @param {string} out
 * @returns {Promise<string[]>} folders of the npm packages that went in, for their licenses
 */
export async function buildPrograms(out) {
  // Types are of no use here: the plugin is TypeScript, so it is compiled before it is loaded.
  const { kernelTestsPlugin, workerEntry } = await loadTypeScript(join(root, 'apps', 'bench', 'verify.build.ts'));
  const common = /** @type {import('esbuild').BuildOptions} */ ({
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'es2022', metafile: true, logLevel: 'error' },
    ...{
      conditions: ['@crossgate/source'],
      loader: { '.wgsl': 'text', '.client.js': 'text' },
      // DuckDB is larger than the rest together.
      external: ['webgpu', '@duckdb/node-api'],
      banner: { js: banner },
    },
    ...{ minifySyntax: true, minifyWhitespace: true, legalComments: 'none', splitting: true, absWorkingDir: root },
  });
  const program = (/** @type {string} */ name) => join(root, 'apps', name, 'src', 'main.ts');
  const results = [
    await build({ ...common, entryPoints: [program('train')], outdir: join(out, 'train') }),
    await build({ ...common, entryPoints: [program('bench')], outdir: join(out, 'bench') }),
    await build({
      ...{ ...common, splitting: false, plugins: [kernelTestsPlugin()] },
      ...{ entryPoints: [workerEntry], outfile: join(out, 'bench', 'verify-worker.js') },
    }),
    // `peers` starts it as processes of their own, from beside itself.
    await build({
      ...{ ...common, splitting: false },
      ...{ entryPoints: [join(root, 'apps/bench/src/peers/worker.ts')], outfile: join(out, 'bench', 'peer-worker.js') },
    }),
    await build({
      ...{ ...common, splitting: false },
      ...{ entryPoints: [join(root, 'tools', 'bundle', 'launch.mjs')], outfile: join(out, 'launch.mjs') },
    }),
    // `crossgate setup` starts it as a process of its own, from beside itself.
    await build({
      ...{ ...common, splitting: false },
      ...{ entryPoints: [join(root, 'packages/setup/src/probe-child.js')], outfile: join(out, 'train/probe-child.js') },
    }),
  ];
  // The server finds its page beside itself.
  const serve = join(root, 'packages', 'serve');
  const vite = createRequire(join(serve, 'package.json')).resolve('vite');
  await (await import(pathToFileURL(vite).href)).build({
    ...{ root: join(serve, 'page'), logLevel: 'warn', build: { outDir: join(out, 'train', 'page') } },
  });
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
  const folders = inputs.map((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? '');
  return [...new Set(folders)].filter((path) => path !== '').sort();
}

/** Loads a TypeScript module that is no part of a build. */
async function loadTypeScript(/** @type {string} */ path) {
  const text = await readFile(path, 'utf8');
  const source = text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href));
  const stdin = { contents: source, loader: /** @type {const} */ ('ts'), sourcefile: relative(root, path) };
  const { outputFiles } = await build({ stdin, write: false, format: 'esm', platform: 'node', target: 'es2022' });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? '')}`);
}

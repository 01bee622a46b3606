/** What Vite makes of the packages for a browser: nothing of Node; and what bundlers say of entries that need Node. */
import { fileURLToPath } from 'node:url';
import { build as buildByEsbuild } from 'esbuild';
import { build, type Rollup } from 'vite';
import { expect, it } from 'vitest';

// Of which all packages are dependencies.
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Builds a page's script that uses all of some entries, without a config, as somebody's own page would be. */
async function bundle(...entries: string[]) {
  const id = 'a-page.js';
  const lines = entries.map((entry, at) => `import * as all${at} from '${entry}'; console.log(all${at});`);
  const modules: string[] = [];
  const page = {
    name: 'page',
    resolveId: (source: string) => (source === id ? id : null),
    load: (source: string) => (source === id ? lines.join('\n') : null),
    buildEnd(this: { getModuleIds(): IterableIterator<string> }) {
      modules.push(...this.getModuleIds());
    },
  };
  const built = await build({
    ...{ root, configFile: false, logLevel: 'silent', plugins: [page] },
    build: { write: false, minify: false, rollupOptions: { input: id } },
  });
  const { output } = (Array.isArray(built) ? built[0] : built) as Rollup.RollupOutput;
  return { modules, code: output.map((part) => ('code' in part ? part.code : '')).join('\n') };
}

const entries = ['gpu', 'kernels', 'tensor', 'data', 'cf', 'llm', 'fusion', 'eval', 'experiment/live'];

it('a build of all entries for browsers holds nothing of Node', async () => {
  const { modules, code } = await bundle(...entries.map((entry) => `@crossgate/${entry}`));
  for (const entry of entries) {
    const [name] = entry.split('/');
    expect(modules.some((path) => path.includes(`packages/${name}/dist/`))).toBe(true);
  }
  // What Vite puts in the place of a module of Node, and Dawn for Node.
  const ofNode = (path: string) => /^node:|browser-external|dist\/node\.js|\/webgpu\//.test(path);
  expect(modules.filter(ofNode)).toEqual([]);
  expect((await bundle('node:fs')).modules.filter(ofNode)).not.toEqual([]);
  expect(code).not.toMatch(/(?:from|import\(|require\()\s*["'](?:node:|fs|path|os|stream|buffer|worker_threads)/);
});

it.each([
  ['@crossgate/gpu/node', 'import openDevice from @crossgate/gpu'],
  ['@crossgate/data/node', 'readDatasetFile, from @crossgate/data'],
  ['@crossgate/llm/node', 'import httpFolder and openModelFolder from @crossgate/llm'],
  ['@crossgate/tensor/node', 'from @crossgate/tensor'],
  ['@crossgate/experiment', 'import openRunFolder from @crossgate/experiment/live'],
])('a build of %s stops, in Vite and in esbuild, and says what to import instead', async (entry, words) => {
  const contents = `import * as all from '${entry}'; console.log(all);`;
  const quiet = { bundle: true, write: false, logLevel: 'silent', format: 'esm', platform: 'browser' } as const;
  const builds = [bundle(entry), buildByEsbuild({ ...quiet, stdin: { contents, resolveDir: root } })];
  for (const built of await Promise.allSettled<unknown>(builds)) {
    const said = built.status === 'rejected' ? (built.reason as Error).message : 'it was built';
    expect(said).toContain(`[crossgate] ${entry} runs in Node alone. In a browser, `);
    expect(said).toContain(words);
  }
});

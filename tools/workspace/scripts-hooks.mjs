// Hooks of Node's module loader, see scripts.mjs. Node 20 reads no TypeScript by itself; esbuild takes the types away.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

/** A module of the checkout's root: our packages are found from there. */
const root = new URL('../../package.json', import.meta.url).href;

/** What TypeScript lets an import of a file leave out or call by the name of its output. */
const namesOf = (/** @type {string} */ specifier) => [
  specifier.replace(/\.(m?)js$/, '.$1ts'),
  `${specifier}.ts`,
  `${specifier}/index.ts`,
];

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (specifier.startsWith('@crossgate/')) return next(specifier, { ...context, parentURL: root });
    const isFile = /^\.{0,2}\//.test(specifier) && /\.m?ts$/.test(context.parentURL ?? '');
    if (!isFile) throw error;
    for (const name of namesOf(specifier)) {
      try {
        return await next(name, context);
      } catch {
        // The next name may be there; the error that is thrown in the end is the first one.
      }
    }
    throw error;
  }
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  if (!/^file:.*\.m?ts$/.test(url)) return next(url, context);
  const path = fileURLToPath(url);
  const { code } = await transform(await readFile(path, 'utf8'), {
    ...{ loader: 'ts', format: 'esm', target: 'node20', sourcefile: path, sourcemap: 'inline' },
  });
  return { format: 'module', source: code, shortCircuit: true };
}

/**
 * Builds the worker of `crossgate-bench verify` out of the kernels' own test files, so that there is one source of
 * truth:
 * `vitest` becomes a stand-in that needs no runner, and comparisons with references are recorded.
 */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, '..', '..', 'packages');
const kernelsFolder = join(packages, 'kernels', 'src');

/** The worker's source. */
export const workerEntry = join(here, 'src', 'verify', 'worker.ts');

/** Test files of packages/kernels/src by the name of their folder; those beside no kernel count as `kernels`. */
export function kernelTestFiles(folder = kernelsFolder): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!path.endsWith('.test.ts')) continue;
    const [first = '', ...rest] = path.split(/[\\/]/);
    const kernel = rest.length > 0 ? first : 'kernels';
    files.set(kernel, [...(files.get(kernel) ?? []), join(folder, path)]);
  }
  return files;
}

/** Resolves what the tests import: the list of tests, vitest, the references. */
export function kernelTestsPlugin(): Plugin {
  const standIn = (name: string) => join(here, 'src', 'verify', name);
  return {
    name: 'kernel-tests',
    setup(build) {
      build.onResolve({ filter: /^crossgate:kernel-tests$/ }, ({ path }) => ({ path, namespace: 'kernel-tests' }));
      build.onLoad({ filter: /.*/, namespace: 'kernel-tests' }, () => {
        const lines = [...kernelTestFiles()].map(([kernel, files]) => {
          const loaders = files.map((file) => `() => import(${JSON.stringify(file)})`);
          return `${JSON.stringify(kernel)}: [${loaders.join(', ')}],`;
        });
        return { contents: `export const kernelTests = {\n${lines.join('\n')}\n};`, resolveDir: here };
      });
      build.onResolve({ filter: /^vitest$/ }, () => ({ path: standIn('vitest.ts') }));
      build.onResolve({ filter: /^@crossgate\/testing$/ }, ({ path }) => ({ path, namespace: 'references' }));
      build.onLoad({ filter: /.*/, namespace: 'references' }, () => {
        const references = JSON.stringify(join(packages, 'testing', 'src', 'index.ts'));
        const contents = [
          `import * as references from ${references};`,
          `import { recorded } from ${JSON.stringify(standIn('comparisons.ts'))};`,
          `export * from ${references};`,
          'export const expectClose = recorded(references.expectClose);',
        ];
        return { contents: contents.join('\n'), resolveDir: here };
      });
    },
  };
}

import { readFile } from 'node:fs/promises';
import { defineConfig } from 'vitest/config';

/** Imports kernels and scripts of pages as their text, as the build does. */
const filesAsText = {
  name: 'files-as-text',
  enforce: 'pre' as const,
  async load(id: string) {
    if (!/\.(wgsl|client\.js)$/.test(id)) return null;
    return `export default ${JSON.stringify(await readFile(id, 'utf8'))};`;
  },
};

export default defineConfig({
  plugins: [filesAsText],
  // Not `import`: it would hold for what CommonJS requires as well, which then gets a module where it needs a class.
  resolve: { conditions: ['@crossgate/source', 'node', 'default'] },
  ssr: { resolve: { conditions: ['@crossgate/source', 'node', 'default'] } },
  test: {
    include: [
      'packages/*/{src,test}/**/*.test.ts',
      'apps/*/{src,test}/**/*.test.ts',
      '{tools,studies,reference}/**/*.test.ts',
    ],
    // A process per file: a lost device, a crash in a driver or a leak stays with the file that caused it.
    pool: 'forks',
    isolate: true,
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});

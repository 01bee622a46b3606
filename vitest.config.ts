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

/** Matrix units, which software Vulkan has for eight lanes alone. */
const matrices =
  'packages/kernels/src/{attention/attention-matrix,matmul/matmul-matrix,matmul-ladder/matmul-ladder}.test.ts';
/** Tests that leave something behind in their process: a module replaced, a method or a model registered, other kernels. */
const untidy = [
  'apps/train/test/{config-values,load-model,one-file-method,strict}.test.ts',
  'packages/experiment/test/toy-cf-model.test.ts',
  'packages/tensor/test/precision.test.ts',
];

export default defineConfig({
  plugins: [filesAsText],
  // Not `import`: it would hold for what CommonJS requires as well, which then gets a module where it needs a class.
  resolve: { conditions: ['@crossgate/source', 'node', 'default'] },
  ssr: { resolve: { conditions: ['@crossgate/source', 'node', 'default'] } },
  test: {
    // One more than the cores of a small machine: tests of programs, servers and browsers wait a good deal.
    maxWorkers: 3,
    // Most of the time would go into the compiler of software Vulkan, for kernels that run a few times: it shall not
    // optimize them, and make them for four lanes, where each access to memory takes half the code of eight.
    // `GALLIVM_PERF= LP_NATIVE_VECTOR_WIDTH= npm test` tests them as users run them.
    env: {
      GALLIVM_PERF: process.env.GALLIVM_PERF ?? 'nopt',
      LP_NATIVE_VECTOR_WIDTH: process.env.LP_NATIVE_VECTOR_WIDTH ?? '128',
    },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'tidy',
          include: [
            'packages/*/{src,test}/**/*.test.ts',
            'apps/*/{src,test}/**/*.test.ts',
            '{tools,studies,reference}/**/*.test.ts',
          ],
          exclude: ['**/node_modules/**', matrices, ...untidy],
          // Files share a process, and what they import: nearly a second for each.
          isolate: false,
        },
      },
      { extends: true, test: { name: 'matrices', include: [matrices], env: { LP_NATIVE_VECTOR_WIDTH: '256' } } },
      { extends: true, test: { name: 'untidy', include: untidy } },
    ],
  },
});

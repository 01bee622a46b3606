// Writes the WGSL of attention's kernels, as a GPU with registers of its own gets it, into a folder: a text for each
// kernel and head size, in blocks that a workgroup shares, in rows that an invocation holds (`rows-…`), and by matrix units.
//
//   npm run -s example -- reference/registers/attention.mjs FOLDER
//
// registers.py counts what these texts need.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderKernel, resolveConstants } from '@crossgate/gpu';
import { attention, attentionBackward } from '@crossgate/kernels';

const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: npm run -s example -- reference/registers/attention.mjs FOLDER');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const [tokens, heads, keyValueHeads] = [2100, 32, 32];

/**
 * A device that writes what it is told to run and runs nothing.
 * @param {string} prefix
 * @param {number} headDim
 */
const device = (prefix, headDim) => ({
  capabilities: {
    ...{ software: false, name: 'nvidia-h100', architecture: 'hopper' },
    ...{ f16: true, subgroups: true, subgroupSize: [32, 32] },
    matrixConfigurations: [{ component: 'f16', result: 'f32', m: 16, n: 16, k: 16 }],
    limits: {
      ...{ maxStorageBufferBindingSize: 2 ** 31, maxComputeWorkgroupStorageSize: 49_152 },
      ...{ maxComputeInvocationsPerWorkgroup: 1024, maxComputeWorkgroupSizeX: 1024 },
    },
  },
  memory: { allocate: slice, releaseEarly: () => {} },
  recorder: {
    /**
     * @param {import('@crossgate/gpu').Kernel} kernel
     * @param {import('@crossgate/gpu').DispatchArguments} dispatch
     */
    dispatch({ declaration }, { constants }) {
      const text = renderKernel(declaration, resolveConstants(declaration, constants), true);
      writeFileSync(join(folder, `${prefix}${declaration.name}-${headDim}.wgsl`), text);
    },
  },
});

/** @param {number} size */
function slice(size) {
  return { size };
}

for (const headDim of [64, 80, 96, 128]) {
  const all = slice(4 * tokens * heads * headDim);
  const names = ['query', 'key', 'value', 'out', 'logSumExp', 'offsets', 'sequenceOfToken'];
  const gradients = ['gradOut', 'gradQuery', 'gradKey', 'gradValue'];
  const slices = Object.fromEntries([...names, ...gradients].map((name) => [name, all]));
  const shape = { ...slices, tokens, heads, keyValueHeads, headDim, scale: 1 };
  const row = { workgroupSize: 64, rows: 1, step: headDim <= 64 ? 2 : 1 };
  const rows = { forward: row, backwardQuery: row, backwardKey: row };
  for (const [prefix, options] of [
    ['', {}],
    ['', { precision: 'f16' }],
    ['rows-', { plan: rows }],
  ]) {
    for (const launch of [attention, attentionBackward]) {
      Reflect.apply(launch, undefined, [device(String(prefix), headDim), { ...shape, ...Object(options) }]);
    }
  }
}

/** Predictions: arithmetic by hand, never faster than the roofline, and a page that says what the figures say. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { predict, predictDispatch, type WorkGroup } from './model.mjs';
import { comparisonTable, page, type StepPrediction } from './tables.mjs';

const folder = new URL('../../docs/results/engine-predicted/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const { gpu, steps } = JSON.parse(read('predictions.json')) as { gpu: string; steps: StepPrediction[] };

const [rows, columns, inner] = [2100, 4096, 4096];
const product: WorkGroup = {
  ...{ kernel: 'matmul-tiled', dispatches: 2, workgroups: 17 * 32, flops: 2 * rows * columns * inner, bytes: 1e8 },
  product: { rows, columns, inner, innerPerSplit: inner },
  constants: { ROWS: 8, COLUMNS: 8, THREADS: 16, COLUMN_THREADS: 16, SLAB: 16, RANK: 0, TRANSPOSE_B: true },
};

it('takes the clocks of the busiest multiprocessor', () => {
  // 544 workgroups on 132 multiprocessors: five on some. 256 slabs of 2048 clocks each, three quarters of them busy.
  const milliseconds = (5 * 256 * 2048) / 0.75 / 1.9e6;
  expect(predictDispatch(product).predictedMs).toBeCloseTo(milliseconds + 0.0025, 9);
  expect(predictDispatch(product)).toMatchObject({ limit: 'arithmetic' });
  // What fills up a tile is multiplied too.
  const narrow = { ...product, flops: product.flops / 8, product: { ...product.product!, columns: 512 } };
  expect(predictDispatch(narrow).predictedMs).toBe(predictDispatch(product).predictedMs);
});

it('takes whole tiles of matrix units, at an assumed share of their rate', () => {
  const parts = { ROWS: 64, COLUMNS: 32, SUBGROUP_ROWS: 2, SUBGROUP_COLUMNS: 4, SLAB: 32, RANK: 0 };
  const matrix = { ...product, kernel: 'matmul-matrix', constants: parts };
  // Tiles of 128 x 128, five on some multiprocessors, a fifth of 989 TFLOP/s.
  const milliseconds = (5 * 2 * 128 * 128 * inner) / ((0.2 * 989e9) / 132);
  expect(predictDispatch(matrix).predictedMs).toBeCloseTo(milliseconds + 0.0025, 9);
  expect(predictDispatch(matrix).rooflineMs).toBeCloseTo(product.flops / 989e9, 9);
  // Parts of 16 x 16 read 8/3 of what parts of 64 x 32 do for each product; here in a tile of 64 x 16.
  const small = { ROWS: 16, COLUMNS: 16, SUBGROUP_ROWS: 4, SUBGROUP_COLUMNS: 1, SLAB: 32, RANK: 0 };
  const narrow = predictDispatch({ ...matrix, constants: small }).predictedMs - 0.0025;
  expect(narrow).toBeCloseTo((milliseconds / 16) * (8 / 3), 9);
});

it('gives a skinny product as much of the GPU as it has workgroups', () => {
  const skinny = { ...product, kernel: 'matmul-skinny', workgroups: 264, flops: 2 * 2100 * 8 * 4096, constants: {} };
  const milliseconds = skinny.bytes / (0.85 * 3.35e9);
  expect(predictDispatch(skinny).predictedMs).toBeCloseTo(milliseconds + 0.0025, 9);
  expect(predictDispatch({ ...skinny, workgroups: 33 }).predictedMs).toBeCloseTo(4 * milliseconds + 0.0025, 9);
});

it('takes attention by matrix units at an assumed share of their rate, and its forward scores twice', () => {
  const flops = 1e11;
  const attention = { dispatches: 1, workgroups: 2112, flops, bytes: 4, constants: {} };
  const ms = (kernel: string) => predictDispatch({ ...attention, kernel }).predictedMs - 0.0025;
  expect(ms('attention-matrix-key')).toBeCloseTo(flops / (0.08 * 989e9), 9);
  expect(ms('attention-matrix')).toBeCloseTo((1.5 * flops) / (0.08 * 989e9), 9);
  expect(ms('attention-block-key')).toBeGreaterThan(ms('attention-matrix-key'));
});

it('takes bytes from the cache where they fit, and knows no kernel by guess', () => {
  const stream = { kernel: 'binary', dispatches: 1, workgroups: 1, flops: 0, constants: {} };
  expect(predictDispatch({ ...stream, bytes: 2e7 }).predictedMs).toBeCloseTo(2e7 / 5.5e9 + 0.0025, 9);
  expect(predictDispatch({ ...stream, bytes: 1e9 }).predictedMs).toBeCloseTo(1e9 / (0.85 * 3.35e9) + 0.0025, 9);
  expect(predictDispatch({ ...stream, bytes: 4 })).toMatchObject({ limit: 'start' });
  expect(() => predictDispatch({ ...stream, flops: 1, bytes: 4 })).toThrow('no model of the kernel binary');
});

it('sums a step, which the host may hold up', () => {
  const memory = { persistent: 1, peak: 2 };
  const named = { name: 'x', shape: 'y', precision: 'f32', tokens: 10 };
  const count = { ...named, dispatches: 2, flops: 2 * product.flops, bytes: 2e8, memory };
  const step = predict({ ...count, groups: [product] });
  expect(step.gpuMs).toBeCloseTo(2 * predictDispatch(product).predictedMs, 9);
  expect(step.stepMs).toBe(step.gpuMs);
  expect(predict({ ...count, dispatches: 1e6, groups: [product] }).stepMs).toBeCloseTo(1e4, 6);
  const measured = { name: 'x step', precision: 'f32', ms: 9, inRowMs: 2 * step.gpuMs, hostMs: 1, kernels: [] };
  expect(comparisonTable(step, measured)).toMatch(/^\| step, in a row \| [\d.]+ \| [\d.]+ \| 2\.00 \|$/m);
});

it('keeps predictions that no roofline forbids, and a page of them', () => {
  const names = ['7b f32', '7b f16', 'smollm2 f32', 'smollm2 f16', 'inferena f32'];
  expect(steps.map(({ name, precision }) => `${name} ${precision}`)).toEqual(names);
  // Matrix units save time, and do the same products.
  for (const at of [0, 2]) {
    expect(steps[at + 1]!.gpuMs).toBeLessThan(steps[at]!.gpuMs);
    expect(steps[at + 1]!.tflop).toBeCloseTo(steps[at]!.tflop, 9);
  }
  for (const { kernels, gpuMs, dispatches } of steps) {
    expect(kernels.reduce((sum, { predictedMs }) => sum + predictedMs, 0)).toBeCloseTo(gpuMs, 6);
    expect(kernels.reduce((sum, kernel) => sum + kernel.dispatches, 0)).toBe(dispatches);
    for (const { rooflineMs, predictedMs, kernel } of kernels) expect(predictedMs, kernel).toBeGreaterThan(rooflineMs);
  }
  expect(read('README.md')).toBe(page(steps, gpu));
});

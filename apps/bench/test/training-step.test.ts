/** Steps of language models: counted without a GPU, and run whole on a tiny model, whose figures belong together. */
import { openDevice, openNullDevice } from '@crossgate/gpu/node';
import { expect, it } from 'vitest';
import type { Ceilings } from '../src/ceilings/ceilings';
import { type CountReport, formatCountReport } from '../src/commands/count-step';
import { chooseStep, formatStepReport } from '../src/commands/training-step';
import { h100 } from '../src/counting/h100';
import { workByKernel } from '../src/counting/work';
import { describeAdapter, describeMachine } from '../src/machine';
import { besideCount, checkStepFits, measureStep } from '../src/training/measure-step';
import { countStep, type StepCase } from '../src/training/step-cases';
import { run } from './program';

const ceilings: Ceilings = {
  fma: { gflops: 10, accumulators: 8, unroll: 1, vector: true },
  copy: { gbps: 5, bytes: 2 ** 20 },
  copies: [],
};

const tiny: StepCase = {
  name: 'tiny',
  sizes: { name: 'tiny', hiddenSize: 64, intermediateSize: 172, layers: 2, heads: 8, keyValueHeads: 4, vocabSize: 512 },
  ...{ sequences: 2, tokens: 9, trains: 'lora', weights: 'int4', checkpointing: false, precision: 'f32' },
};

it('counts a layer of 7b as its shape says', () => {
  const flops = (layers: number) =>
    countStep(h100, chooseStep('7b', { layers })).dispatches.reduce((sum, each) => sum + each.flops, 0);
  const [tokens, hidden, inner, rank] = [2100, 4096, 11_008, 8];
  // Forward, and the gradient of the input; the weights are frozen.
  const linear = 2 * 2 * tokens * (4 * hidden ** 2 + 3 * hidden * inner);
  // Both factors forward, two gradients through them and two of them, on queries and values.
  const adapters = 2 * 6 * 2 * tokens * hidden * rank;
  const attention = (4 + 6 + 8) * hidden * 3 * ((700 * 701) / 2);
  // The last layer computes some products for the last tokens alone, the first one no gradients of embeddings.
  expect(flops(3) - flops(2)).toBe(linear + adapters + attention);
});

it('counts trained weights three times forward, and their memory with gradients', () => {
  const { dispatches, persistentBytes, peakBytes } = countStep(h100, chooseStep('inferena', { layers: 3 }));
  const works = new Map(workByKernel(dispatches).map((work) => [work.name, work]));
  const layer = 2 * 576 * 576 + 2 * 192 * 576 + 3 * 576 * 1536;
  const head = 49_152 * 576;
  // The feed-forward of the last layer and the head leave the last token out.
  const last = 576 * 576 + 3 * 576 * 1536;
  const products = 128 * 3 * layer - last + 127 * head;
  expect(works.get('matmul-tiled')!.flops).toBe(3 * 2 * products);
  const values = 3 * layer + head + 7 * 576;
  // Arenas and the rotary table add little.
  expect(persistentBytes).toBeGreaterThanOrEqual(8 * values);
  expect(persistentBytes).toBeLessThan(8 * values + 2 ** 20);
  expect(peakBytes).toBeGreaterThan(persistentBytes);
});

it.each(['f32', 'f16'] as const)('records few dispatches for a layer of a LoRA step in %s', (precision) => {
  const count = (layers: number) => {
    const { dispatches } = countStep(h100, { ...chooseStep('smollm2', { layers }), precision });
    return new Map(workByKernel(dispatches).map((work) => [work.name, work.dispatches]));
  };
  const [two, three] = [count(2), count(3)];
  const attention = precision === 'f32' ? 'attention-block' : 'attention-matrix';
  const layer = [...three].map(([name, dispatches]) => [name, dispatches - (two.get(name) ?? 0)] as const);
  expect(Object.fromEntries(layer.filter(([, dispatches]) => dispatches !== 0))).toEqual({
    // Forward, and the gradient of the input: no second stages, and no dispatches for what LoRA adds to them.
    [precision === 'f32' ? 'matmul-tiled' : 'matmul-matrix']: 14,
    // The first factors of LoRA on queries and values, the gradient through the second ones, and those of both factors.
    'matmul-skinny': 8,
    ...{ rmsnorm: 2, 'rmsnorm-backward': 2, swiglu: 1, 'swiglu-backward': 1, rope: 2 },
    ...Object.fromEntries(['', '-query', '-key'].map((part) => [`${attention}${part}`, 1])),
    ...{ 'attention-delta': 1, 'attention-sum-parts': 1 },
  });
});

it('counts products in f16 by matrix units, and the loss scale', () => {
  const { sizes, ...step } = tiny;
  const counted = (['f32', 'f16'] as const).map(
    (precision) =>
      new Map(workByKernel(countStep(h100, { ...step, sizes, precision }).dispatches).map((w) => [w.name, w])),
  );
  const [plain, halves] = [counted[0]!, counted[1]!];
  expect(plain.has('matmul-matrix')).toBe(false);
  expect(halves.has('matmul-tiled')).toBe(false);
  expect(halves.get('matmul-matrix')!.flops).toBe(plain.get('matmul-tiled')!.flops);
  // Those of LoRA, which memory limits.
  expect(halves.get('matmul-skinny')!.flops).toBe(plain.get('matmul-skinny')!.flops);
  expect(plain.has('loss-scale')).toBe(false);
  expect(halves.get('loss-scale')!.dispatches).toBe(1);
  expect(halves.get('adam')).toEqual({ ...plain.get('adam')!, bytes: expect.any(Number) });
});

it('sets kernels beside their counts, and says where these differ', () => {
  const work = { workgroups: 1, constants: {}, parameters: {} };
  const product = { ...work, kernel: 'product', flops: 4e6, bytes: 1 };
  const copy = { ...work, kernel: 'copy', flops: 0, bytes: 1e6 };
  const row = (name: string, count: number) => ({ name, count, nanoseconds: 1e6 });
  const kernels = [row('product', 2), row('copy', 1), row('unknown', 3)];
  const beside = besideCount({ dispatches: 6, kernels }, [product, product, copy, copy, product, copy, copy], ceilings);
  expect(beside.message).toBe(
    'the step dispatched product 2 times, counted 3; copy 1 times, counted 4; unknown 3 times, counted 0',
  );
  expect(beside.kernels!.map(({ ofCeiling }) => ofCeiling)).toEqual([null, null, null]);
  expect(beside.kernels![2]).toMatchObject({ name: 'unknown', dispatches: 3, ms: 1, share: 1 / 3, flops: 0 });
  const right = besideCount({ dispatches: 3, kernels: kernels.slice(0, 2) }, [product, product, copy], ceilings);
  // 8 operations and 1 byte in a nanosecond, beside 10 and 5.
  expect(right.kernels!.map(({ ofCeiling }) => ofCeiling)).toEqual([0.8, 0.2]);
  expect(right).not.toHaveProperty('message');
  expect(besideCount({ dispatches: 3, kernels: null }, [product, product], ceilings)).toEqual({
    kernels: null,
    message: 'the step dispatched all kernels 3 times, counted 2',
  });
});

it('says before anything is allocated what a step needs that does not fit', async () => {
  const device = await openNullDevice({ memoryBudget: 2 ** 20 });
  try {
    expect(() => checkStepFits(device, tiny)).not.toThrow();
    const wide = { ...tiny, tokens: 999 };
    expect(() => checkStepFits(device, wide)).toThrow(
      /step tiny does not fit: it needs [\d.]+ MiB, .* KiB of them for weights, of 1\.0 MiB; take --checkpointing, fewer/,
    );
    // The null backend's largest buffer holds no embeddings of 7b.
    expect(() => checkStepFits(device, chooseStep('7b', { layers: 1 }))).toThrow(/7b does not fit/);
    expect(device.report().peak.total).toBe(0);
  } finally {
    await device.destroy();
  }
});

it('refuses options that the step does not read', () => {
  for (const options of [{ weights: 'int4' }, { precision: 'f16' }] as const) {
    expect(() => chooseStep('inferena', options)).toThrow(/trains all weights in f32/);
  }
  expect(chooseStep('smollm2', { tokens: 5, weights: 'int8' })).toMatchObject({
    tokens: 5,
    weights: 'int8',
    sequences: 3,
  });
});

it.each([
  ['lora', 'int4'],
  ['all', 'f32'],
] as const)(
  'measures a step that trains %s on weights in %s, and leaves nothing behind',
  async (trains, weights) => {
    const device = await openDevice();
    try {
      const of = { ...tiny, trains, weights };
      const count = checkStepFits(device, of);
      const result = await measureStep(device, of, count, ceilings, { steps: 1, seed: 1 });
      expect(device.memory.report().persistent).toEqual({});
      expect(result.dispatches).toBe(count.dispatches.length);
      expect(result).toMatchObject({ precision: 'f32', lossScale: null });
      expect(result).not.toHaveProperty('message');
      expect(result.memory.persistent).toBe(count.persistentBytes);
      // Steps without gradients before and after take other buffers of the pool.
      expect(Math.abs(result.memory.peak / count.peakBytes - 1)).toBeLessThan(0.1);
      const { times, losses } = result;
      expect(times.slowest).toBeGreaterThanOrEqual(result.ms);
      expect(result.ms).toBeGreaterThanOrEqual(times.fastest);
      expect(result.hostMs).toBeLessThan(times.slowest);
      expect(result.tokensPerSecond * result.inRowMs).toBeCloseTo(1000 * 18, 6);
      expect(result.gflops * result.inRowMs * 1e6).toBeCloseTo(result.flops, 0);
      // AdamW has changed the adapters; without an update nothing has changed.
      if (trains === 'lora') expect(losses.after).not.toBe(losses.before);
      else expect(losses.after).toBe(losses.before);
      const report = {
        machine: describeMachine(),
        adapter: describeAdapter(device.capabilities),
        ceilings,
        results: [result],
      };
      const text = formatStepReport(report);
      const lossScale = { scale: 2 ** 15, goodSteps: 1, skippedSteps: 1, skippedInRow: 0, updates: 4 };
      const strange = formatStepReport({ ...report, results: [{ ...result, lossScale, message: 'copy 1 times' }] });
      expect(strange).toContain('\nloss scale 32768, 1 steps left out\ncopy 1 times\n');
      expect(text).toContain(`tiny step: tiny (2 layers of 64), 2 x 9 tokens`);
      if (!device.capabilities.timestamps) {
        expect(result.kernels).toBeNull();
        return;
      }
      const kernels = result.kernels!;
      expect(kernels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
      expect(kernels.reduce((sum, { dispatches }) => sum + dispatches, 0)).toBe(result.dispatches);
      expect(text).toMatch(/\nmatmul-\w+ +\d+ +[\d.]+ +[\d.]+% +[\d.]+ +- +[\d.]+%/);
    } finally {
      await device.destroy();
    }
  },
  120_000,
); // Seconds on an idle machine, most of them compiling.

it('prints what it counts, and refuses options that do not go together', async () => {
  const { code, stdout } = await run('training', '--step', 'inferena', '--layers', '2', '--count', '--json');
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as CountReport;
  const { dispatches, flops, bytes, kernels, groups } = report;
  for (const parts of [kernels, groups]) {
    expect(parts.reduce((sum, part) => sum + part.dispatches, 0)).toBe(dispatches);
  }
  expect(groups.reduce((sum, group) => sum + group.dispatches * group.flops, 0)).toBe(flops);
  expect(groups.reduce((sum, group) => sum + group.dispatches * group.bytes, 0)).toBe(bytes);
  expect(formatCountReport(report)).toMatch(
    /inferena: SmolLM2-135M \(2 layers of 576\).*\n.*\n\nkernel .*\nmatmul-tiled +\d+/,
  );
  expect(await run('training', '--tokens', '5')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--step 7b|'),
  });
  const filtered = await run('training', '--step', '7b', '--filter', 'cf');
  expect(filtered).toMatchObject({ code: 2, stderr: expect.stringContaining('--filter has no effect on --step') });
  const counted = await run('training', '--step', '7b', '--count', '--steps', '3');
  expect(counted).toMatchObject({ code: 2, stderr: expect.stringContaining('--steps has no effect on --count') });
});

it('refuses products in f16 on an adapter without matrix units, by name', async () => {
  const device = await openDevice();
  const { software, name } = device.capabilities;
  await device.destroy();
  if (!software) return;
  const { code, stderr } = await run('training', '--step', 'smollm2', '--layers', '1', '--precision', 'f16');
  expect(code).toBe(2);
  expect(stderr).toContain(`--precision f16 needs matrix units, but ${name} is a program on the processor`);
});

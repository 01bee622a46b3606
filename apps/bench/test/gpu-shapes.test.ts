/** Kernels at the sizes of large models: what they record, counted without a GPU, is the work that they claim. */
import { openDevice } from '@crossgate/gpu/node';
import { expect, it } from 'vitest';
import type { Ceilings } from '../src/ceilings/ceilings';
import { countingDevice } from '../src/counting/device';
import { h100 } from '../src/counting/h100';
import { attentionPairs, type DispatchWork, workByKernel, workOf } from '../src/counting/work';
import { BenchContext } from '../src/kernels';
import { gpuBenches } from '../src/kernels/gpu-shapes';
import { runKernelBenches, selectBenches } from '../src/kernels/run';
import { countStep, type StepCase, stepCases, stepNames } from '../src/training/step-cases';

it('claims the work that it records, and names each shape once', () => {
  const pairs = attentionPairs([700, 700, 700]);
  let seen: DispatchWork[] = [];
  const device = countingDevice(h100, (declaration, args) => seen.push(workOf(declaration, args, pairs)));
  for (const bench of gpuBenches) {
    const step = device.step();
    const record = bench.prepare(new BenchContext(device, 1));
    seen = [];
    record();
    step.end();
    const sum = workByKernel(seen).reduce(
      (all, { flops, bytes }) => ({ flops: all.flops + flops, bytes: all.bytes + bytes }),
      {
        flops: 0,
        bytes: 0,
      },
    );
    const { work } = bench;
    const label = `${bench.launcher} ${bench.shape}`;
    const inHalves = bench.shape.includes('; matrix units');
    expect(
      seen.some(({ kernel }) => /^(matmul|attention)-matrix/.test(kernel)),
      label,
    ).toBe(inHalves);
    expect(bench.when?.(h100) ?? true, label).toBe(true);
    expect(bench.when?.({ ...h100, matrixConfigurations: [] }) ?? true, label).toBe(!inHalves);
    if (!('flops' in work)) {
      expect(sum.flops, label).toBe(0);
      // Positions, statistics and tables are small beside the values.
      expect(sum.bytes / work.bytes, label).toBeGreaterThan(0.99);
      expect(sum.bytes / work.bytes, label).toBeLessThan(1.05);
    } else if (bench.launcher === 'attentionBackward') {
      // The work is that of five products; the kernels compute the scores twice and their gradient twice.
      expect(sum.flops / work.flops, label).toBeCloseTo(14 / 10, 6);
    } else expect(sum.flops, label).toBe(work.flops);
  }
  const keys = gpuBenches.map(({ launcher, shape, dtype }) => `${launcher} ${shape} ${dtype}`);
  expect(new Set(keys).size).toBe(keys.length);
  expect(selectBenches(gpuBenches, 'int4').every(({ dtype }) => dtype === 'int4')).toBe(true);
});

it.each(stepNames)('has every product of a layer of %s', (name) => {
  const of: StepCase = stepCases[name];
  const productsOf = (layers: number) => {
    const counts = new Map<string, number>();
    for (const { parameters } of countStep(h100, { ...of, sizes: { ...of.sizes, layers } }).dispatches) {
      const { rows, columns, inner } = parameters;
      const shape = `${name} ${rows}x${columns}x${inner}`;
      if (inner !== undefined) counts.set(shape, (counts.get(shape) ?? 0) + 1);
    }
    return counts;
  };
  // The first and the last layer compute less; a third one has what all between them have.
  const [two, three] = [productsOf(2), productsOf(3)];
  const layer = [...three].filter(([shape, count]) => count > (two.get(shape) ?? 0)).map(([shape]) => shape);
  expect(layer.length).toBeGreaterThan(5);
  const products = gpuBenches.filter(({ kernel }) => kernel === 'matmul');
  const known = new Set(products.map(({ shape }) => shape.split(' ', 2).join(' ')));
  for (const shape of layer) expect(known).toContain(shape);
});

it('measures some, and begins none after the time that was given', async () => {
  const device = await openDevice();
  try {
    const ceilings: Ceilings = {
      fma: { gflops: 10, accumulators: 8, unroll: 1, vector: true },
      copy: { gbps: 5, bytes: 2 ** 20 },
      copies: [],
    };
    const benches = selectBenches(gpuBenches, 'smollm2 1x576x576').slice(0, 2);
    const options = { repeats: 1, batchMilliseconds: 1 };
    const results = await runKernelBenches(device, benches, ceilings, options);
    expect(results.map(({ dtype }) => dtype)).toEqual(['f32', 'f16']);
    for (const { ms, gflops } of results) expect(gflops! * ms).toBeCloseTo((2 * 576 * 576) / 1e6, 9);
    const [first] = benches;
    const slow = { ...first!, prepare: (context: BenchContext) => first!.prepare(context) };
    expect(await runKernelBenches(device, [slow, slow], ceilings, { ...options, seconds: 1e-9 })).toEqual([]);
  } finally {
    await device.destroy();
  }
}, 120_000);

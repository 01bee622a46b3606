/** The registry covers every kernel, and every benchmark runs. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import * as kernels from '@crossgate/kernels';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fmaLoops, measureCeilings } from '../src/ceilings/ceilings';
import { BenchContext, kernelBenches } from '../src/kernels';
import { runKernelBenches, selectBenches } from '../src/kernels/run';
import { measure } from '../src/measure';

const folder = fileURLToPath(new URL('../../../packages/kernels/src', import.meta.url));
const kernelFolders = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'include')
  .filter(({ name }) => readdirSync(`${folder}/${name}`).some((file) => file.endsWith('.wgsl')))
  .map(({ name }) => name);

/** Exported functions of a kernel's folder whose first parameter is the device: its launchers. */
function launchersOf(name: string): string[] {
  const files = readdirSync(`${folder}/${name}`).filter((file) => /^[\w-]+\.ts$/.test(file));
  return files.flatMap((file) => {
    const text = readFileSync(`${folder}/${name}/${file}`, 'utf8');
    return [...text.matchAll(/^export function (\w+)\(\s*device: Device\b/gm)].map((match) => match[1]!);
  });
}

describe('the registry of kernel benchmarks', () => {
  it('finds the kernels', () => {
    expect(kernelFolders).toContain('matmul');
    expect(launchersOf('matmul')).toEqual(['matmul']);
    expect(launchersOf('elementwise')).toContain('scaleRows');
  });

  for (const name of kernelFolders) {
    it(`has a benchmark of every launcher of ${name}`, () => {
      const launchers = launchersOf(name);
      expect(launchers).not.toEqual([]);
      const benched = kernelBenches.filter(({ kernel }) => kernel === name).map(({ launcher }) => launcher);
      expect([...new Set(benched)].sort()).toEqual(launchers.sort());
      for (const launcher of launchers) expect(kernels).toHaveProperty(launcher);
    });
  }

  it('lies beside the kernels: every folder has NAME.ts, its test and its benchmark, and the list has them all', () => {
    for (const name of kernelFolders) {
      const files = [`${name}.ts`, `${name}.test.ts`, `${name}.bench.ts`];
      expect(readdirSync(`${folder}/${name}`)).toEqual(expect.arrayContaining(files));
    }
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.bench.ts'),
    );
    expect(files.sort()).toEqual(kernelFolders.map((name) => `${name}/${name}.bench.ts`).sort());
    expect([...new Set(kernelBenches.map(({ kernel }) => kernel))].sort()).toEqual([...kernelFolders].sort());
  });

  it('names only kernels that exist, each with work to do and a shape of its own', () => {
    const keys = kernelBenches.map(({ launcher, shape }) => `${launcher} ${shape}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { kernel, work } of kernelBenches) {
      expect(kernelFolders).toContain(kernel);
      expect(Object.values(work)[0]).toBeGreaterThan(0);
    }
  });

  it('filters by kernel, function and shape', () => {
    expect(selectBenches(kernelBenches, 'COLUMNSUM').every(({ kernel }) => kernel === 'column-sum')).toBe(true);
    expect(selectBenches(kernelBenches, 'LoRA').length).toBeGreaterThan(1);
    expect(selectBenches(kernelBenches, undefined)).toHaveLength(kernelBenches.length);
    expect(selectBenches(kernelBenches, 'no such kernel')).toEqual([]);
  });
});

describe('benchmarks on a device', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  it('every benchmark records what its device accepts', async () => {
    for (const bench of kernelBenches) {
      if (bench.when?.(device.capabilities) === false) continue;
      const step = device.step();
      const before = device.recorder.dispatchCount;
      try {
        bench.prepare(new BenchContext(device, 1))();
      } finally {
        step.end();
      }
      expect(device.recorder.dispatchCount, bench.launcher).toBeGreaterThan(before);
      // Errors of validation arrive with the next wait: here they name the benchmark.
      await device.recorder.synchronize().catch((error: Error) => {
        throw new Error(`${bench.launcher} ${bench.shape}: ${error.message}`, { cause: error });
      });
    }
  });

  it('sets results beside ceilings measured in the same run', async () => {
    const ceilings = await measureCeilings(device, { repeats: 1, loops: fmaLoops.slice(0, 2) });
    expect(ceilings.fma.gflops).toBeGreaterThan(0.1);
    expect(ceilings.copy.gbps).toBe(Math.max(...ceilings.copies.map(({ gbps }) => gbps)));
    const selected = [...selectBenches(kernelBenches, '1200x64x64 A·Bᵀ'), ...selectBenches(kernelBenches, 'rowDot')];
    const results = await runKernelBenches(device, selected, ceilings, { repeats: 1, batchMilliseconds: 1 });
    expect(results.map(({ name }) => name)).toEqual(['matmul', 'rowDot']);
    const [product, dot] = results;
    expect(product!.gflops).toBeCloseTo((2 * 1200 * 64 * 64) / product!.ms / 1e6, 6);
    expect(product!.ofCeiling).toBeCloseTo(product!.gflops! / ceilings.fma.gflops, 6);
    expect(product!.gbps).toBeUndefined();
    expect(dot!.ofCeiling).toBeCloseTo(dot!.gbps! / ceilings.copy.gbps, 6);
    expect(dot).toMatchObject({ dtype: 'f32', peers: {}, ratio: null });
  });

  it('timestamps and the wall clock agree on a long kernel', async ({ skip }) => {
    if (!device.capabilities.timestamps) skip('the adapter has no timestamps');
    const bench = selectBenches(kernelBenches, '512x512x512 A·B ')[0]!;
    const step = device.step();
    const record = bench.prepare(new BenchContext(device, 1));
    // One batch, timed by both clocks, so that other processes disturb both alike.
    const { milliseconds, wall, clock } = await measure(device, record, { repeats: 1, batchMilliseconds: 200 });
    step.end();
    expect(clock).toBe('gpu');
    // GPU time is part of the time on the wall; a wrong unit or a missing dispatch would be off by far more.
    expect(milliseconds / wall).toBeGreaterThan(0.1);
    expect(milliseconds / wall).toBeLessThan(1.1);
  });
});

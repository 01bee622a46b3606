/// <reference path="../wgsl.d.ts" />
/** What the adapter can do at best, measured in the same run as the kernels: an fma loop and a copy. */
import type { Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { measure } from '../measure';
import copySource from './copy.wgsl';
import fmaSource from './fma.wgsl';

const fmaKernel = defineKernel({
  name: 'ceiling-fma',
  source: fmaSource,
  bindings: { out: { access: 'read_write', type: 'f32' } },
  parameters: { iterations: 'u32', x: 'f32', y: 'f32' },
  constants: { ACCUMULATORS: 8, UNROLL: 1, VECTOR: false, WORKGROUP_SIZE: 64 },
});

const copyKernel = defineKernel({
  name: 'ceiling-copy',
  source: copySource,
  bindings: { x: { access: 'read', type: 'vec4<f32>' }, out: { access: 'read_write', type: 'vec4<f32>' } },
  parameters: { values: 'u32' },
  constants: { ITEMS: 1, BLOCKED: false, WORKGROUP_SIZE: 64 },
});

export interface FmaCeiling {
  readonly gflops: number;
  /** The loop that was fastest. */
  readonly accumulators: number;
  readonly unroll: number;
  readonly vector: boolean;
}

export interface CopyCeiling {
  /** Bytes read plus bytes written per second, in 10⁹. */
  readonly gbps: number;
  /** Bytes of the copied array; small ones stay in caches. */
  readonly bytes: number;
}

export interface Ceilings {
  readonly fma: FmaCeiling;
  /** The fastest copy of all sizes. */
  readonly copy: CopyCeiling;
  /** Every size's copy, smallest first. */
  readonly copies: readonly CopyCeiling[];
}

/** The fma loops that are tried: which one is fastest differs between adapters by up to a factor of 7. */
export const fmaLoops: readonly Omit<FmaCeiling, 'gflops'>[] = [8, 12, 16, 32].flatMap((accumulators) =>
  [1, 8, 16].flatMap((unroll) => [false, true].map((vector) => ({ accumulators, unroll, vector }))),
);

export interface CeilingOptions {
  readonly repeats?: number;
  /** Called before each loop and size. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Fewer loops, for tests. */
  readonly loops?: readonly Omit<FmaCeiling, 'gflops'>[];
}

/** Measures both ceilings. Takes a few seconds, most of it compilation. */
export async function measureCeilings(device: Device, options: CeilingOptions = {}): Promise<Ceilings> {
  const { repeats = 5, onProgress, loops = fmaLoops } = options;
  const { software, limits } = device.capabilities;
  const largest = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize, (software ? 64 : 256) * 2 ** 20);
  const sizes = [2 ** 18, 2 ** 21, 2 ** 24, largest].filter(
    (bytes, i, all) => bytes <= largest && all.indexOf(bytes) === i,
  );
  const total = loops.length + sizes.length;
  let best: FmaCeiling | undefined;
  let done = 0;
  for (const loop of loops) {
    onProgress?.(done++, total);
    const gflops = await measureFma(device, loop, repeats);
    if (best === undefined || gflops > best.gflops) best = { gflops, ...loop };
  }
  const copies: CopyCeiling[] = [];
  for (const bytes of sizes) {
    onProgress?.(done++, total);
    copies.push({ gbps: await measureCopy(device, bytes, repeats), bytes });
  }
  const copy = copies.reduce((fastest, candidate) => (candidate.gbps > fastest.gbps ? candidate : fastest));
  return { fma: best!, copy, copies };
}

async function measureFma(device: Device, loop: Omit<FmaCeiling, 'gflops'>, repeats: number): Promise<number> {
  const { accumulators, unroll, vector } = loop;
  const { software } = device.capabilities;
  const workgroupSize = software ? 8 : 256;
  const workgroups = software ? 64 : 2048;
  const operationsPerIteration = 2 * accumulators * unroll * (vector ? 4 : 1) * workgroupSize * workgroups;
  using _step = device.step();
  const out = device.memory.allocate(4 * workgroupSize * workgroups);
  const record = (iterations: number) => () =>
    device.recorder.dispatch(fmaKernel, {
      bindings: { out },
      parameters: { iterations, x: 0.5, y: 0.25 },
      constants: { ACCUMULATORS: accumulators, UNROLL: unroll, VECTOR: vector, WORKGROUP_SIZE: workgroupSize },
      workgroups,
    });
  // Long enough that starting workgroups does not count: from about 2 ms at a guessed speed to 10 ms at the real one.
  const guess = Math.max(1, Math.round(((software ? 2e10 : 2e13) * 2e-3) / operationsPerIteration));
  const first = await measure(device, record(guess), { repeats: 1, batchMilliseconds: 1 });
  const iterations = Math.max(1, Math.round((guess * 10) / Math.max(first.milliseconds, 1e-3)));
  const { fastest } = await measure(device, record(iterations), { repeats, batchMilliseconds: 10 });
  return (operationsPerIteration * iterations) / fastest / 1e6;
}

async function measureCopy(device: Device, bytes: number, repeats: number): Promise<number> {
  const { software } = device.capabilities;
  const workgroupSize = software ? 64 : 256;
  const values = Math.floor(bytes / 16);
  using _step = device.step();
  const x = device.memory.allocate(16 * values);
  const out = device.memory.allocate(16 * values);
  device.recorder.clear(x);
  let fastest = Number.POSITIVE_INFINITY;
  for (const [items, blocked] of [
    [1, false],
    [8, false],
    [8, true],
  ] as const) {
    const record = () =>
      device.recorder.dispatch(copyKernel, {
        bindings: { x, out },
        parameters: { values },
        constants: { ITEMS: items, BLOCKED: blocked, WORKGROUP_SIZE: workgroupSize },
        workgroups: Math.ceil(values / (workgroupSize * items)),
      });
    fastest = Math.min(fastest, (await measure(device, record, { repeats })).fastest);
  }
  return (2 * 16 * values) / fastest / 1e6;
}

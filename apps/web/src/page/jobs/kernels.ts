/** The speed of some kernels on this GPU, by their own benchmarks. */
import { openDevice } from '@crossgate/gpu';
import type { KernelSpeed } from '../protocol';
import { BenchContext, type KernelBench, kernelBenches } from './kernel-cases';
import { measure } from './measure';

/** The kernels that most of a training's time goes to, of each the first benchmark. */
const shown = [
  ...['matmul', 'attention', 'attentionBackward', 'rmsNorm', 'swiglu', 'softmax', 'crossEntropy'],
  ...['gatedFusion', 'gather', 'segmentSum', 'sparsePropagation', 'adam'],
];

/** Browsers round timestamps of the GPU, so time is taken on the wall, of long batches. */
const settings = { clock: 'wall', repeats: 5, batchMilliseconds: 60 } as const;

/** Measures one kernel after another. @returns how many there were */
export async function trackSpeed(_: null, note: (speed: KernelSpeed) => void, signal: AbortSignal): Promise<number> {
  await using device = await openDevice();
  const benches = shown.map((name) => kernelBenches.find(({ launcher }) => launcher === name));
  const usable = benches.filter(
    (bench): bench is KernelBench => bench?.when?.(device.capabilities) ?? bench !== undefined,
  );
  for (const bench of usable) {
    signal.throwIfAborted();
    using _step = device.step();
    const record = bench.prepare(new BenchContext(device, 1));
    const { milliseconds } = await measure(device, record, settings);
    const { work, launcher: name, shape } = bench;
    const amount = 'flops' in work ? work.flops : work.bytes;
    note({ name, shape, milliseconds, rate: amount / milliseconds / 1e6, unit: 'flops' in work ? 'GFLOP/s' : 'GB/s' });
  }
  return usable.length;
}

/** Runs kernel benchmarks and sets each beside the adapter's ceiling. */
import type { Device } from '@crossgate/gpu';
import type { Ceilings } from '../ceilings/ceilings';
import { type MeasureOptions, measure } from '../measure';
import { BenchContext, type KernelBench } from '.';

/** One line of the result, as in the JSON output. */
export interface KernelResult {
  /** Exported function of @crossgate/kernels. */
  readonly name: string;
  readonly kernel: string;
  readonly shape: string;
  /** Type of the weights of a product; f32 for everything else. */
  readonly dtype: 'f32' | 'f16' | 'int4';
  readonly variant: string;
  /** Median milliseconds of one call. */
  readonly ms: number;
  /** Present when arithmetic is the limit. */
  readonly gflops?: number;
  /** Present when memory is the limit: useful bytes read plus written, in 10⁹ per second. */
  readonly gbps?: number;
  /** The adapter's best in the same unit, measured in the same run. */
  readonly ceiling: number;
  /** Share of the ceiling. */
  readonly ofCeiling: number;
  /** Milliseconds of other implementations of the same work on the same adapter. */
  readonly peers: Readonly<Record<string, number>>;
  /** ms of the fastest peer divided by ours; null without peers. */
  readonly ratio: number | null;
}

export interface RunOptions extends MeasureOptions {
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onResult?: (result: KernelResult, done: number, total: number) => void;
  /** No benchmark begins later than this after the first. Default: all are run. */
  readonly seconds?: number | undefined;
}

/** The benchmarks whose kernel, launcher, shape or type contains `filter` (letter case ignored). */
export function selectBenches(benches: readonly KernelBench[], filter: string | undefined): KernelBench[] {
  const wanted = filter?.toLowerCase();
  return benches.filter(
    ({ kernel, launcher, shape, dtype = 'f32' }) =>
      wanted === undefined || [kernel, launcher, shape, dtype].some((text) => text.toLowerCase().includes(wanted)),
  );
}

/**
 * Measures the benchmarks one after another; each has its memory to itself. Ends early when `signal` is aborted, and when
 * `seconds` are over.
 */
export async function runKernelBenches(
  device: Device,
  benches: readonly KernelBench[],
  ceilings: Ceilings,
  options: RunOptions = {},
): Promise<KernelResult[]> {
  const { seed = 1, signal, onResult, seconds = Number.POSITIVE_INFINITY } = options;
  const end = performance.now() + 1000 * seconds;
  const usable = benches.filter(({ when }) => when?.(device.capabilities) ?? true);
  const results: KernelResult[] = [];
  for (const bench of usable) {
    if (signal?.aborted || performance.now() > end) break;
    const result = await runOne(device, bench, ceilings, seed, options);
    results.push(result);
    onResult?.(result, results.length, usable.length);
  }
  return results;
}

async function runOne(
  device: Device,
  bench: KernelBench,
  ceilings: Ceilings,
  seed: number,
  options: MeasureOptions,
): Promise<KernelResult> {
  using _step = device.step();
  const record = bench.prepare(new BenchContext(device, seed));
  const { milliseconds } = await measure(device, record, options);
  const { work } = bench;
  const amount = 'flops' in work ? work.flops : work.bytes;
  const rate = amount / milliseconds / 1e6;
  const ceiling = 'flops' in work ? ceilings.fma.gflops : ceilings.copy.gbps;
  return {
    name: bench.launcher,
    kernel: bench.kernel,
    shape: bench.shape,
    dtype: bench.dtype ?? 'f32',
    variant: bench.variant?.(device.capabilities) ?? 'only',
    ms: milliseconds,
    ...('flops' in work ? { gflops: rate } : { gbps: rate }),
    ceiling,
    ofCeiling: rate / ceiling,
    peers: {},
    ratio: null,
  };
}

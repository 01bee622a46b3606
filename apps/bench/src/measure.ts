/** Times recorded GPU work: warm-up, calibrated batches, the median of repeats. */
import type { Device } from '@crossgate/gpu';
import { Profiler } from '@crossgate/gpu';

export interface MeasureOptions {
  /** Timed batches; the median counts. Default 7. */
  readonly repeats?: number;
  /** Aim for the length of a batch, in milliseconds. Default 20. */
  readonly batchMilliseconds?: number;
  /**
   * `gpu`: timestamps around every dispatch; `wall`: time until the queue is idle. Default: gpu where there are
   * timestamps.
   */
  readonly clock?: 'gpu' | 'wall';
}

export interface Measurement {
  /** Median milliseconds of one call of `record`. */
  readonly milliseconds: number;
  /** The fastest batch, per call. */
  readonly fastest: number;
  readonly clock: 'gpu' | 'wall';
  /** Milliseconds on the wall clock per call, over all timed batches: with encoding, submission and waiting. */
  readonly wall: number;
  /** Calls in each timed batch. */
  readonly calls: number;
}

const mostCalls = 1000;

/**
 * Measures what `record` puts on the device's recorder. Nothing else may be recorded meanwhile.
 *
 * The first batch compiles pipelines and warms caches, the second one sets the number of calls per batch.
 */
export async function measure(device: Device, record: () => void, options: MeasureOptions = {}): Promise<Measurement> {
  const { repeats = 7, batchMilliseconds = 20 } = options;
  const clock = options.clock ?? (device.capabilities.timestamps ? 'gpu' : 'wall');
  const { recorder } = device;
  await recorder.synchronize();
  const profiler = new Profiler();

  let wallTotal = 0;
  /** Milliseconds per call of a batch. */
  const batch = async (calls: number): Promise<number> => {
    profiler.clear();
    if (clock === 'gpu') profiler.attach(device);
    const start = performance.now();
    try {
      for (let i = 0; i < calls; i++) record();
      await recorder.synchronize();
    } finally {
      profiler.detach();
    }
    const wall = performance.now() - start;
    wallTotal += wall;
    const gpu = profiler.rows().reduce((total, row) => total + row.nanoseconds, 0) / 1e6;
    return (clock === 'gpu' ? gpu : wall) / calls;
  };

  await batch(1);
  const once = await batch(2);
  const calls = Math.max(1, Math.min(mostCalls, Math.round(batchMilliseconds / Math.max(once, 1e-4))));
  const samples: number[] = [];
  wallTotal = 0;
  for (let i = 0; i < repeats; i++) samples.push(await batch(calls));
  samples.sort((a, b) => a - b);
  return { milliseconds: median(samples), fastest: samples[0]!, clock, wall: wallTotal / (repeats * calls), calls };
}

/** The middle of sorted values; the mean of the two middle ones of an even number. */
export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

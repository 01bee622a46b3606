/** Measures a training step of a language model: the wall clock, the host's part, memory, and time by kernel. */
import { InterruptedError, NonFiniteLossError } from '@crossgate/core';
import { type Device, formatBytes, OutOfMemoryError, Profiler } from '@crossgate/gpu';
import { deviceBudget } from '@crossgate/gpu/node';
import type { LossScalerState, Precision } from '@crossgate/tensor';
import type { Ceilings } from '../ceilings/ceilings';
import { type DispatchWork, type KernelWork, workByKernel } from '../counting/work';
import { median } from '../measure';
import type { WeightType } from './device-weights';
import { countStep, lengthsOf, prepareStep, type StepCase, type StepCount, stepShape } from './step-cases';

/** Milliseconds over steps. */
export interface StepTimes {
  readonly median: number;
  readonly fastest: number;
  readonly slowest: number;
}

/** A kernel in a step. */
export interface StepKernel extends KernelWork {
  /** Milliseconds of all its dispatches, by GPU timestamps. */
  readonly ms: number;
  /** Share of the milliseconds of all kernels. */
  readonly share: number;
  /** Present when arithmetic is the limit. */
  readonly gflops?: number;
  /** Present when memory is the limit: bytes bound, in 10⁹ per second. */
  readonly gbps?: number;
  /** Share of the adapter's fma loop in f32, or of its copy; null where other dispatches were counted. */
  readonly ofCeiling: number | null;
}

/** One line of the result. */
export interface StepResult {
  readonly name: string;
  readonly shape: string;
  /** Type of the model's matrices. */
  readonly dtype: WeightType;
  /** In which type linear layers multiplied. */
  readonly precision: Precision;
  /** Which weights are trained. */
  readonly variant: StepCase['trains'];
  /** Dispatches of a step. */
  readonly dispatches: number;
  /** Milliseconds of the first step, which compiles. */
  readonly firstMs: number;
  /** Median milliseconds of a step that is waited for. */
  readonly ms: number;
  readonly times: StepTimes;
  /** Median milliseconds in which the host records and submits a step; the device works meanwhile. */
  readonly hostMs: number;
  /** Milliseconds of a step where the next is recorded while one runs, as in a training. */
  readonly inRowMs: number;
  /** By `inRowMs`. */
  readonly tokensPerSecond: number;
  /** Floating-point operations of products and attention in a step. */
  readonly flops: number;
  /** The same per second, in 10⁹, by `inRowMs`. */
  readonly gflops: number;
  /** The adapter's fma loop in f32, in the same unit and run. */
  readonly ceiling: number;
  readonly ofCeiling: number;
  readonly peers: Readonly<Record<string, never>>;
  readonly ratio: null;
  /** Bytes on the device: weights, adapters, gradients and optimizer; and the most with step memory. */
  readonly memory: { readonly persistent: number; readonly peak: number };
  /** Mean loss on the batch before the first step and after the last. */
  readonly losses: { readonly before: number; readonly after: number };
  /** The loss scale after all steps, and how many of them it left out; null where there is none. */
  readonly lossScale: LossScalerState | null;
  /** The longest first; null on adapters without timestamp queries. */
  readonly kernels: readonly StepKernel[] | null;
  /** Where the step dispatched something else than was counted before it ran: what, by kernel. */
  readonly message?: string;
}

export interface StepMeasureOptions {
  /** Timed steps, of each kind. */
  readonly steps: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Measures one more step, and is detached afterwards. Default: one of its own. */
  readonly profiler?: Profiler | undefined;
}

/** What a step may have beside what was counted: shaders, and buffers that the driver frees late. */
const spare = 1.02;

/**
 * Refuses a step that does not fit before anything is allocated.
 *
 * @returns what was counted.
 * @throws OutOfMemoryError with what it needs and what the adapter has.
 */
export function checkStepFits(device: Device, of: StepCase): StepCount {
  const remedy =
    of.trains === 'lora' && !of.checkpointing
      ? 'take --checkpointing, fewer --layers, --tokens or --sequences, or --weights int4'
      : 'take fewer --layers, --tokens or --sequences';
  let count: StepCount;
  try {
    count = countStep(device.capabilities, of);
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    throw new OutOfMemoryError(`the step ${of.name} does not fit: ${error.message}; ${remedy}`);
  }
  const { bytes, origin } = deviceBudget(device);
  if (spare * count.peakBytes > bytes) {
    throw new OutOfMemoryError(
      `the step ${of.name} does not fit: it needs ${formatBytes(count.peakBytes)}, ${formatBytes(count.persistentBytes)} of ` +
        `them for weights, of ${formatBytes(bytes)}${origin}; ${remedy}`,
    );
  }
  return count;
}

/**
 * Measures a step on a device: a first one, which compiles; steps that are waited for one by one; as many in a row; and one
 * under the profiler where there are timestamps.
 *
 * @param count of the step: see {@link checkStepFits}.
 * @throws OutOfMemoryError with the sizes; InterruptedError; NonFiniteLossError when a loss is no number.
 */
export async function measureStep(
  device: Device,
  of: StepCase,
  count: StepCount,
  ceilings: Ceilings,
  options: StepMeasureOptions,
): Promise<StepResult> {
  const { recorder } = device;
  const training = prepareStep(device, of, options.seed);
  try {
    const lengths = lengthsOf(of);
    const run = () => {
      if (options.signal?.aborted) throw new InterruptedError();
      training.run(lengths);
    };
    const lossNow = async (when: string) => {
      const loss = await training.loss(lengths);
      if (!Number.isFinite(loss)) throw new NonFiniteLossError(`${of.name}: the loss ${when} is ${loss}`);
      return loss;
    };
    const before = await lossNow('before the first step');
    const waited = async () => {
      const start = performance.now();
      run();
      const host = performance.now() - start;
      await recorder.synchronize();
      return { host, whole: performance.now() - start };
    };
    const first = await waited();
    const recorded = recorder.dispatchCount;
    const samples: { host: number; whole: number }[] = [];
    for (let i = 0; i < options.steps; i++) samples.push(await waited());
    const dispatches = (recorder.dispatchCount - recorded) / options.steps;
    const inRowMs = await timeInRow(options.steps, run, () => recorder.synchronize());
    const after = await lossNow('after the last step');
    const profiled = await profiledKernels(device, run, options.profiler ?? new Profiler());
    const { kernels, message } = besideCount({ dispatches, kernels: profiled }, count.dispatches, ceilings);
    const { persistent, peak } = device.report();
    const times = timesOf(samples.map(({ whole }) => whole));
    const flops = count.dispatches.reduce((sum, each) => sum + each.flops, 0);
    const gflops = flops / inRowMs / 1e6;
    return {
      ...{ name: `${of.name} step`, shape: stepShape(of), dtype: of.weights, precision: of.precision },
      ...{ variant: of.trains, dispatches },
      ...{ firstMs: first.whole, ms: times.median, times, hostMs: timesOf(samples.map(({ host }) => host)).median },
      ...{ inRowMs, tokensPerSecond: (1000 * of.sequences * of.tokens) / inRowMs },
      ...{ flops, gflops, ceiling: ceilings.fma.gflops, ofCeiling: gflops / ceilings.fma.gflops },
      ...{ peers: {}, ratio: null },
      memory: { persistent: Object.values(persistent).reduce((sum, bytes) => sum + bytes, 0), peak: peak.total },
      losses: { before, after },
      lossScale: await training.lossScale(),
      kernels,
      ...(message !== undefined && { message }),
    };
  } finally {
    // Commands may still run after an error; what they use is freed behind them.
    training.release();
    device.memory.trim();
  }
}

function timesOf(milliseconds: readonly number[]): StepTimes {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  return { median: median(sorted), fastest: sorted[0]!, slowest: sorted.at(-1)! };
}

/** Milliseconds per step where at most two are on their way, as in a training. */
async function timeInRow(steps: number, run: () => void, done: () => Promise<void>): Promise<number> {
  const start = performance.now();
  const pending: Promise<void>[] = [];
  for (let i = 0; i < steps; i++) {
    run();
    const finished = done();
    finished.catch(() => {}); // Whoever awaits it is told; until then it would count as unhandled.
    pending.push(finished);
    if (pending.length > 1) await pending.shift();
  }
  await Promise.all(pending);
  return (performance.now() - start) / steps;
}

/** Dispatches and nanoseconds by kernel of one more step; null on adapters without timestamp queries. */
async function profiledKernels(device: Device, run: () => void, profiler: Profiler): Promise<ProfiledKernel[] | null> {
  if (!device.capabilities.timestamps) return null;
  profiler.attach(device);
  try {
    using _ = profiler.step('training');
    run();
    await device.recorder.synchronize();
  } finally {
    profiler.detach();
  }
  return profiler.rows();
}

type ProfiledKernel = ReturnType<Profiler['rows']>[number];

/**
 * Measured kernels beside what was counted before the step ran. A kernel with other dispatches than counted has no rate.
 *
 * @param measured dispatches of a whole step, and of each kernel where there are timestamps.
 * @returns the kernels, the longest first, and where the two differ, what differs.
 */
export function besideCount(
  measured: { readonly dispatches: number; readonly kernels: readonly ProfiledKernel[] | null },
  counted: readonly DispatchWork[],
  { fma, copy }: Pick<Ceilings, 'fma' | 'copy'>,
): { readonly kernels: StepKernel[] | null; readonly message?: string } {
  const works = new Map(workByKernel(counted).map((work) => [work.name, work]));
  const differences: string[] = [];
  const compare = (what: string, actual: number, expected: number) => {
    if (actual !== expected) differences.push(`${what} ${actual} times, counted ${expected}`);
  };
  if (measured.kernels === null) compare('all kernels', measured.dispatches, counted.length);
  const all = (measured.kernels ?? []).reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
  const kernels = measured.kernels?.map(({ name, count, nanoseconds }): StepKernel => {
    const { dispatches, flops, bytes } = works.get(name) ?? { dispatches: 0, flops: 0, bytes: 0 };
    compare(name, count, dispatches);
    works.delete(name);
    const shared = { name, dispatches: count, flops, bytes, ms: nanoseconds / 1e6, share: nanoseconds / all };
    // Of another number of dispatches, the work is not known.
    if (count !== dispatches) return { ...shared, ofCeiling: null };
    const [amount, ceiling] = flops > 0 ? [flops, fma.gflops] : [bytes, copy.gbps];
    const rate = amount / nanoseconds;
    return { ...shared, ...(flops > 0 ? { gflops: rate } : { gbps: rate }), ofCeiling: rate / ceiling };
  });
  if (kernels) for (const { name, dispatches } of works.values()) compare(name, 0, dispatches);
  return {
    kernels: kernels ?? null,
    ...(differences.length > 0 && { message: `the step dispatched ${differences.join('; ')}` }),
  };
}

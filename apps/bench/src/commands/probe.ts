/** `crossgate-bench probe`: what an unknown card can do, in the first minutes. */
import { InputError, significant, throwIfInterrupted } from '@crossgate/core';
import { type Capabilities, type Device, formatBytes, parseBytes } from '@crossgate/gpu';
import { deviceRemarks, openDevice } from '@crossgate/gpu/node';
import type { CommandContext, GlobalOptions } from '@crossgate/terminal';
import { type Ceilings, fmaLoops, measureCeilings } from '../ceilings/ceilings';
import { columnTable } from '../column-table';
import { BenchContext, type KernelBench } from '../kernels';
import { type KernelResult, runKernelBenches } from '../kernels/run';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { probeCases, smokeSizes, wholeSizes } from '../probe/cases';
import { type MemoryResult, probeMemory, probeQueue, type QueueResult } from '../probe/queue';
import { emitReport } from './emit-report';

export interface ProbeOptions extends GlobalOptions {
  /** Small sizes and few repeats: whether everything runs, in seconds. */
  readonly smoke?: boolean;
  /** Most memory that is asked for, e.g. `64GiB`. */
  readonly memory?: string;
  /** File for the JSON document. */
  readonly out?: string;
}

/** A kernel with bounds checks in shaders or without. */
export interface ProbeResult extends KernelResult {
  /** Whether the driver checks the bounds of every access. */
  readonly robustness: boolean;
  /** Milliseconds of the first call by the wall clock: mostly compiling, unless the driver kept the kernel from before. */
  readonly firstMs: number;
}

/** The JSON document of the command. */
export interface ProbeReport {
  readonly machine: Machine;
  readonly adapter: Adapter;
  /** Features, limits, subgroup sizes and matrix units of the opened device. */
  readonly capabilities: Capabilities;
  /** What is special about it, a line each. */
  readonly remarks: readonly string[];
  /** By robustness. */
  readonly ceilings: { readonly checked: Ceilings; readonly unchecked: Ceilings };
  readonly results: readonly ProbeResult[];
  readonly queue: QueueResult;
  readonly memory: MemoryResult;
}

/** What is asked of a software adapter, whose memory is the machine's. */
const softwareMemory = 2 ** 28;

/**
 * `probe`: measures with and without bounds checks, then submissions, then memory until its end.
 *
 * @throws InputError for a `--memory` that is no size; NoAdapterError without a GPU; InterruptedError.
 */
export async function runProbeCommand(context: CommandContext, options: ProbeOptions): Promise<void> {
  const { smoke = false } = options;
  const asked = options.memory === undefined ? undefined : memoryOf(options.memory);
  const { log } = context;
  const open = (robustness: boolean) =>
    openDevice({
      ...(options.adapter !== undefined && { adapter: options.adapter }),
      ...{ robustness, memoryBudget: Number.POSITIVE_INFINITY },
    });
  const measured: { ceilings: Ceilings; results: ProbeResult[] }[] = [];
  let about: Pick<ProbeReport, 'adapter' | 'capabilities' | 'remarks' | 'queue'> | undefined;
  for (const robustness of [true, false]) {
    await using device = await open(robustness);
    log.info(`measuring ${device.capabilities.name} ${robustness ? 'with' : 'without'} bounds checks`);
    measured.push(await measureKernels(context, device, robustness, options));
    if (!robustness) continue;
    const { capabilities } = device;
    const queue = await probeQueue(device, smoke ? 16 : 1024);
    about = { adapter: describeAdapter(capabilities), capabilities, remarks: deviceRemarks(device), queue };
  }
  await using device = await open(true);
  log.info('filling its memory');
  const most = device.capabilities.software || smoke ? softwareMemory : Number.POSITIVE_INFINITY;
  const memory = await probeMemory(device, asked ?? most, context.io.signal);
  throwIfInterrupted(context.io.signal);
  const [checked, unchecked] = measured;
  const report: ProbeReport = {
    machine: describeMachine(),
    ...about!,
    ceilings: { checked: checked!.ceilings, unchecked: unchecked!.ceilings },
    results: [...checked!.results, ...unchecked!.results],
    memory,
  };
  await emitReport(context, report, options.out, formatProbeReport);
}

function memoryOf(text: string): number {
  try {
    return parseBytes(text);
  } catch (error) {
    throw new InputError(`--memory: ${(error as Error).message}`, { code: 'usage', fix: 'write it as 64GiB' });
  }
}

async function measureKernels(
  { io: { signal }, log }: CommandContext,
  device: Device,
  robustness: boolean,
  { smoke = false, seed = 1 }: ProbeOptions,
): Promise<{ ceilings: Ceilings; results: ProbeResult[] }> {
  const loops = smoke ? fmaLoops.slice(0, 1) : fmaLoops;
  const ceilings = await measureCeilings(device, { loops, repeats: smoke ? 1 : 5 });
  const results: ProbeResult[] = [];
  const cases = probeCases(smoke ? smokeSizes : wholeSizes);
  // Every case compiles anew without bounds checks: of a smoke, one shows that it runs.
  for (const bench of smoke && !robustness ? cases.slice(0, 1) : cases) {
    throwIfInterrupted(signal);
    if (bench.when?.(device.capabilities) === false) continue;
    log.debug(`${bench.launcher} ${bench.shape}`);
    const firstMs = await timeFirst(device, bench, seed);
    const [result] = await runKernelBenches(device, [bench], ceilings, { seed, repeats: smoke ? 1 : 7 });
    results.push({ ...result!, robustness, firstMs });
  }
  return { ceilings, results };
}

/** Milliseconds of the first call of a benchmark, its data being there. */
async function timeFirst(device: Device, bench: KernelBench, seed: number): Promise<number> {
  using _ = device.step();
  const record = bench.prepare(new BenchContext(device, seed));
  await device.recorder.synchronize();
  const start = performance.now();
  record();
  await device.recorder.synchronize();
  return performance.now() - start;
}

/** The report as text. */
export function formatProbeReport(report: ProbeReport): string {
  const { machine, adapter, capabilities, remarks, ceilings, results, queue, memory } = report;
  const right = (title: string) => ({ title, right: true });
  const matrix = capabilities.matrixConfigurations.map((c) => `${c.component} to ${c.result} ${c.m}x${c.n}x${c.k}`);
  const rate = (each: Ceilings) =>
    `${significant(each.fma.gflops)} GFLOP/s f32, ${significant(each.copy.gbps)} GB/s copied`;
  const unchecked = ({ name, shape, variant }: ProbeResult) => {
    const row = results.find(
      (each) => !each.robustness && each.name === name && each.shape === shape && each.variant === variant,
    );
    return row ? significant(row.ms) : '-';
  };
  return [
    `${adapter.name} (${adapter.type}), ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    ...remarks,
    `features: ${capabilities.features.join(', ')}`,
    `limits: ${Object.entries(capabilities.limits)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`,
    `subgroups of ${capabilities.subgroupSize.join(' to ')}; matrix units: ${matrix.join(', ') || 'none'}`,
    `with bounds checks ${rate(ceilings.checked)}; without ${rate(ceilings.unchecked)}`,
    '',
    columnTable(
      [
        ...[{ title: 'kernel' }, { title: 'shape' }, { title: 'variant' }, right('first ms'), right('ms')],
        ...[right('GFLOP/s'), right('of ceiling'), right('ms unchecked')],
      ],
      results
        .filter(({ robustness }) => robustness)
        .map((result) => [
          ...[result.name, result.shape, result.variant, significant(result.firstMs), significant(result.ms)],
          result.gflops === undefined ? '-' : significant(result.gflops),
          `${(100 * result.ofCeiling).toFixed(1)}%`,
          unchecked(result),
        ]),
    ),
    '',
    `a dispatch and the wait for it: ${significant(queue.roundTripMs)} ms; in a row: ${significant(queue.dispatchMicroseconds)} µs each`,
    `a submission is handed over in ${queue.submitMs.map(({ inFlight, ms }) => `${significant(ms)} ms (${inFlight} in flight)`).join(', ')}`,
    `memory: ${formatBytes(memory.bytes)} at once, ${memory.end === 'limit' ? 'where the measurement ended' : `then: ${memory.end.message}`}`,
  ].join('\n');
}

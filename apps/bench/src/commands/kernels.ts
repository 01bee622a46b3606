/** `crossgate-bench kernels`: every kernel beside the adapter's own ceilings. */
import { InputError, significant, throwIfInterrupted } from '@crossgate/core';
import { openDevice } from '@crossgate/gpu/node';
import type { CommandContext, GlobalOptions } from '@crossgate/terminal';
import { type Ceilings, measureCeilings } from '../ceilings/ceilings';
import { columnTable } from '../column-table';
import { type KernelBench, kernelBenches } from '../kernels';
import { gpuBenches } from '../kernels/gpu-shapes';
import { type KernelResult, runKernelBenches, selectBenches } from '../kernels/run';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { peerCases } from '../peers/cases';
import { type PeerResult, type PeersReport, runPeerCases, selectPeerCases } from '../peers/run';
import { emitReport, Steps } from './emit-report';

export interface KernelsOptions extends GlobalOptions {
  readonly filter?: string;
  /** `gpu`: shapes of language models that fill a GPU, in place of those of the main experiment. */
  readonly shapes?: 'gpu';
  /** Seconds after which no kernel begins. */
  readonly seconds?: number;
  readonly repeats?: number;
  /** Also run the peer cases, beside PyTorch where it is there. */
  readonly peers?: boolean;
  /** File for the JSON document. */
  readonly out?: string;
}

/** The JSON document of the command. */
export interface KernelsReport {
  readonly machine: Machine;
  readonly adapter: Adapter;
  readonly ceilings: Ceilings;
  /** How calls were timed: by GPU timestamps or by the clock on the wall. */
  readonly clock: 'gpu' | 'wall';
  readonly results: readonly (KernelResult | PeerResult)[];
  /** Kernels that `--seconds` left out; absent where all were measured. */
  readonly leftOut?: number;
  /** Present after `--peers` and `peers`: the PyTorch that was used, or why there is none. */
  readonly pytorch?: PeersReport['pytorch'];
}

/**
 * `kernels`: measures every kernel and prints.
 *
 * @throws InputError when no benchmark matches the filter; NoAdapterError without a GPU.
 */
export async function runKernelsCommand(context: CommandContext, options: KernelsOptions): Promise<void> {
  const benches = options.shapes === 'gpu' ? gpuBenches : kernelBenches;
  const selected = selectBenches(benches, options.filter);
  if (selected.length === 0) {
    const names = [...new Set(benches.map(({ kernel }) => kernel))].join(', ');
    // The names of peer cases are kernels' names, but for the LoRA step, which only they have.
    if (!options.peers || selectPeerCases(peerCases(true), options.filter).length === 0) {
      throw new InputError(`no kernel matches "${options.filter}"`, { code: 'usage', fix: `there are: ${names}` });
    }
  }
  await runBenchmarks(context, options, selected, options.peers === true);
}

/**
 * `peers`: measures the cases that other implementations run too, beside PyTorch where python3 has it.
 *
 * @throws InputError when no case matches the filter; NoAdapterError without a GPU.
 */
export async function runPeersCommand(context: CommandContext, options: KernelsOptions): Promise<void> {
  const all = peerCases(true);
  if (selectPeerCases(all, options.filter).length === 0) {
    const names = [...new Set(all.map(({ name }) => name))].join(', ');
    throw new InputError(`no case matches "${options.filter}"`, { code: 'usage', fix: `there are: ${names}` });
  }
  await runBenchmarks(context, options, [], true);
}

async function runBenchmarks(
  context: CommandContext,
  options: KernelsOptions,
  selected: readonly KernelBench[],
  withPeers: boolean,
): Promise<void> {
  const { signal } = context.io;
  const [ceilingSteps, kernelSteps] = [new Steps(context, 'ceilings', 'loops'), new Steps(context, 'kernels', 'rows')];
  const device = await openDevice(options.adapter === undefined ? {} : { adapter: options.adapter });
  try {
    const adapter = describeAdapter(device.capabilities);
    context.log.info(`measuring the ceilings of ${adapter.name}`);
    const ceilings = await measureCeilings(device, {
      onProgress: (done, total) => ceilingSteps.update(done, total),
    });
    ceilingSteps.finish();
    const measureOptions = {
      ...(options.repeats !== undefined && { repeats: options.repeats }),
      ...(options.seed !== undefined && { seed: options.seed }),
      signal,
    };
    const results = await runKernelBenches(device, selected, ceilings, {
      ...{ ...measureOptions, seconds: options.seconds },
      onResult: ({ name, shape }, done, total) => kernelSteps.update(done, total, `${name} ${shape}`),
    });
    kernelSteps.finish();
    throwIfInterrupted(signal);
    const leftOut = selected.filter(({ when }) => when?.(device.capabilities) ?? true).length - results.length;
    const cases = withPeers ? selectPeerCases(peerCases(device.capabilities.software), options.filter) : [];
    const peers = withPeers
      ? await runPeerCases(device, cases, ceilings, { ...measureOptions, onProgress: (text) => context.log.info(text) })
      : null;
    throwIfInterrupted(signal);
    const report: KernelsReport = {
      machine: describeMachine(),
      adapter,
      ceilings,
      clock: device.capabilities.timestamps ? 'gpu' : 'wall',
      results: [...results, ...(peers?.results ?? [])],
      ...(leftOut > 0 && { leftOut }),
      ...(peers && { pytorch: peers.pytorch }),
    };
    await emitReport(context, report, options.out, formatReport);
  } finally {
    ceilingSteps.finish();
    kernelSteps.finish();
    await device.destroy();
  }
}

/** The report as text. */
export function formatReport(report: KernelsReport): string {
  const { machine, adapter, ceilings, clock, results, leftOut, pytorch } = report;
  const { fma, copy } = ceilings;
  const rateOf = ({ gflops, gbps }: KernelResult | PeerResult) => {
    if (gflops !== undefined) return `${significant(gflops)} GFLOP/s`;
    return gbps === undefined ? '-' : `${significant(gbps)} GB/s`;
  };
  const rows = results.map((result) => [
    result.name,
    `${result.shape}${result.dtype === 'f32' ? '' : ` ${result.dtype}`}`,
    result.variant,
    result.ms === null ? '-' : significant(result.ms),
    rateOf(result),
    result.ofCeiling === null ? '-' : `${(100 * result.ofCeiling).toFixed(1)}%`,
    ...(pytorch ? [result.peers.pytorch === undefined ? '' : significant(result.peers.pytorch)] : []),
  ]);
  const problems = results.flatMap((result) =>
    'message' in result ? [`${result.name} ${result.shape} ${result.dtype}: ${result.message}`] : [],
  );
  return [
    `${adapter.name} (${adapter.type}), ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    `ceilings: ${significant(fma.gflops)} GFLOP/s f32 (${fma.accumulators} ${fma.vector ? 'vec4' : 'scalar'} sums, unrolled ${fma.unroll}x), ` +
      `${significant(copy.gbps)} GB/s copied (${ceilings.copies.map(({ bytes, gbps }) => `${bytes / 2 ** 20} MiB: ${significant(gbps)}`).join(', ')})`,
    `median times by ${clock === 'gpu' ? `GPU timestamps${pytorch ? ', beside PyTorch by the wall clock' : ''}` : 'the wall clock'}`,
    '',
    columnTable(
      [
        { title: 'kernel' },
        { title: 'shape' },
        { title: 'variant' },
        { title: 'ms', right: true },
        { title: 'rate', right: true },
        { title: 'of ceiling', right: true },
        ...(pytorch ? [{ title: 'PyTorch ms', right: true }] : []),
      ],
      rows,
    ),
    ...(leftOut === undefined ? [] : ['', `${leftOut} kernels were left out: --seconds were over`]),
    ...(pytorch ? ['', 'reason' in pytorch ? pytorch.reason : `PyTorch ${pytorch.torch} on ${pytorch.device}`] : []),
    ...problems,
  ].join('\n');
}

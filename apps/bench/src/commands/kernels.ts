/** `crossgate-bench kernels` and `peers`: kernels beside the adapter's own ceilings, and beside other libraries. */
import { InputError, significant, throwIfInterrupted } from '@crossgate/core';
import { openDevice } from '@crossgate/gpu/node';
import type { CommandContext, GlobalOptions } from '@crossgate/terminal';
import { type Ceilings, measureCeilings } from '../ceilings/ceilings';
import { columnTable } from '../column-table';
import { type KernelBench, kernelBenches } from '../kernels';
import { gpuBenches } from '../kernels/gpu-shapes';
import { type KernelResult, runKernelBenches, selectBenches } from '../kernels/run';
import { type Adapter, describeAdapter, describeMachine, findCommit, type Machine } from '../machine';
import { peerCases } from '../peers/cases';
import { findLibraries, installLibraries, libraryOf } from '../peers/libraries';
import { type Peer, pythonPeer, referencePeer, webGpuPeer } from '../peers/peer';
import { type PeerResult, type PeersReport, runPeerCases, selectPeerCases } from '../peers/run';
import { emitReport, Steps } from './emit-report';

export interface KernelsOptions extends GlobalOptions {
  readonly filter?: string;
  /** `gpu`: shapes of language models that fill a GPU, in place of those of the main experiment. */
  readonly shapes?: 'gpu';
  /** Seconds after which no kernel begins. */
  readonly seconds?: number;
  readonly repeats?: number;
  /** Also run the peer cases. */
  readonly peers?: boolean;
  /** Folder whose node_modules hold WebGPU libraries. */
  readonly peersFrom?: string;
  /** Install these libraries first. */
  readonly install?: boolean;
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
  /** Commit of the program's source; null where it is not known. */
  readonly commit: string | null;
  /** Kernels that `--seconds` left out; absent where all were measured. */
  readonly leftOut?: number;
  /** Present after `--peers` and `peers`: each peer that was used, or why it was not. */
  readonly peers?: PeersReport['peers'];
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
 * `peers`: measures the cases that other libraries run too, beside those that are there.
 *
 * @throws InputError when no case matches the filter, and for a folder without libraries; CrossgateError when they cannot
 *   be installed; NoAdapterError without a GPU.
 */
export async function runPeersCommand(context: CommandContext, options: KernelsOptions): Promise<void> {
  const all = peerCases(true);
  if (selectPeerCases(all, options.filter).length === 0) {
    const names = [...new Set(all.map(({ name }) => name))].join(', ');
    throw new InputError(`no case matches "${options.filter}"`, { code: 'usage', fix: `there are: ${names}` });
  }
  await runBenchmarks(context, options, [], true);
}

/** The peers that can be asked for, with the libraries of the folder that holds them. */
async function choosePeers(
  { io, log }: CommandContext,
  { install, peersFrom }: KernelsOptions,
  adapter: string,
): Promise<{ readonly peers: readonly Peer[]; readonly absent: PeersReport['peers'] }> {
  const { signal } = io;
  if (install) {
    log.info('installing TensorFlow.js and jax-js with npm');
    const { folder, before } = await installLibraries(io, { signal, onLine: (line) => log.debug(line) });
    log.info(`${before ? 'installed before' : 'installed, with the digests that npm checked'}: ${folder}`);
  }
  const folder = await findLibraries(io, peersFrom);
  const names = Object.keys(libraryOf) as (keyof typeof libraryOf)[];
  const reason = 'not installed; run crossgate-bench peers --install';
  return {
    peers: [
      ...(folder === undefined ? [] : names.map((name) => webGpuPeer(name, folder, adapter, signal))),
      ...(['pytorch', 'peft'] as const).map((name) => pythonPeer(name, signal)),
    ],
    absent: folder === undefined ? names.map((name) => ({ name, reason })) : [],
  };
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
    // First, since what cannot be installed ends the command.
    const chosen = withPeers ? await choosePeers(context, options, adapter.name) : null;
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
    const others = chosen && { peers: chosen.peers, reference: referencePeer(signal) };
    const onProgress = (text: string) => context.log.info(text);
    const peers = others && (await runPeerCases(device, cases, others, ceilings, { ...measureOptions, onProgress }));
    throwIfInterrupted(signal);
    const report: KernelsReport = {
      machine: describeMachine(),
      adapter,
      ceilings,
      commit: await findCommit(),
      clock: device.capabilities.timestamps && selected.length > 0 ? 'gpu' : 'wall',
      results: [...results, ...(peers?.results ?? [])],
      ...(leftOut > 0 && { leftOut }),
      ...(peers && { peers: [...chosen!.absent, ...peers.peers] }),
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
  const { machine, adapter, ceilings, clock, results, leftOut, peers = [] } = report;
  const { fma, copy } = ceilings;
  const rateOf = ({ gflops, gbps }: KernelResult | PeerResult) => {
    if (gflops !== undefined) return `${significant(gflops)} GFLOP/s`;
    return gbps === undefined ? '-' : `${significant(gbps)} GB/s`;
  };
  const present = peers.flatMap((peer) => ('version' in peer ? [peer] : []));
  const rows = results.map((result) => [
    result.name,
    `${result.shape}${result.dtype === 'f32' ? '' : ` ${result.dtype}`}`,
    result.variant,
    result.ms === null ? '-' : significant(result.ms),
    rateOf(result),
    result.ofCeiling === null ? '-' : `${(100 * result.ofCeiling).toFixed(1)}%`,
    ...present.map(({ name }) => {
      const theirs = result.peers[name];
      return theirs === undefined ? '-' : significant(theirs);
    }),
    ...(present.length > 0 ? ratiosOf(result) : []),
  ]);
  const wall = peers.length > 0 ? ', beside peers in turns by the wall clock' : '';
  return [
    `${adapter.name} (${adapter.type}), ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    `ceilings: ${significant(fma.gflops)} GFLOP/s f32 (${fma.accumulators} ${fma.vector ? 'vec4' : 'scalar'} sums, unrolled ${fma.unroll}x), ` +
      `${significant(copy.gbps)} GB/s copied (${ceilings.copies.map(({ bytes, gbps }) => `${bytes / 2 ** 20} MiB: ${significant(gbps)}`).join(', ')})`,
    `median times by ${clock === 'gpu' ? `GPU timestamps${wall}` : `the wall clock${peers.length > 0 ? ', in turns' : ''}`}`,
    '',
    columnTable(
      [
        { title: 'kernel' },
        { title: 'shape' },
        { title: 'variant' },
        { title: 'ms', right: true },
        { title: 'rate', right: true },
        { title: 'of ceiling', right: true },
        ...present.map(({ name }) => ({ title: `${name} ms`, right: true })),
        ...(present.length > 0 ? ['ratio', 'best', 'processor'].map((title) => ({ title, right: true })) : []),
      ],
      rows,
    ),
    ...(leftOut === undefined ? [] : ['', `${leftOut} kernels were left out: --seconds were over`]),
    ...(peers.length > 0 ? ['', ...peers.map(peerLine), ...problemLines(results)] : []),
  ].join('\n');
}

/** The fastest WebGPU peer over ours: by medians, by the fastest rounds, and by processor time. */
function ratiosOf(result: KernelResult | PeerResult): string[] {
  const ratios =
    'fastestRatio' in result ? [result.ratio, result.fastestRatio, result.processorRatio] : [null, null, null];
  return ratios.map((ratio) => (ratio === null ? '-' : `${significant(ratio)}x`));
}

const peerLine = (peer: PeersReport['peers'][number]) =>
  'version' in peer ? `${peer.name} ${peer.version} on ${peer.device}` : `no ${peer.name}: ${peer.reason}`;

/** Why cells are empty, row by row. */
function problemLines(results: readonly (KernelResult | PeerResult)[]): string[] {
  return results.flatMap((result) =>
    'message' in result ? [`${result.name} ${result.shape} ${result.dtype}: ${result.message}`] : [],
  );
}

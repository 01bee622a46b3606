/** `crossgate-bench training`: seconds per epoch of whole trainings, and the share of them outside kernels. */
import { resolve } from 'node:path';
import { openDevice } from '@crossgate/gpu/node';
import { InputError, InterruptedError } from '../errors';
import { createProgress, type GlobalOptions, type Io } from '../io';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { findTorch, type TorchInfo, torchMfEpoch } from '../peers/pytorch';
import { formatTable, significant } from '../table';
import { type CfCase, type CfResult, caseName, caseShape, cfCases, measureCf } from '../training/cf';
import { writeReport } from '../write-report';

export interface TrainingOptions extends GlobalOptions {
  readonly filter?: string;
  /** Timed epochs of each case. */
  readonly epochs?: number;
  /** File for the JSON document. */
  readonly out?: string;
}

/** The JSON document of the command. */
export interface TrainingReport {
  readonly machine: Machine;
  readonly adapter: Adapter;
  readonly results: readonly CfResult[];
  /** The PyTorch that was used, or why there is none. */
  readonly pytorch: TorchInfo | { readonly reason: string };
}

/** Cases whose name or shape contains `filter` (letter case ignored). */
export function selectCfCases(cases: readonly CfCase[], filter: string | undefined): CfCase[] {
  const wanted = filter?.toLowerCase() ?? '';
  return cases.filter((each) => [caseName(each), caseShape(each)].some((text) => text.toLowerCase().includes(wanted)));
}

/**
 * `training`: measures trainings, those of matrix factorization beside PyTorch where python3 has it.
 *
 * @throws InputError when no case matches the filter; NoAdapterError without a GPU; InterruptedError.
 */
export async function runTrainingCommand(io: Io, options: TrainingOptions): Promise<void> {
  const selected = selectCfCases(cfCases, options.filter);
  if (selected.length === 0) {
    throw new InputError(`no training matches "${options.filter}"; there are: ${cfCases.map(caseName).join(', ')}`);
  }
  const device = await openDevice(options.adapter === undefined ? {} : { adapter: options.adapter });
  const progress = createProgress(io, options.quiet === true);
  try {
    const { signal } = io;
    const pytorch = await findTorch(signal);
    const { epochs = 3, seed = 1 } = options;
    const results: CfResult[] = [];
    for (const each of selected) {
      if (signal.aborted) throw new InterruptedError('interrupted');
      progress.show(`training ${caseName(each)}`);
      const own = await measureCf(device, each, { epochs, seed, signal });
      const ms = 'torch' in pytorch && each.model === 'mf' ? await torchMfEpoch(each, epochs, signal) : null;
      results.push(ms === null ? own : { ...own, peers: { pytorch: ms }, ratio: ms / own.ms });
    }
    const adapter = describeAdapter(device.capabilities);
    const report: TrainingReport = { machine: describeMachine(), adapter, results, pytorch };
    progress.end();
    const text = JSON.stringify(report, null, 2);
    if (options.out !== undefined) await writeReport(resolve(options.out), `${text}\n`);
    io.stdout.write(`${options.json ? text : formatTrainingReport(report)}\n`);
  } finally {
    progress.end();
    device.destroy();
  }
}

/** The report as text. */
export function formatTrainingReport({ machine, adapter, results, pytorch }: TrainingReport): string {
  const withPeers = 'torch' in pytorch;
  const rows = results.map((result) => [
    result.name,
    result.shape,
    significant(result.secondsPerEpoch),
    Math.round(result.interactionsPerSecond).toLocaleString('en-US'),
    result.outsideKernels === null ? '-' : `${(100 * result.outsideKernels).toFixed(1)}%`,
    ...(withPeers ? [result.peers.pytorch === undefined ? '' : significant(result.peers.pytorch / 1000)] : []),
  ]);
  return [
    `${adapter.name} (${adapter.type}), ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    '',
    formatTable(
      [
        { title: 'training' },
        { title: 'shape' },
        { title: 's/epoch', right: true },
        { title: 'interactions/s', right: true },
        { title: 'outside kernels', right: true },
        ...(withPeers ? [{ title: 'PyTorch s/epoch', right: true }] : []),
      ],
      rows,
    ),
    '',
    withPeers ? `PyTorch ${pytorch.torch} on ${pytorch.device}` : pytorch.reason,
  ].join('\n');
}

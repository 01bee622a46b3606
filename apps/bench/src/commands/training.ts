/** `crossgate-bench training`: seconds per epoch of whole trainings, and the share of them outside kernels. */
import { join, resolve } from 'node:path';
import { InputError, InterruptedError, significant } from '@crossgate/core';
import { makeFolders, writeAtomic } from '@crossgate/files';
import { Profiler, profileFiles } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import type { CommandContext, GlobalOptions } from '@crossgate/terminal';
import { columnTable } from '../column-table';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { pythonPeer } from '../peers/peer';
import { type CfCase, type CfResult, caseName, caseShape, cfCases, measureCf } from '../training/cf';
import { type CfStepResult, measureCfStep } from '../training/step';
import { emitReport } from './emit-report';

export interface TrainingOptions extends GlobalOptions {
  readonly filter?: string;
  /** Timed epochs of each case. */
  readonly epochs?: number;
  /** File for the JSON document. */
  readonly out?: string;
  /** Folder for a profile of each case; true: `profile`. */
  readonly profile?: string | true;
}

/** The JSON document of the command. */
export interface TrainingReport {
  readonly machine: Machine;
  readonly adapter: Adapter;
  /** Epochs, and, where python3 has PyTorch, a step of each case here and there. */
  readonly results: readonly (CfResult | CfStepResult)[];
  /** The PyTorch that was used, or why there is none. */
  readonly pytorch: { readonly torch: string; readonly device: string } | { readonly reason: string };
}

/** Cases whose name or shape contains `filter` (letter case ignored). */
export function selectCfCases(cases: readonly CfCase[], filter: string | undefined): CfCase[] {
  const wanted = filter?.toLowerCase() ?? '';
  return cases.filter((each) => [caseName(each), caseShape(each)].some((text) => text.toLowerCase().includes(wanted)));
}

/**
 * `training`: measures trainings, and a step of each beside PyTorch where python3 has it.
 *
 * @throws InputError when no case matches the filter; NoAdapterError without a GPU; InterruptedError.
 */
export async function runTrainingCommand(context: CommandContext, options: TrainingOptions): Promise<void> {
  const selected = selectCfCases(cfCases, options.filter);
  if (selected.length === 0) {
    const names = cfCases.map(caseName).join(', ');
    throw new InputError(`no training matches "${options.filter}"`, { code: 'usage', fix: `there are: ${names}` });
  }
  const { signal } = context.io;
  const device = await openDevice(options.adapter === undefined ? {} : { adapter: options.adapter });
  const peer = pythonPeer('pytorch', signal);
  try {
    const status = await peer.open();
    const pytorch =
      'version' in status
        ? { torch: status.version, device: status.device }
        : { reason: `no PyTorch: ${status.reason}` };
    const { epochs = 3, seed = 1 } = options;
    const folder = resolve(context.io.cwd, typeof options.profile === 'string' ? options.profile : 'profile');
    const results: (CfResult | CfStepResult)[] = [];
    for (const each of selected) {
      if (signal.aborted) throw new InterruptedError();
      context.log.info(`training ${caseName(each)}`);
      const profiler = options.profile === undefined ? undefined : new Profiler({ steps: 20 });
      results.push(await measureCf(device, each, { epochs, seed, signal, profiler }));
      if (profiler) await writeProfile(context, profiler, join(folder, caseName(each).replaceAll(' ', '-')));
      if (!('torch' in pytorch)) continue;
      context.log.info(`a step of ${caseName(each)} beside PyTorch`);
      results.push(await measureCfStep(device, each, peer, { epochs, seed, signal }));
    }
    const adapter = describeAdapter(device.capabilities);
    const report: TrainingReport = { machine: describeMachine(), adapter, results, pytorch };
    await emitReport(context, report, options.out, formatTrainingReport);
  } finally {
    peer.close();
    await device.destroy();
  }
}

async function writeProfile({ log }: CommandContext, profiler: Profiler, folder: string): Promise<void> {
  await makeFolders(folder, 'choose another --profile');
  for (const [name, text] of profileFiles(profiler)) await writeAtomic(join(folder, name), text);
  log.info(`profile: ${join(folder, 'profile.txt')}`);
}

/** The report as text. */
export function formatTrainingReport({ machine, adapter, results, pytorch }: TrainingReport): string {
  const epochs = results.flatMap((result) => ('secondsPerEpoch' in result ? [result] : []));
  const steps = results.flatMap((result) => ('secondsPerEpoch' in result ? [] : [result]));
  const right = (title: string) => ({ title, right: true });
  const lines = [
    `${adapter.name} (${adapter.type}), ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    '',
    columnTable(
      [{ title: 'training' }, { title: 'shape' }, right('s/epoch'), right('interactions/s'), right('outside kernels')],
      epochs.map((result) => [
        result.name,
        result.shape,
        significant(result.secondsPerEpoch),
        Math.round(result.interactionsPerSecond).toLocaleString('en-US'),
        result.outsideKernels === null ? '-' : `${(100 * result.outsideKernels).toFixed(1)}%`,
      ]),
    ),
    '',
  ];
  if (!('torch' in pytorch)) return [...lines, pytorch.reason].join('\n');
  const table = columnTable(
    [{ title: 'step' }, right('ms'), right('PyTorch ms'), right('ratio'), right('difference'), { title: 'note' }],
    steps.map(({ name, ms, peers, ratio, peerErrors, message }) => [
      name,
      significant(ms),
      peers.pytorch === undefined ? '-' : significant(peers.pytorch),
      ratio === null ? '-' : significant(ratio),
      peerErrors.pytorch === undefined ? '-' : peerErrors.pytorch.toExponential(1),
      message ?? '',
    ]),
  );
  return [...lines, table, '', `PyTorch ${pytorch.torch} on ${pytorch.device}`].join('\n');
}

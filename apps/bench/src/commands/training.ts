/** `crossgate-bench training`: seconds per epoch of whole trainings, and the share of them outside kernels. */
import { InputError, InterruptedError, significant } from '@crossgate/core';
import { Profiler } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import type { CommandContext } from '@crossgate/terminal';
import { columnTable } from '../column-table';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { pythonPeer } from '../peers/peer';
import { type CfCase, type CfResult, caseName, caseShape, cfCases, measureCf } from '../training/cf';
import { type CfStepResult, measureCfStep } from '../training/step';
import { stepNames } from '../training/step-cases';
import { countTrainingStep } from './count-step';
import { emitReport, writeProfile } from './emit-report';
import type { TrainingOptions } from './training-options';
import { runTrainingStep } from './training-step';

/** Options that `--step` needs, and those that it does not read. */
const ofStep = ['layers', 'tokens', 'sequences', 'weights', 'checkpointing', 'precision', 'steps', 'count'] as const;
const ofTrainings = ['filter', 'epochs'] as const;

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
 * `training`: measures trainings, and a step of each beside PyTorch where python3 has it; or a step of a language model.
 *
 * @throws InputError when no case matches the filter, and for options that do not go together; OutOfMemoryError for a step
 *   that does not fit; NoAdapterError without a GPU; InterruptedError.
 */
export async function runTrainingCommand(context: CommandContext, options: TrainingOptions): Promise<void> {
  const idle = (options.step === undefined ? ofStep : ofTrainings).find((name) => options[name] !== undefined);
  if (idle !== undefined) {
    const fix = options.step === undefined ? `name a step: --step ${stepNames.join('|')}` : `leave --${idle} out`;
    const why = options.step === undefined ? 'has no effect without --step' : 'has no effect on --step';
    throw new InputError(`--${idle} ${why}`, { code: 'usage', fix });
  }
  if (options.step !== undefined && options.count) return countTrainingStep(context, options.step, options);
  if (options.step !== undefined) return runTrainingStep(context, options.step, options);
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
    const results: (CfResult | CfStepResult)[] = [];
    for (const each of selected) {
      if (signal.aborted) throw new InterruptedError();
      context.log.info(`training ${caseName(each)}`);
      const profiler = options.profile === undefined ? undefined : new Profiler({ steps: 20 });
      results.push(await measureCf(device, each, { epochs, seed, signal, profiler }));
      if (profiler) await writeProfile(context, profiler, options.profile, caseName(each));
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

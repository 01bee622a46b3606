/** `crossgate-bench training --step`: one training step of a well-known language model, whole. */
import { InputError, significant } from '@crossgate/core';
import { formatBytes, Profiler } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { usablePrecision } from '@crossgate/tensor';
import type { CommandContext } from '@crossgate/terminal';
import { type Ceilings, measureCeilings } from '../ceilings/ceilings';
import { columnTable } from '../column-table';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { checkStepFits, measureStep, type StepResult } from '../training/measure-step';
import { type StepCase, stepCases } from '../training/step-cases';
import { emitReport, Steps, writeProfile } from './emit-report';
import type { TrainingOptions } from './training-options';

/** Options that change a step. */
type StepOptions = Pick<TrainingOptions, 'layers' | 'tokens' | 'sequences' | 'weights' | 'checkpointing' | 'precision'>;

/** The JSON document of `training --step`. */
export interface StepReport {
  readonly machine: Machine;
  readonly adapter: Adapter;
  readonly ceilings: Ceilings;
  readonly results: readonly StepResult[];
}

/**
 * The step of these options: the named one, smaller where asked.
 * @throws InputError for an option that has no effect on it
 */
export function chooseStep(name: keyof typeof stepCases, options: StepOptions): StepCase {
  const named: StepCase = stepCases[name];
  const { layers, tokens, sequences, weights, checkpointing, precision } = options;
  if (named.trains === 'all' && (weights !== undefined || checkpointing || precision === 'f16')) {
    throw new InputError(`--step ${name} trains all weights in f32, and computes nothing again`, {
      code: 'usage',
      fix: 'leave --weights, --checkpointing and --precision f16 out',
    });
  }
  return {
    ...named,
    sizes: { ...named.sizes, ...(layers !== undefined && { layers }) },
    ...(tokens !== undefined && { tokens }),
    ...(sequences !== undefined && { sequences }),
    ...(weights !== undefined && { weights }),
    ...(checkpointing !== undefined && { checkpointing }),
    ...(precision !== undefined && { precision }),
  };
}

/**
 * Measures the step.
 *
 * @throws InputError for options that do not go together, and for a precision that the adapter lacks; OutOfMemoryError,
 *   before anything is allocated, when the step does not fit; NoAdapterError without a GPU; InterruptedError.
 */
export async function runTrainingStep(
  context: CommandContext,
  name: keyof typeof stepCases,
  options: TrainingOptions,
): Promise<void> {
  const asked = chooseStep(name, options);
  const device = await openDevice(options.adapter === undefined ? {} : { adapter: options.adapter });
  const loops = new Steps(context, 'ceilings', 'loops');
  try {
    const adapter = describeAdapter(device.capabilities);
    const warn = (message: string) => context.log.warn(message);
    const headDim = asked.sizes.hiddenSize / asked.sizes.heads;
    const precision = await usablePrecision(device, asked.precision, '--precision', warn, headDim);
    const of = { ...asked, precision };
    context.log.info(`counting a step of ${of.name} on ${adapter.name}`);
    const count = checkStepFits(device, of);
    context.log.info(`${count.dispatches.length} dispatches, ${formatBytes(count.peakBytes)}; measuring the ceilings`);
    const ceilings = await measureCeilings(device, { onProgress: (done, total) => loops.update(done, total) });
    loops.finish();
    const { steps = 5, seed = 1 } = options;
    const profiler = options.profile === undefined ? undefined : new Profiler();
    context.log.info(`training ${of.name}`);
    const measured = { steps, seed, signal: context.io.signal, profiler };
    const result = await measureStep(device, of, count, ceilings, measured);
    if (profiler) await writeProfile(context, profiler, options.profile, result.name);
    const report: StepReport = { machine: describeMachine(), adapter, ceilings, results: [result] };
    await emitReport(context, report, options.out, formatStepReport);
  } finally {
    loops.finish();
    await device.destroy();
  }
}

/** The report as text. */
export function formatStepReport({ machine, adapter, ceilings, results }: StepReport): string {
  return [
    `${adapter.name} (${adapter.type}), ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    `ceilings: ${significant(ceilings.fma.gflops)} GFLOP/s f32, ${significant(ceilings.copy.gbps)} GB/s copied`,
    ...results.flatMap((result) => ['', ...linesOf(result)]),
  ].join('\n');
}

function linesOf(result: StepResult): string[] {
  const { times, memory, losses, lossScale, kernels, message } = result;
  const right = (title: string) => ({ title, right: true });
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  return [
    `${result.name}: ${result.shape}, weights ${result.dtype}`,
    `${result.dispatches} dispatches, ${significant(result.flops / 1e9)} GFLOP`,
    `${significant(result.ms)} ms a step (${significant(times.fastest)} to ${significant(times.slowest)}; the first, which compiles, ${significant(result.firstMs)}); the host records for ${significant(result.hostMs)} ms`,
    `${significant(result.inRowMs)} ms in a row: ${significant(result.tokensPerSecond)} tokens/s, ${significant(result.gflops)} GFLOP/s (${percent(result.ofCeiling)} of the ceiling)`,
    `memory: ${formatBytes(memory.peak)} at most, ${formatBytes(memory.persistent)} of them for weights and optimizer`,
    `loss ${losses.before.toFixed(5)}, after all steps ${losses.after.toFixed(5)}`,
    ...(lossScale === null ? [] : [`loss scale ${lossScale.scale}, ${lossScale.skippedSteps} steps left out`]),
    ...(message === undefined ? [] : [message]),
    '',
    kernels === null
      ? 'the adapter has no timestamp queries, so there is no time by kernel'
      : columnTable(
          [
            ...[{ title: 'kernel' }, right('dispatches'), right('ms'), right('share'), right('GFLOP/s'), right('GB/s')],
            right('of ceiling'),
          ],
          kernels.map((kernel) => [
            ...[kernel.name, `${kernel.dispatches}`, significant(kernel.ms), percent(kernel.share)],
            kernel.gflops === undefined ? '-' : significant(kernel.gflops),
            kernel.gbps === undefined ? '-' : significant(kernel.gbps),
            kernel.ofCeiling === null ? '-' : percent(kernel.ofCeiling),
          ]),
        ),
  ];
}

/** `crossgate-bench training --step … --count`: what a step would record on a large GPU, without one. */
import { InputError, significant } from '@crossgate/core';
import { formatBytes } from '@crossgate/gpu';
import type { Precision } from '@crossgate/tensor';
import type { CommandContext } from '@crossgate/terminal';
import { columnTable } from '../column-table';
import { h100 } from '../counting/h100';
import { groupWork, type KernelWork, type WorkGroup, workByKernel } from '../counting/work';
import { countStep, type stepCases, stepShape } from '../training/step-cases';
import { emitReport } from './emit-report';
import type { TrainingOptions } from './training-options';
import { chooseStep } from './training-step';

/** The JSON document of `training --step … --count`. */
export interface CountReport {
  /** The GPU whose plans were taken. */
  readonly gpu: string;
  readonly name: string;
  readonly shape: string;
  /** In which type linear layers multiply. */
  readonly precision: Precision;
  readonly tokens: number;
  readonly dispatches: number;
  readonly flops: number;
  /** Bytes that all dispatches bind. */
  readonly bytes: number;
  /** Bytes on the device: weights, adapters, gradients and optimizer; and the most with step memory. */
  readonly memory: { readonly persistent: number; readonly peak: number };
  readonly kernels: readonly KernelWork[];
  readonly groups: readonly WorkGroup[];
}

/** Counts the step. @throws InputError for options that measure. */
export async function countTrainingStep(
  context: CommandContext,
  name: keyof typeof stepCases,
  options: TrainingOptions,
): Promise<void> {
  const idle = (['steps', 'profile', 'adapter'] as const).find((option) => options[option] !== undefined);
  if (idle !== undefined) {
    throw new InputError(`--${idle} has no effect on --count`, { code: 'usage', fix: `leave --${idle} out` });
  }
  const of = chooseStep(name, options);
  const { dispatches, persistentBytes, peakBytes } = countStep(h100, of);
  const kernels = workByKernel(dispatches);
  const sum = (amount: 'flops' | 'bytes') => kernels.reduce((total, kernel) => total + kernel[amount], 0);
  const report: CountReport = {
    ...{ gpu: h100.name, name: of.name, shape: stepShape(of), precision: of.precision },
    tokens: of.sequences * of.tokens,
    ...{ dispatches: dispatches.length, flops: sum('flops'), bytes: sum('bytes') },
    memory: { persistent: persistentBytes, peak: peakBytes },
    ...{ kernels, groups: groupWork(dispatches) },
  };
  await emitReport(context, report, options.out, formatCountReport);
}

/** The report as text. */
export function formatCountReport({ gpu, name, shape, dispatches, flops, memory, kernels }: CountReport): string {
  const right = (title: string) => ({ title, right: true });
  return [
    `${name}: ${shape}; counted for ${gpu}, not run`,
    `${dispatches} dispatches, ${significant(flops / 1e9)} GFLOP, ${formatBytes(memory.peak)} at most, ${formatBytes(memory.persistent)} of them for weights and optimizer`,
    '',
    columnTable(
      [{ title: 'kernel' }, right('dispatches'), right('GFLOP'), right('GB bound')],
      [...kernels]
        .sort((a, b) => b.flops - a.flops || b.bytes - a.bytes)
        .map((kernel) => [
          ...[kernel.name, `${kernel.dispatches}`],
          kernel.flops === 0 ? '-' : significant(kernel.flops / 1e9),
          significant(kernel.bytes / 1e9),
        ]),
    ),
  ].join('\n');
}

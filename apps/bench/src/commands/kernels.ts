/** `crossgate-bench kernels`: every kernel beside the adapter's own ceilings. */
import { openDevice } from '@crossgate/gpu/node';
import { type Ceilings, measureCeilings } from '../ceilings/ceilings';
import { InputError, InterruptedError } from '../errors';
import { createProgress, type GlobalOptions, type Io } from '../io';
import { kernelBenches } from '../kernels';
import { type KernelResult, runKernelBenches, selectBenches } from '../kernels/run';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { formatTable, significant } from '../table';

export interface KernelsOptions extends GlobalOptions {
  readonly filter?: string;
  readonly repeats?: number;
}

/** The JSON document of the command. */
export interface KernelsReport {
  readonly machine: Machine;
  readonly adapter: Adapter;
  readonly ceilings: Ceilings;
  /** How calls were timed: by GPU timestamps or by the clock on the wall. */
  readonly clock: 'gpu' | 'wall';
  readonly results: readonly KernelResult[];
}

/**
 * Measures and prints.
 *
 * @throws InputError when no benchmark matches the filter; NoAdapterError without a GPU.
 */
export async function runKernelsCommand(io: Io, options: KernelsOptions): Promise<void> {
  const selected = selectBenches(kernelBenches, options.filter);
  if (selected.length === 0) {
    const names = [...new Set(kernelBenches.map(({ kernel }) => kernel))].join(', ');
    throw new InputError(`no kernel matches "${options.filter}"; there are: ${names}`);
  }
  const throwIfInterrupted = () => {
    if (io.signal.aborted) throw new InterruptedError('interrupted');
  };
  const device = await openDevice(options.adapter === undefined ? {} : { adapter: options.adapter });
  const progress = createProgress(io, options.quiet === true);
  try {
    const adapter = describeAdapter(device.capabilities);
    progress.show(`measuring the ceilings of ${adapter.name}`);
    const ceilings = await measureCeilings(device, {
      onProgress: (done, total) => {
        throwIfInterrupted();
        if (io.stderrIsTerminal) progress.show(`ceilings ${done}/${total}`);
      },
    });
    const results = await runKernelBenches(device, selected, ceilings, {
      ...(options.repeats !== undefined && { repeats: options.repeats }),
      ...(options.seed !== undefined && { seed: options.seed }),
      signal: io.signal,
      onResult: ({ name, shape }, done, total) => progress.show(`${done}/${total} ${name} ${shape}`),
    });
    throwIfInterrupted();
    const clock = device.capabilities.timestamps ? 'gpu' : 'wall';
    const report: KernelsReport = { machine: describeMachine(), adapter, ceilings, clock, results };
    progress.end();
    io.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : formatReport(report)}\n`);
  } finally {
    progress.end();
    device.destroy();
  }
}

/** The report as text. */
export function formatReport({ machine, adapter, ceilings, clock, results }: KernelsReport): string {
  const { fma, copy } = ceilings;
  const rows = results.map((result) => [
    result.name,
    result.shape,
    result.variant,
    significant(result.ms),
    result.gflops === undefined ? `${significant(result.gbps ?? 0)} GB/s` : `${significant(result.gflops)} GFLOP/s`,
    `${(100 * result.ofCeiling).toFixed(1)}%`,
  ]);
  return [
    `${adapter.name} (${adapter.type}), ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    `ceilings: ${significant(fma.gflops)} GFLOP/s f32 (${fma.accumulators} ${fma.vector ? 'vec4' : 'scalar'} sums, unrolled ${fma.unroll}x), ` +
      `${significant(copy.gbps)} GB/s copied (${ceilings.copies.map(({ bytes, gbps }) => `${bytes / 2 ** 20} MiB: ${significant(gbps)}`).join(', ')})`,
    `median times by ${clock === 'gpu' ? 'GPU timestamps' : 'the wall clock'}`,
    '',
    formatTable(
      [
        { title: 'kernel' },
        { title: 'shape' },
        { title: 'variant' },
        { title: 'ms', right: true },
        { title: 'rate', right: true },
        { title: 'of ceiling', right: true },
      ],
      rows,
    ),
  ].join('\n');
}

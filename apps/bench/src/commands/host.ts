/** `crossgate-bench host`: what the processor does for a dispatch, whatever the GPU. */
import { significant } from '@crossgate/core';
import { openNullDevice } from '@crossgate/gpu/node';
import type { CommandContext, GlobalOptions } from '@crossgate/terminal';
import { columnTable } from '../column-table';
import { type HostResult, measureHost, promptLengths } from '../host/measure';
import { describeMachine, type Machine } from '../machine';
import { emitReport } from './emit-report';

export interface HostOptions extends GlobalOptions {
  /** Timed steps of each kind. */
  readonly steps?: number;
  /** Steps before the timed ones. */
  readonly warmup?: number;
  /** File for the JSON document. */
  readonly out?: string;
}

/** The JSON document of the command. */
export interface HostReport {
  readonly machine: Machine;
  readonly results: readonly HostResult[];
}

/** `host`. @throws NoAdapterError when Dawn's add-on does not load; InterruptedError. */
export async function runHostCommand(context: CommandContext, options: HostOptions): Promise<void> {
  const { steps = 50, warmup = 40, seed = 1 } = options;
  const device = await openNullDevice();
  try {
    const results: HostResult[] = [];
    for (const lengths of promptLengths) {
      context.log.info(`training on prompts of ${lengths.name} lengths`);
      results.push(await measureHost(device, lengths, { steps, warmup, seed, signal: context.io.signal }));
    }
    await emitReport(context, { machine: describeMachine(), results }, options.out, formatHostReport);
  } finally {
    await device.destroy();
  }
}

/** The report as text. */
export function formatHostReport({ machine, results }: HostReport): string {
  const right = (title: string) => ({ title, right: true });
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; Dawn's null backend, which runs nothing`,
    '',
    columnTable(
      [
        { title: 'step' },
        { title: 'shape' },
        right('dispatches'),
        right('per layer'),
        right('new bind groups'),
        right('µs: step'),
        right('fastest'),
        right('recording'),
        right('fastest'),
        right('replay'),
        right('fastest'),
      ],
      results.map((result) => [
        result.name,
        result.shape,
        `${Math.round(result.dispatches)}`,
        result.perLayer.toFixed(1),
        significant(result.bindGroups),
        ...[result.step, result.recording, result.replay].flatMap((time) =>
          [time.median, time.fastest].map(significant),
        ),
      ]),
    ),
  ].join('\n');
}

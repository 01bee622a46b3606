/**
 * `crossgate-bench loading`: how fast a model comes from its files to the device, and how fast a prepared data set is
 * opened.
 */

import { resolve } from 'node:path';
import { InputError, InterruptedError, significant } from '@crossgate/core';
import { openDevice } from '@crossgate/gpu/node';
import type { WeightStorage } from '@crossgate/llm';
import { modelFiles } from '@crossgate/llm/node';
import type { CommandContext, GlobalOptions } from '@crossgate/terminal';
import { columnTable } from '../column-table';
import { measureOpening } from '../loading/interactions';
import { type LoadingResult, measureLoading } from '../loading/measure';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { emitReport } from './emit-report';

export interface LoadingOptions extends GlobalOptions {
  readonly weights?: WeightStorage;
  /** Also opens a generated data set of so many interactions. */
  readonly interactions?: number;
  readonly repeats?: number;
  readonly out?: string;
}

/** The JSON document of the command. */
export interface LoadingReport {
  readonly machine: Machine;
  /** Null where no model was loaded: a data set needs none. */
  readonly adapter: Adapter | null;
  readonly results: readonly LoadingResult[];
}

/**
 * `loading`.
 *
 * @throws InputError for models that cannot be read, and for nothing to measure; NoAdapterError for models without a
 *   GPU.
 */
export async function runLoadingCommand(
  context: CommandContext,
  options: LoadingOptions,
  models: readonly string[],
): Promise<void> {
  const { weights = 'stored', repeats = 3, interactions } = options;
  if (models.length === 0 && interactions === undefined) {
    throw new InputError('nothing to load', {
      code: 'usage',
      fix: 'name model folders or GGUF files, or give --interactions',
    });
  }
  const found = await Promise.all(
    models.map(async (model) => ({ model, files: await modelFiles(resolve(context.io.cwd, model)) })),
  );
  const device =
    models.length > 0 ? await openDevice(options.adapter === undefined ? {} : { adapter: options.adapter }) : null;
  try {
    const results: LoadingResult[] = [];
    if (interactions !== undefined) {
      context.log.info(`opening ${interactions} interactions`);
      results.push(...(await measureOpening(interactions, repeats)));
    }
    for (const { model, files } of found) {
      if (context.io.signal.aborted) throw new InterruptedError();
      context.log.info(`loading ${model}`);
      const own = await measureLoading(device!, resolve(context.io.cwd, model), files, weights, repeats);
      results.push(...own.map((result) => ({ ...result, shape: `${model}, ${result.shape}` })));
    }
    const adapter = device && describeAdapter(device.capabilities);
    const report: LoadingReport = { machine: describeMachine(), adapter, results };
    await emitReport(context, report, options.out, formatLoadingReport);
  } finally {
    await device?.destroy();
  }
}

/** The report as text. */
export function formatLoadingReport({ machine, adapter, results }: LoadingReport): string {
  const rows = results.map(({ shape, dtype, variant, ms, cpuMs, gbps, ratio, hostBytes }) => [
    shape,
    dtype,
    variant,
    significant(ms),
    significant(cpuMs),
    significant(gbps),
    `${significant(ratio)}x`,
    hostBytes === null ? '-' : (hostBytes / 1e6).toFixed(0),
  ]);
  return [
    `${adapter ? `${adapter.name} (${adapter.type}), ` : ''}${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    'medians; GB/s and ratio by the wall clock; cpu: processor time of all threads; files in the cache of the system',
    '',
    columnTable(
      [
        { title: 'loading' },
        { title: 'dtype' },
        { title: 'variant' },
        { title: 'ms', right: true },
        { title: 'cpu ms', right: true },
        { title: 'GB/s', right: true },
        { title: 'of a plain read', right: true },
        { title: 'host MB', right: true },
      ],
      rows,
    ),
  ].join('\n');
}

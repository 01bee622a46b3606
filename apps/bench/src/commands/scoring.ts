/** `crossgate-bench scoring`: candidates of a user as whole prompts, and behind the prefix they share. */

import { resolve } from 'node:path';
import { significant } from '@crossgate/core';
import { openDevice } from '@crossgate/gpu/node';
import { LlamaModel } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';
import type { CommandContext, GlobalOptions } from '@crossgate/terminal';
import { type Ceilings, measureCeilings } from '../ceilings/ceilings';
import { columnTable } from '../column-table';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { mediumModel, randomModel, smallModel } from '../random-model';
import { measureScoring, type ScoringResult } from '../scoring/measure';
import { pairTokenizer } from '../scoring/prompts';
import { emitReport } from './emit-report';

export interface ScoringOptions extends GlobalOptions {
  /** Model folder or GGUF file; default: random weights of a size that suits the adapter. */
  readonly model?: string;
  readonly candidates?: number;
  readonly history?: number;
  readonly repeats?: number;
  readonly out?: string;
}

/** The JSON document of the command. */
export interface ScoringReport {
  readonly machine: Machine;
  readonly adapter: Adapter;
  readonly ceilings: Ceilings;
  readonly results: readonly (ScoringResult & { readonly ceiling: number; readonly ofCeiling: number })[];
}

/** `scoring`. @throws InputError for a model that cannot be read; NoAdapterError without a GPU. */
export async function runScoringCommand(context: CommandContext, options: ScoringOptions): Promise<void> {
  const { candidates = 200, history = 10, repeats = 3, seed = 1 } = options;
  const files = options.model === undefined ? null : await openModel(resolve(context.io.cwd, options.model));
  const device = await openDevice(options.adapter === undefined ? {} : { adapter: options.adapter });
  try {
    context.log.info(`measuring the ceilings of ${device.capabilities.name}`);
    const ceilings = await measureCeilings(device, { repeats: 1 });
    const sizes = device.capabilities.software ? smallModel : mediumModel;
    context.log.info(`scoring ${candidates} candidates`);
    const llm = await LlamaModel.load(device, files?.source ?? randomModel(sizes, seed));
    const tokenizer = files ? await files.tokenizer() : pairTokenizer(sizes.vocabSize);
    const name = options.model ?? sizes.name;
    const results = await measureScoring(llm, tokenizer, name, {
      candidates,
      history,
      repeats,
      seed,
      signal: context.io.signal,
    });
    const ceiling = ceilings.fma.gflops;
    const report: ScoringReport = {
      machine: describeMachine(),
      adapter: describeAdapter(device.capabilities),
      ceilings,
      results: results.map((result) => ({ ...result, ceiling, ofCeiling: result.gflops / ceiling })),
    };
    await emitReport(context, report, options.out, formatScoringReport);
  } finally {
    await files?.close();
    await device.destroy();
  }
}

/** The report as text. */
export function formatScoringReport({ machine, adapter, ceilings, results }: ScoringReport): string {
  const rows = results.map((result) => [
    result.shape,
    result.variant,
    significant(result.ms),
    significant(result.candidatesPerSecond),
    `${(100 * result.ofCeiling).toFixed(1)}%`,
    `${significant(result.ratio)}x`,
    result.variant === 'shared prefix' ? result.maxDifference.toExponential(1) : '',
  ]);
  return [
    `${adapter.name} (${adapter.type}), ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    `ceiling: ${significant(ceilings.fma.gflops)} GFLOP/s f32; rates are of the linear layers; medians by the wall clock`,
    '',
    columnTable(
      [
        { title: 'scoring' },
        { title: 'variant' },
        { title: 'ms', right: true },
        { title: 'candidates/s', right: true },
        { title: 'of ceiling', right: true },
        { title: 'faster', right: true },
        { title: 'max |Δ|', right: true },
      ],
      rows,
    ),
  ].join('\n');
}

/** `crossgate-bench scoring`: candidates of a user as whole prompts, and behind the prefix they share. */
import { resolve } from 'node:path';
import { openDevice } from '@crossgate/gpu/node';
import { LlamaModel } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';
import { type Ceilings, measureCeilings } from '../ceilings/ceilings';
import { createProgress, type GlobalOptions, type Io } from '../io';
import { type Adapter, describeAdapter, describeMachine, type Machine } from '../machine';
import { mediumModel, randomModel, smallModel } from '../random-model';
import { measureScoring, type ScoringResult } from '../scoring/measure';
import { pairTokenizer } from '../scoring/prompts';
import { formatTable, significant } from '../table';
import { writeReport } from '../write-report';

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
export async function runScoringCommand(io: Io, options: ScoringOptions): Promise<void> {
  const { candidates = 200, history = 10, repeats = 3, seed = 1 } = options;
  const files = options.model === undefined ? null : await openModel(resolve(options.model));
  const device = await openDevice(options.adapter === undefined ? {} : { adapter: options.adapter });
  const progress = createProgress(io, options.quiet === true);
  try {
    progress.show(`measuring the ceilings of ${device.capabilities.name}`);
    const ceilings = await measureCeilings(device, { repeats: 1 });
    const sizes = device.capabilities.software ? smallModel : mediumModel;
    progress.show(`scoring ${candidates} candidates`);
    const llm = await LlamaModel.load(device, files?.source ?? randomModel(sizes, seed));
    const tokenizer = files ? await files.tokenizer() : pairTokenizer(sizes.vocabSize);
    const name = options.model ?? sizes.name;
    const results = await measureScoring(llm, tokenizer, name, {
      candidates,
      history,
      repeats,
      seed,
      signal: io.signal,
    });
    const ceiling = ceilings.fma.gflops;
    const report: ScoringReport = {
      machine: describeMachine(),
      adapter: describeAdapter(device.capabilities),
      ceilings,
      results: results.map((result) => ({ ...result, ceiling, ofCeiling: result.gflops / ceiling })),
    };
    progress.end();
    const text = JSON.stringify(report, null, 2);
    if (options.out !== undefined) await writeReport(resolve(options.out), `${text}\n`);
    io.stdout.write(`${options.json ? text : formatScoringReport(report)}\n`);
  } finally {
    progress.end();
    await files?.close();
    device.destroy();
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
    formatTable(
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

/** Configs times seeds on one session: what is finished stays, so a grid that was stopped goes on. */
import { join } from 'node:path';
import { throwIfInterrupted } from '@crossgate/core';
import type { ExperimentConfig } from './config/schema';
import { type ExperimentResult, runExperiment } from './experiment';
import type { MetricsRecord } from './runs/metrics-log';
import type { Session } from './session';

/** One run of a grid. */
export interface GridCell {
  /** Key of its config. */
  readonly key: string;
  /** Seed of this run; wins over that of its config in `configs`. */
  readonly seed: number;
  /** The config of this run, with this seed. */
  readonly config: ExperimentConfig;
  /** Path of its run folder, as the user gave the grid's. */
  readonly run: string;
}

/** How a grid runs. */
export interface GridOptions {
  /** Folder of the runs. */
  readonly folder: string;
  /** Seeds of every config; default: each config's own. */
  readonly seeds?: readonly number[];
  /**
   * Name of a run in the folder; default: the key where there is one seed for each, else `KEY-SEED`.
   */
  readonly name?: (key: string, seed: number) => string;
  /** Called before each run. */
  readonly onStart?: (cell: GridCell, index: number, total: number) => void;
  /** Called with each result, also of runs that were finished before. */
  readonly onResult?: (cell: GridCell, result: ExperimentResult) => void;
  /** Called with each record of a run's metrics.jsonl; see `RunOptions.onMetrics`. */
  readonly onMetrics?: (cell: GridCell, record: MetricsRecord) => void;
}

/** The runs of a grid in order: all configs of the first seed, then of the second. */
export function gridCells(
  configs: Readonly<Record<string, ExperimentConfig>>,
  { folder, seeds, name }: GridOptions,
): GridCell[] {
  const nameOf = name ?? ((key: string, seed: number) => ((seeds?.length ?? 1) > 1 ? `${key}-${seed}` : key));
  const rounds = seeds?.map((seed) => seed) ?? [undefined];
  return rounds.flatMap((round) =>
    Object.entries(configs).map(([key, own]): GridCell => {
      const seed = round ?? own.seed;
      return { key, seed, config: { ...own, seed }, run: join(folder, nameOf(key, seed)) };
    }),
  );
}

/**
 * Runs a grid, one run after the other. A run that is complete gives its stored result; one that was begun goes on.
 * @returns the results in the order of {@link gridCells}
 * @throws InterruptedError between two runs, and whatever `runExperiment` throws; what was finished before stays
 */
export async function runGrid(
  configs: Readonly<Record<string, ExperimentConfig>>,
  session: Session,
  options: GridOptions,
): Promise<{ readonly cell: GridCell; readonly result: ExperimentResult }[]> {
  const cells = gridCells(configs, options);
  const results: { cell: GridCell; result: ExperimentResult }[] = [];
  for (const [index, cell] of cells.entries()) {
    throwIfInterrupted(session.signal);
    options.onStart?.(cell, index, cells.length);
    const onMetrics = (record: MetricsRecord) => options.onMetrics?.(cell, record);
    const result = await runExperiment(cell.config, session, { run: cell.run, resume: 'if-begun', onMetrics });
    options.onResult?.(cell, result);
    results.push({ cell, result });
  }
  return results;
}

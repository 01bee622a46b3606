/** One experiment from config to result.json, whatever the method. */
import { join, resolve } from 'node:path';
import type { Dataset } from '@crossgate/data';
import type { SplitMetrics } from '@crossgate/eval';
import type { ExperimentConfig, SplitName } from './config/schema';
import type { CommandContext } from './context';
import { ExitCode, exitCodeOf, InputError, ResumableError, throwIfInterrupted } from './errors';
import { evaluatedRows } from './evaluated-rows';
import { kindOf } from './files';
import { locateDataset } from './locate';
import {
  findMethod,
  type Information,
  type Method,
  type MethodOutcome,
  type OpenMethod,
  type RankingOfSplits,
} from './methods';
import { evaluatePredictions, formatPredictions, predictionsOf } from './predictions';
import { readResult } from './runs/result';
import { RunFolder } from './runs/run-folder';
import { version } from './version';

/** What `train` prints and result.json holds. */
export interface ExperimentResult {
  /** Path of the run folder, as the user gave it. */
  readonly run: string;
  readonly name: string;
  readonly method: string;
  readonly information: Information;
  readonly seed: number;
  readonly adapter: string | null;
  readonly dataset: { readonly name: string; readonly hash: string };
  /** Wall-clock seconds of training and scoring, over all parts of a resumed run. */
  readonly seconds: number;
  readonly metrics: Readonly<Partial<Record<SplitName, SplitMetrics>>>;
  /** Lists of the best items against what users chose, where `evaluation.ranking` asks for it. */
  readonly ranking?: RankingOfSplits;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Where the run goes. */
export interface RunOptions {
  /** Run folder; default `runs/<name>-<seed>`. */
  readonly run?: string;
  /** Continue a run that is there; `if-begun` starts it where it is not. */
  readonly resume?: boolean | 'if-begun';
}

/**
 * Trains and scores one experiment. result.json is written last, so a run with it is complete. A failure before the
 * first checkpoint leaves nothing behind.
 * @throws InputError for data, models and folders that cannot be used; whatever the method throws
 */
export async function runExperiment(
  config: ExperimentConfig,
  context: CommandContext,
  options: RunOptions = {},
): Promise<ExperimentResult> {
  const { io, log } = context;
  const shown = options.run ?? join('runs', `${config.name}-${config.seed}`);
  const path = resolve(io.cwd, shown);
  if (options.resume === true && (await kindOf(path)) === 'absent') {
    throw new InputError(`${shown}: no run to resume; name one with --run, or leave out --resume to start it`);
  }
  const resume = options.resume !== undefined && options.resume !== false;
  const method = await findMethod(config.method);
  log.debug(`reading data set ${config.data.name}`);
  const dataset = await locateDataset(config.data, io);
  for (const warning of dataset.warnings) log.warn(`${dataset.name}: ${warning}`);
  if ((await RunFolder.check(path, config, { resume })) === 'complete') return storedResult(path, shown, context);
  // Opened before the folder is made: bad input of the method leaves no trace.
  const opened = await method.open({
    config,
    dataset,
    surroundings: io,
    log,
    progress: context.progress,
    signal: io.signal,
    ...(context.options.adapter === undefined ? {} : { adapter: context.options.adapter }),
  });
  try {
    const run = await RunFolder.open(path, config, { resume });
    try {
      // Finished by another process while the method was opened.
      if (run.state === 'complete') return await storedResult(path, shown, context);
      return await trainAndScore({ config, dataset, context, method, opened, run, shown });
    } catch (error) {
      await run.abandon();
      throw run.hasCheckpoint && canGoOn(error) ? new ResumableError(error) : error;
    } finally {
      await run.close();
    }
  } finally {
    await opened.close();
  }
}

/** Failures that come again: a training that diverges, and mistakes in the program. */
const LASTING = new Set(['NonFiniteLossError', 'TypeError', 'ReferenceError']);

/** Whether the same run may get further another time. */
function canGoOn(error: unknown): boolean {
  return exitCodeOf(error) === ExitCode.failed && !(error instanceof Error && LASTING.has(error.name));
}

interface Experiment {
  readonly config: ExperimentConfig;
  readonly dataset: Dataset;
  readonly context: CommandContext;
  readonly method: Method;
  readonly opened: OpenMethod;
  readonly run: RunFolder;
  /** Path of the run folder, as the user gave it. */
  readonly shown: string;
}

async function trainAndScore(experiment: Experiment): Promise<ExperimentResult> {
  const { config, dataset, context, method, opened, run, shown } = experiment;
  await run.begin(config, {
    crossgate: version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    adapter: opened.adapter,
    dataHash: dataset.hash,
    ...opened.provenance,
  });
  const outcome = await opened.train(run);
  throwIfInterrupted(context.io.signal);
  const metrics: Partial<Record<SplitName, SplitMetrics>> = {};
  for (const split of config.evaluation.splits) {
    const scores = scoresOf(outcome, split);
    const rows = evaluatedRows(config, dataset, split);
    metrics[split] = evaluatePredictions(predictionsOf(dataset, split, scores, method.trained, rows));
    await run.write(join('predictions', `${split}.csv`), formatPredictions(dataset, split, scores, rows));
  }
  const result: ExperimentResult = {
    run: shown,
    name: config.name,
    method: method.name,
    information: method.information(config),
    seed: config.seed,
    adapter: opened.adapter,
    dataset: { name: dataset.name, hash: dataset.hash },
    seconds: Math.round(run.seconds * 1000) / 1000,
    metrics,
    ...(outcome.ranking && { ranking: outcome.ranking }),
    details: outcome.details,
  };
  await run.complete(result);
  return result;
}

async function storedResult(path: string, shown: string, { log }: CommandContext): Promise<ExperimentResult> {
  log.info(`${shown} is already complete; this is its result`);
  return (await readResult(path)) as unknown as ExperimentResult;
}

function scoresOf(outcome: MethodOutcome, split: SplitName) {
  const scores = outcome.scores[split];
  if (scores === undefined) throw new Error(`the method gave no scores for split ${split}`);
  return scores;
}

/** One experiment from config to result.json, whatever the method. */

import { join, resolve } from 'node:path';
import { RankLostError } from '@crossgate/collective';
import {
  CrossgateError,
  describeError,
  InputError,
  InterruptedError,
  isInputError,
  NoAdapterError,
  NonFiniteLossError,
} from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import type { SplitMetrics } from '@crossgate/eval';
import { kindOf } from '@crossgate/files';
import type { ExperimentConfig, SplitName } from './config/schema';
import { evaluatedRows } from './evaluated-rows';
import { openFrom, provenanceOfFrom } from './from-run';
import { informationOn, type SeenInformation } from './information';
import { evaluatePredictions, formatPredictions, predictionsOf } from './predictions';
import { checkOwnGpus, checkSameFacts } from './ranks/agree';
import { factsOf } from './ranks/facts';
import { onEveryRank, onRankZero } from './ranks/on-rank-zero';
import { openRunOfRanks } from './ranks/open-run';
import { stopTogether } from './ranks/stop';
import { findRunner, type OpenRunner, type Outcome, type RankingOfSplits, type Runner } from './runners';
import type { FromRun } from './runners/continued-run';
import { writeDataCopy } from './runs/data-copy';
import type { MetricsRecord } from './runs/metrics-log';
import type { PeakMemory } from './runs/peak-memory';
import { readResult } from './runs/result';
import { RunFolder } from './runs/run-folder';
import type { Session } from './session';
import { version } from './version';

/** What `train` prints and result.json holds. */
export interface ExperimentResult {
  /** Path of the run folder, as the user gave it. */
  readonly run: string;
  /** `name` of the config: that of its file where the config gives none. */
  readonly name: string;
  /** The method, such as `mf` or `ccf`. */
  readonly method: string;
  /** Which labels the method saw when it scored a row; with a plus where its data has `window: all`. */
  readonly information: SeenInformation;
  /** The seed of the config. */
  readonly seed: number;
  /** Name of the GPU adapter in use; null for a method that needs none. */
  readonly adapter: string | null;
  /** The data set: its name, and the SHA-256 that stands for its content. */
  readonly dataset: { readonly name: string; readonly hash: string };
  /** The run that the training continued, by its path, and the hashes of its data and of its language model. */
  readonly from?: Readonly<Record<string, string>>;
  /**
   * Most bytes at any time: `device`, allocated on the GPU in the training and scoring of this run (null for a method
   * that needs none); `process`, resident memory of the process, whatever it had done before. Of a resumed run, the
   * greatest of all its parts. Absent in results of earlier versions.
   */
  readonly peakMemory: PeakMemory;
  /** Wall-clock seconds of training and scoring, over all parts of a resumed run. */
  readonly seconds: number;
  /** Metrics of each split in `evaluation.splits`, warm and cold rows apart too. */
  readonly metrics: Readonly<Partial<Record<SplitName, SplitMetrics>>>;
  /** Lists of the best items against what users chose, where `evaluation.ranking` asks for it. */
  readonly ranking?: RankingOfSplits;
  /** What else the method says of its training: rows trained on, chosen step, memory. JSON only. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Where the run goes. */
export interface RunOptions {
  /** Run folder; default `runs/<name>-<seed>`. */
  readonly run?: string;
  /** Continue a run that is there; `if-begun` starts it where it is not. */
  readonly resume?: boolean | 'if-begun';
  /**
   * Run folders. The stages that a training on a language model begins with are not trained again where a finished one of
   * these has them bit for bit: the same data, model, vectors, settings, seed, adapter and version. The log says so, and
   * `details.stages` names the run. Default: none.
   */
  readonly stagesFrom?: readonly string[];
  /**
   * A finished run of the same method that the training continues on data that have grown: users and items keep their
   * dense ids, and what was learned is what the training starts from. The optimizer starts anew.
   */
  readonly from?: string;
  /** Whether ranks of a job may compute on the same hardware GPU. Default false: that is refused. */
  readonly sharedGpu?: boolean;
  /** Called with each record of metrics.jsonl: those that a resumed run keeps first, then each as it is written. */
  readonly onMetrics?: ((record: MetricsRecord) => void) | undefined;
}

/** The run folder of a config when nobody names one. */
export function defaultRunFolder({ name, seed }: Pick<ExperimentConfig, 'name' | 'seed'>): string {
  return join('runs', `${name}-${seed}`);
}

/**
 * Trains and scores one experiment. result.json is written last, so a run with it is complete. A failure before the
 * first checkpoint leaves nothing behind.
 * @throws InputError for data, models and folders that cannot be used; whatever the method throws
 */
export async function runExperiment(
  config: ExperimentConfig,
  session: Session,
  options: RunOptions = {},
): Promise<ExperimentResult> {
  const shown = options.run ?? defaultRunFolder(config);
  const path = resolve(session.cwd, shown);
  const { collective } = session;
  if (collective.size > 1 && config.method === 'api-llm') {
    throw new InputError(`each of ${collective.size} ranks would ask the model for the same answers`, {
      code: 'config.value',
      place: 'method',
      fix: 'run api-llm in one process',
    });
  }
  // The run folder is rank 0's: only there it need be visible.
  await onRankZero(collective, async () => {
    if (options.resume !== true || (await kindOf(path)) !== 'absent') return;
    throw new InputError('no run to resume', {
      code: 'run.not-found',
      place: shown,
      fix: 'name one with --run, or leave out --resume to start it',
    });
  });
  const resume = options.resume !== undefined && options.resume !== false;
  const { runner, from, dataset } = await onEveryRank(collective, async () => {
    const runner = await findRunner(config.method);
    const grown = await session.dataset(config.data);
    const continued = options.from ? await openFrom(session, options.from, config, grown) : undefined;
    return { runner, from: continued?.from, dataset: continued?.dataset ?? grown };
  });
  const openOptions = { resume, cwd: session.cwd, onMetrics: options.onMetrics };
  const found = await onRankZero(collective, () => RunFolder.check(path, config, openOptions));
  if (found === 'complete') return await onRankZero(collective, () => storedResult(path, shown, session));
  // Opened before the folder is made: bad input of the method leaves no trace.
  const opened = await onEveryRank(
    collective,
    () => runner.open({ config, dataset, session, from }, path),
    (open) => open.close(),
  );
  try {
    if (collective.size > 1) {
      const beginning = { config, dataset, from, cwd: session.cwd };
      await checkSameFacts(collective, await factsOf(beginning, opened.provenance));
      if (opened.adapter !== null && !options.sharedGpu) await checkOwnGpus(collective, await session.device());
    }
    const run = await openRunOfRanks(path, config, openOptions, collective);
    try {
      // Finished by another process while the method was opened.
      if (run.state === 'complete') return await onRankZero(collective, () => storedResult(path, shown, session));
      // A training that starts from what another run learned has no stage in common with one that does not.
      const stagesFrom = from ? [] : (options.stagesFrom ?? []);
      return await trainAndScore({ config, dataset, session, runner, opened, run, shown, from, stagesFrom });
    } catch (error) {
      await run.abandon();
      const from = run.resumesFrom;
      if (from === null) throw error;
      if (isInterruption(error)) {
        const words = error instanceof RankLostError ? error.message : 'interrupted';
        throw new InterruptedError(words, { fix: howToGoOn(from), cause: error });
      }
      throw canGoOn(error) ? new ResumableError(error, from) : error;
    } finally {
      await run.close();
    }
  } finally {
    await opened.close();
  }
}

const howToGoOn = (from: string) => `with --resume the run goes on from ${from}`;

/** A run that failed after it stored something: the words of the cause, and what it can go on from. */
export class ResumableError extends CrossgateError {
  override name = 'ResumableError';

  /** @param from what the run goes on from, in words */
  constructor(cause: unknown, from = 'its last checkpoint') {
    super(describeError(cause), {
      code: 'run.broken-off',
      fix: howToGoOn(from),
      cause,
    });
    // With --verbose, the place where it happened is of interest, not this one.
    if (cause instanceof Error && cause.stack !== undefined) this.stack = cause.stack;
  }
}

/** Failures that come again: wrong input, a training that diverges, mistakes in the program. */
const lasting = [NoAdapterError, NonFiniteLossError, TypeError, ReferenceError];

/** Whether the same run may get further another time. */
function canGoOn(error: unknown): boolean {
  return !isInputError(error) && !lasting.some((kind) => error instanceof kind);
}

/** Whether the user ended the work. */
function isInterruption(error: unknown): boolean {
  return error instanceof InterruptedError || (error instanceof Error && error.name === 'AbortError');
}

interface Experiment {
  readonly config: ExperimentConfig;
  readonly dataset: Dataset;
  readonly session: Session;
  readonly runner: Runner;
  readonly opened: OpenRunner;
  readonly run: RunFolder;
  /** Path of the run folder, as the user gave it. */
  readonly shown: string;
  readonly stagesFrom: readonly string[];
  readonly from: FromRun | undefined;
}

async function trainAndScore(experiment: Experiment): Promise<ExperimentResult> {
  const { config, dataset, session, runner, opened, run, shown, from } = experiment;
  await run.begin(config, {
    crossgate: version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    adapter: opened.adapter,
    dataHash: dataset.hash,
    ...opened.provenance,
    ...(from && { from: provenanceOfFrom(from) }),
  });
  if (opened.adapter !== null) {
    // What earlier runs or loading took is no part of this run's memory.
    const { memory } = await session.device();
    memory.trim();
    memory.resetPeak();
    run.measureMemory(() => memory.report().peak.total);
  }
  const outcome = await opened.train(run, experiment.stagesFrom);
  await stopTogether(session);
  const evaluating = session.profiler?.span('metrics');
  const metrics: Partial<Record<SplitName, SplitMetrics>> = {};
  for (const split of config.evaluation.splits) {
    const scores = scoresOf(outcome, split);
    const rows = evaluatedRows(config, dataset, split);
    metrics[split] = evaluatePredictions(predictionsOf(dataset, split, scores, runner.trained, rows));
    await run.write(join('predictions', `${split}.csv`), formatPredictions(dataset, split, scores, rows));
  }
  evaluating?.[Symbol.dispose]();
  const result: ExperimentResult = {
    run: shown,
    name: config.name,
    method: runner.name,
    information: informationOn(dataset, opened.information ?? runner.information(config)),
    seed: config.seed,
    adapter: opened.adapter,
    dataset: { name: dataset.name, hash: dataset.hash },
    ...(from && { from: provenanceOfFrom(from) }),
    seconds: Math.round(run.seconds * 1000) / 1000,
    peakMemory: run.peakMemory,
    metrics,
    ...(outcome.ranking && { ranking: outcome.ranking }),
    details: outcome.details,
  };
  await writeDataCopy(run, dataset);
  await run.complete(result);
  return result;
}

async function storedResult(path: string, shown: string, { log }: Session): Promise<ExperimentResult> {
  log.info(`${shown} is already complete; this is its result`);
  return (await readResult(path)) as unknown as ExperimentResult;
}

function scoresOf(outcome: Outcome, split: SplitName) {
  const scores = outcome.scores[split];
  if (scores === undefined) throw new Error(`the method gave no scores for split ${split}`);
  return scores;
}

/** What a runner is: the seam between an experiment and the packages that train. */
import type { InformationClass, RankingResult } from '@crossgate/cf';
import type { Dataset } from '@crossgate/data';
import type { ExperimentConfig, SplitName } from '../config/schema';

import type { Scores } from '../predictions';
import type { RunFolder } from '../runs/run-folder';
import type { Session } from '../session';
import type { FromRun } from './continued-run';
import type { Scorer } from './scorer';

/** What a runner is given. */
export interface RunnerContext {
  /** The checked config. */
  readonly config: ExperimentConfig;
  /** The data set that it names; it stays the session's. */
  readonly dataset: Dataset;
  /** Lends device and language model, and holds log, progress and signal. */
  readonly session: Session;
  /** The run that the training continues. `dataset` has its dense ids. */
  readonly from?: FromRun | undefined;
}

/** Ranking metrics by split. */
export type RankingOfSplits = Readonly<Partial<Record<'valid' | 'test', RankingResult>>>;

/** What a training leaves. */
export interface Outcome {
  /** Scores of the rows that `evaluatedRows` gives for each split in `evaluation.splits`, in that order. */
  readonly scores: Readonly<Partial<Record<SplitName, Scores>>>;
  /** Ranking metrics of splits, where `evaluation.ranking` asks for them. */
  readonly ranking?: RankingOfSplits;
  /** Facts that belong in result.json: rows trained on, steps, chosen step, token norms. JSON only. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A method with its model and files open, on what the session lends. */
export interface OpenRunner {
  /** Name of the GPU adapter in use, or null. */
  readonly adapter: string | null;
  /** The class of the run, where the config alone does not tell it. */
  readonly information?: InformationClass;
  /** Further lines for `provenance` in config.yaml, such as the hash of the model. */
  readonly provenance?: Readonly<Record<string, unknown>>;
  /**
   * Trains and scores. With checkpoints in `run`, continues from the last one to the same numbers.
   * @param stagesFrom see `RunOptions.stagesFrom`; for methods on a language model
   */
  train(run: RunFolder, stagesFrom: readonly string[]): Promise<Outcome>;
  /** Frees what was opened beyond what the session lent. */
  close(): Promise<void>;
}

/** Runs the experiments of one method. */
export interface Runner {
  /** Name of the method. */
  readonly name: string;
  /** The class of a run with this config. */
  information(config: ExperimentConfig): InformationClass;
  /** Whether it is fitted step by step, which can diverge. */
  readonly trained: boolean;
  /**
   * Opens what the method needs. Bad input is found here, before the run folder is made.
   * @param run absolute path of the run folder; it is there where an unfinished run is resumed
   */
  open(context: RunnerContext, run: string): Promise<OpenRunner>;
  /**
   * Opens what a finished run left, to score more than its splits.
   * @param run absolute path of the run folder
   * @throws InputError naming a file that is missing or does not fit
   */
  openScorer(context: RunnerContext, run: string): Promise<Scorer>;
}

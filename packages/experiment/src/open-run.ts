/** Opens a finished run, to score what it was not scored on. */

import { join, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { API_OPERATION } from './config/api-schema';
import { loadConfig } from './config/load';
import type { ExperimentConfig } from './config/schema';
import { findRunner } from './runners';
import type { Scorer } from './runners/scorer';
import { openDataCopy } from './runs/data-copy';
import { precisionToOpen } from './runs/precision-to-open';
import { readResult, type StoredResult } from './runs/result';
import type { Session } from './session';

/** A finished run without its model. */
export interface RunFiles {
  /** Absolute path of the run folder. */
  readonly path: string;
  /** Its checked config, with what was set. A run that came to multiply in f32 does so again, unless it is set. */
  readonly config: ExperimentConfig;
  /** What result.json says. */
  readonly result: StoredResult;
  /** The data set that the run was trained on: the run's own copy, or what its config names. */
  readonly dataset: Dataset;
}

/** Keys that may be set for a finished run: where things lie on this machine, and how much is computed at a time. */
const SETTABLE: readonly string[] = [
  ...['data.path', 'llm.path', 'llm.weights', 'llm.precision', 'evaluation.batchTokens'],
  ...API_OPERATION,
];

/** A finished run that can score. Close its scorer. */
export interface OpenRun {
  /** The data set that the run was trained on: the run's own copy, or what its config names. */
  readonly dataset: Dataset;
  /** The method of the run, such as `mf` or `ccf`. */
  readonly method: string;
  /** Scores pairs and finds the best items; holds what the run learned on the device until it is closed. */
  readonly scorer: Scorer;
}

/**
 * Opens the data, the model and what was learned.
 * @param run path of the run folder, as the user gave it
 * @param set `--set` arguments
 * @param check called before the model is opened: what is wrong with the rest of the input is found at once
 * @throws InputError for a run that is not complete, and for data or a model that are not those of the run
 */
export async function openRun(
  session: Session,
  run: string,
  set: readonly string[],
  check: (dataset: Dataset) => void | Promise<void> = () => {},
): Promise<OpenRun> {
  const { path, config, dataset } = await openRunFiles(session, run, set);
  await check(dataset);
  const runner = await findRunner(config.method);
  const scorer = await runner.openScorer({ config, dataset, session }, path);
  return { dataset, method: runner.name, scorer };
}

/**
 * Reads what a finished run is, and opens its data: the copy that the run keeps, so that it does not matter whether the
 * source has grown or is gone. A `data.path` that is set, and a run of a version that kept no copy, take the data set of
 * the config, which must be the same.
 * @param run path of the run folder, as the user gave it
 * @param set `--set` arguments
 * @throws as {@link openRun}
 */
export async function openRunFiles(session: Session, run: string, set: readonly string[]): Promise<RunFiles> {
  const path = resolve(session.cwd, run);
  const result = await readResult(path);
  for (const argument of set) {
    const key = argument.split('=', 1)[0]!;
    if (SETTABLE.includes(key)) continue;
    throw new InputError(`--set ${key}: cannot be changed for a finished run; what can: ${SETTABLE.join(', ')}`, {
      code: 'config.value',
    });
  }
  const loaded = await loadConfig(join(path, 'config.yaml'), { cwd: session.cwd, set });
  const precision = precisionToOpen(loaded.llm.precision, result.details, set);
  const config = { ...loaded, llm: { ...loaded.llm, precision } };
  if (precision !== loaded.llm.precision)
    session.log.info(`${run} ended with products in ${precision}, and so it scores`);
  const isNamed = set.some((argument) => argument.split('=', 1)[0] === 'data.path');
  const copy = isNamed ? undefined : await openDataCopy(path, result.dataset.hash);
  if (copy) session.log.info(`the data are the copy that ${run} keeps`);
  const dataset = copy ?? (await session.dataset(config.data));
  if (dataset.hash !== result.dataset.hash) {
    throw new InputError(
      `the data set is not the one that ${run} was trained on (hash ${dataset.hash}, then ${result.dataset.hash})`,
      { code: 'data.other', place: 'data.path', fix: 'name the same with --set data.path=DIR' },
    );
  }
  return { path, config, result, dataset };
}

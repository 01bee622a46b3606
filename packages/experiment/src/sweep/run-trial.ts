/** Runs one trial as a run of a grid, or finds what it has left before. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ErrorCode, explainError, InterruptedError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { kindOf } from '@crossgate/files';
import { runDigest } from '../batch/run-digest';
import { declarationOf } from '../config/method-defaults';
import type { ExperimentConfig } from '../config/schema';
import type { ExperimentResult } from '../experiment';
import { runGrid } from '../grid';
import { locateModel } from '../locate';
import { cellHash } from '../paper/plan';
import { readCheckpointFile } from '../runs/checkpoint-file';
import { type MetricsRecord, readMetrics } from '../runs/metrics-log';
import { readResult } from '../runs/result';
import type { Session } from '../session';
import type { StopRule } from './stopping';

/** What a trial has left. */
export interface TrialRun {
  /** Its run folder, as the user would write it. */
  readonly run: string;
  /** Its result; null where it was stopped. */
  readonly result: ExperimentResult | null;
  /** All records of its log. */
  readonly records: readonly MetricsRecord[];
  /** Seconds of work. */
  readonly seconds: number;
}

/**
 * Name of the run folder of a config: a hash of all that decides what the run gives, so that the same trial is never run
 * twice, whatever sweep asks for it.
 * @throws InputError for a model or a `cf.run` that cannot be used
 */
export async function trialKey(config: ExperimentConfig, dataset: Dataset, session: Session): Promise<string> {
  const { path } = config.llm;
  const hasModel = path !== null && declarationOf(config.method) !== undefined;
  const model = hasModel ? (await session.model(await locateModel(path, 'llm.path', session))).hash : null;
  const backends: string[] = [];
  for (const run of [config.cf.run ?? []].flat()) {
    const folder = resolve(session.cwd, run);
    await readResult(folder);
    backends.push(await runDigest(folder));
  }
  return cellHash(config, { dataHash: dataset.hash, model, backends });
}

/** What validation rows are, by the ids of the source: trials on other rows cannot be compared. */
export function validRowsHash({ splits: { valid }, users, items }: Dataset): string {
  const hash = createHash('sha256');
  const { rows, user, item, label } = valid;
  for (let row = 0; row < rows; row++)
    hash.update(`${JSON.stringify([users[user[row]!], items[item[row]!]!.id, label[row]])}\n`);
  return hash.digest('hex');
}

function storedRecords(path: string): readonly MetricsRecord[] {
  const file = join(path, 'metrics.jsonl');
  return existsSync(file) ? readMetrics(file) : [];
}

/** The records after which a rule stops, or null where it does not. */
function stoppedRecords(records: readonly MetricsRecord[], stop: StopRule): readonly MetricsRecord[] | null {
  for (let count = 1; count <= records.length; count++) {
    const first = records.slice(0, count);
    if (stop(first)) return first;
  }
  return null;
}

/**
 * Runs a trial, or continues it. A trial that is complete, or that was stopped by the same rule, is not run again.
 * @param folder of the runs, as the user gave it
 * @param key name of its run folder
 * @throws InterruptedError after Ctrl-C, with a checkpoint; whatever `runExperiment` throws
 */
export async function runTrial(
  config: ExperimentConfig,
  session: Session,
  { folder, key, stop }: { readonly folder: string; readonly key: string; readonly stop?: StopRule | undefined },
): Promise<TrialRun> {
  const run = join(folder, key);
  const path = resolve(session.cwd, run);
  const isComplete = (await kindOf(join(path, 'result.json'))) === 'file';
  const before = isComplete || stop === undefined ? null : stoppedRecords(storedRecords(path), stop);
  if (before !== null) return { run, result: null, records: before, seconds: await secondsOf(path) };
  const ending = new AbortController();
  const lent: Session = { ...session, signal: AbortSignal.any([session.signal, ending.signal]) };
  const records: MetricsRecord[] = [];
  try {
    const [cell] = await runGrid({ [key]: config }, lent, {
      folder,
      onMetrics(_, record) {
        records.push(record);
        if (stop?.(records)) ending.abort();
      },
    });
    const { result } = cell!;
    return { run, result, records: storedRecords(path), seconds: result.seconds };
  } catch (error) {
    if (!(error instanceof InterruptedError) || session.signal.aborted || !ending.signal.aborted) throw error;
    return { run, result: null, records, seconds: await secondsOf(path) };
  }
}

const secondsOf = async (path: string) => (await readCheckpointFile(path, 'last'))?.seconds ?? 0;

/** What a failure says to programs and people. */
export interface TrialFailure {
  /** Its code, see docs/errors.md. */
  readonly code: ErrorCode;
  /** What is wrong, and what to do about it. */
  readonly reason: string;
}

/** The failure of a trial by the error that ended it. */
export function failureOf(error: unknown): TrialFailure {
  // A run that can be resumed wraps what stopped it.
  const { code: outer } = explainError(error);
  const cause = outer === 'run.broken-off' ? (error as Error).cause : error;
  const { code, message } = explainError(cause);
  return { code, reason: message.replaceAll('\n', ' ') };
}

/** Whether every other trial would fail in the same way, so that the sweep ends. */
export function endsSweep({ code }: TrialFailure): boolean {
  return code === 'gpu.none' || code === 'gpu.addon' || code === 'file.disk' || code === 'api.unconfirmed';
}

/** Whether the same trial may get further another time: nothing about its values is wrong. */
export function maySucceed({ code }: TrialFailure): boolean {
  return code === 'gpu.lost' || code.endsWith('.not-found') || /^(file|network|hub|api)\./.test(code);
}

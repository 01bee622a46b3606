/** The first stages of a training as a finished run has them, where both are the same bit for bit. */
import { join, resolve } from 'node:path';
import { describeError, isInputError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';
import type { FinishedStages, Stage } from '@crossgate/fusion';
import type { LlamaConfig } from '@crossgate/llm';
import { openAdapter } from '@crossgate/llm/node';
import { type HostState, parseState } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { loadConfig } from '../config/load';
import { declarationOf } from '../config/method-defaults';
import type { ExperimentConfig } from '../config/schema';
import { digestVectors, requireRunFile } from '../runs/cf-file';
import { type MetricsRecord, readMetrics } from '../runs/metrics-log';
import { storedProvenance } from '../runs/run-folder';
import { cfFile } from '../runs/run-source';
import { version } from '../version';
import { needsCf } from './backends';
import { declaredMethod, stagesOfConfig } from './declared-stages';
import type { RunnerContext } from './runner';
import { type StageKey, stageKeys, stagesInCommon } from './stage-keys';

/** Stages that a training need not repeat. */
export interface SharedStages extends FinishedStages {
  /** Path of the run that they are of, as it was given. */
  readonly run: string;
  /** What the run logged in them. */
  readonly records: readonly MetricsRecord[];
}

/** The training that looks for its stages. */
export interface OwnTraining {
  /** Absolute path of its run folder, which already has the vectors of its CF backends. */
  readonly run: string;
  /** Name of the adapter. */
  readonly adapter: string;
  readonly modelHash: string;
  readonly llm: LlamaConfig;
}

/**
 * Looks for the run that has most of the stages which a training begins with. Runs that are not finished, or of another
 * adapter or version, have none. One whose files cannot be used is named in a warning.
 * @param sources paths of run folders, as the user gave them; of equals the first is taken
 */
export async function findFinishedStages(
  { config, dataset, session }: RunnerContext,
  { run, adapter, modelHash, llm }: OwnTraining,
  sources: readonly string[],
): Promise<SharedStages | undefined> {
  if (sources.length === 0) return undefined;
  const vectors = await vectorsOf(run, config);
  const own = stageKeys(config, { data: dataset.hash, model: modelHash, vectors });
  let found: SharedStages | undefined;
  for (const source of sources) {
    const path = resolve(session.cwd, source);
    if (path === run || (await kindOf(join(path, 'result.json'))) !== 'file') continue;
    try {
      const stages = stagesInCommon(own, await keysOf(path, adapter, session.cwd));
      if (stages > (found?.stages ?? 0)) found = await readStages(source, path, config, llm, stages, dataset);
    } catch (error) {
      if (!isInputError(error)) throw error;
      session.log.warn(`no stage is taken from ${source}: ${describeError(error)}`);
    }
  }
  return found;
}

/** The keys of a finished run's stages; none for one that another adapter or version made. */
async function keysOf(path: string, adapter: string, cwd: string): Promise<StageKey[]> {
  const stored = await storedProvenance(path);
  const { dataHash, modelHash } = stored;
  const isAlike =
    stored.from === undefined &&
    stored.adapter === adapter &&
    stored.crossgate === version &&
    stored.platform === `${process.platform}-${process.arch}`;
  if (!isAlike || dataHash === undefined || modelHash === undefined) return [];
  const config = await loadConfig(join(path, 'config.yaml'), { cwd });
  if (declarationOf(config.method) === undefined) return [];
  return stageKeys(config, { data: dataHash, model: modelHash, vectors: await vectorsOf(path, config) });
}

/** What tells each CF backend's vectors as training began with them, and of the settings that belong to them. */
async function vectorsOf(run: string, config: ExperimentConfig): Promise<string[]> {
  if (!needsCf(declaredMethod(config))) return [];
  const { run: named } = config.cf;
  const hashes: string[] = [];
  for (let index = 0; index < (Array.isArray(named) ? named.length : 1); index++) {
    const { hash, metadata } = await digestVectors(join(run, cfFile(index)));
    hashes.push(JSON.stringify([metadata.section ?? '', hash]));
  }
  return hashes;
}

async function readState(path: string): ReturnType<typeof parseState> {
  await requireRunFile(path);
  const file = await openFile(path);
  return parseState(file).finally(() => file.close());
}

/** @param count how many stages; the run's last state is the end of what these train */
async function readStages(
  source: string,
  path: string,
  config: ExperimentConfig,
  llm: LlamaConfig,
  count: number,
  { splits }: RunnerContext['dataset'],
): Promise<SharedStages | undefined> {
  const stages = stagesOfConfig(declaredMethod(config), config).slice(0, count);
  const log = join(path, 'metrics.jsonl');
  await requireRunFile(log);
  const records = readMetrics(log).filter(({ phase }) => stages.some(({ settings }) => settings === phase));
  const best = config.training.selectBy === 'last' ? null : bestOf(stages, records);
  // Without it, nothing says what a later state has to beat.
  const isChosen = config.training.selectBy === 'auc' && splits.valid.rows > 0;
  if (isChosen && best === null) return undefined;
  const parameters: HostState = new Map();
  const trains = new Set(stages.flatMap((stage) => stage.trains));
  if (trains.delete('lora')) {
    const { state } = await openAdapter(join(path, 'adapter'), llm);
    for (const [name, value] of state) parameters.set(name, value);
  }
  if (trains.size > 0) {
    const { state } = await readState(join(path, 'fusion.safetensors'));
    for (const [name, value] of state) parameters.set(name, value);
  }
  return { stages: count, parameters, best, run: source, records };
}

/** The best state at the end of stages, as training chose it. */
function bestOf(stages: readonly Stage[], records: readonly MetricsRecord[]): FinishedStages['best'] {
  let best: FinishedStages['best'] = null;
  for (const [stage, { settings, best: from }] of stages.entries()) {
    if (from === 'own') best = null;
    for (const { phase, step, validAuc: auc } of records) {
      if (phase !== settings || typeof auc !== 'number') continue;
      if (best === null || auc > best.auc) best = { stage, step, auc };
    }
  }
  return best;
}

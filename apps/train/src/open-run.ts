/** Opens a finished run, to score what it was not scored on. */
import { join, resolve } from 'node:path';
import type { Dataset } from '@crossgate/data';
import { loadConfig } from './config/load';
import type { CommandContext } from './context';
import { InputError } from './errors';
import { locateDataset } from './locate';
import { findMethod } from './methods';
import type { Scorer } from './methods/scorer';
import { didYouMean } from './nearest';
import { readResult } from './runs/result';

/** Keys that may be set for a finished run: where things lie on this machine, and how much is computed at a time. */
const SETTABLE = ['data.path', 'llm.path', 'llm.weights', 'evaluation.batchTokens'];

/** A finished run that can score. Close its scorer. */
export interface OpenRun {
  readonly dataset: Dataset;
  readonly method: string;
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
  context: CommandContext,
  run: string,
  set: readonly string[],
  check: (dataset: Dataset) => void | Promise<void> = () => {},
): Promise<OpenRun> {
  const { io, log, progress, options } = context;
  const path = resolve(io.cwd, run);
  const result = await readResult(path);
  for (const argument of set) {
    const key = argument.split('=', 1)[0]!;
    if (SETTABLE.includes(key)) continue;
    throw new InputError(`--set ${key}: cannot be changed for a finished run; what can: ${SETTABLE.join(', ')}`);
  }
  const config = await loadConfig(join(path, 'config.yaml'), { cwd: io.cwd, set });
  const dataset = await locateDataset(config.data, io);
  if (dataset.hash !== result.dataset.hash) {
    throw new InputError(
      `data.path: the data set is not the one that ${run} was trained on (hash ${dataset.hash}, then ${result.dataset.hash}); name the same with --set data.path=DIR`,
    );
  }
  await check(dataset);
  const method = await findMethod(config.method);
  const surroundings = { config, dataset, surroundings: io, log, progress, signal: io.signal };
  const { adapter } = options;
  const scorer = await method.openScorer({ ...surroundings, ...(adapter !== undefined && { adapter }) }, path);
  return { dataset, method: method.name, scorer };
}

/** Above this many ids, the one that was meant is not looked for. */
const MANY = 20_000;

/** Finds dense ids by the ids of the source. */
export class IdLookup {
  private readonly dense: ReadonlyMap<string, number>;

  /**
   * @param kind `user` or `item`, for messages
   * @param ids by dense id; index 0 is padding
   */
  constructor(
    private readonly kind: 'user' | 'item',
    private readonly ids: readonly string[],
    private readonly dataset: string,
  ) {
    this.dense = new Map(ids.map((id, index) => [id, index] as const).slice(1));
  }

  /** @param place begins the message @throws InputError for an id that the data set does not have */
  find(id: string, place: string): number {
    const found = this.dense.get(id.trim());
    if (found !== undefined) return found;
    const count = this.ids.length - 1;
    const hint = count > MANY ? '' : didYouMean(id, this.ids.slice(1));
    throw new InputError(
      `${place}: ${this.kind} ${JSON.stringify(id.slice(0, 40))} is not among the ${count} ${this.kind}s of ${this.dataset}${hint}`,
    );
  }
}

/** Runs each experiment of the paper once, under a name that tells when it was run before. */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describeError, InterruptedError, isInputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { declarationOf } from '../config/method-defaults';
import type { ExperimentConfig } from '../config/schema';
import { type ExperimentResult, runExperiment } from '../experiment';
import { locateModel } from '../locate';
import type { Session } from '../session';
import { paperExperiment, paperExperiments } from './experiments';
import { cellHash, type PaperCell, type PaperPlan, paperCell, seedsOf, trainedRowsOf, withBackends } from './plan';
import { type Resampled, resampleUsers } from './resampled';

/** What came of an experiment on one data set, over its seeds. */
export type PaperOutcome =
  | {
      readonly status: 'done';
      readonly results: readonly { readonly run: string; readonly result: ExperimentResult }[];
      /** On resamples of users; null where no test row was scored. */
      readonly resampled: Resampled | null;
      /** Training rows that it learned from (see `trainedRowsOf`), and those that there are. */
      readonly trained: { readonly rows: number; readonly of: number };
    }
  | { readonly status: 'absent' | 'failed'; readonly reason: string };

/** Runs each experiment once. */
export class Laboratory {
  readonly #outcomes = new Map<string, Promise<PaperOutcome>>();
  /** The language model of the experiments that were run. */
  model: string | null = null;
  /** The adapter of the last run that used one. */
  adapter: string | null = null;

  /** @param out folder of the runs, as the user gave it */
  constructor(
    readonly plan: PaperPlan,
    readonly session: Session,
    readonly out: string,
  ) {}

  /** The outcome of an experiment: run now, or before. @throws InterruptedError */
  outcome(key: string, dataset: PaperCell['dataset']): Promise<PaperOutcome> {
    const name = `${dataset.name}/${key}`;
    let outcome = this.#outcomes.get(name);
    if (outcome === undefined) {
      outcome = this.#run(key, dataset);
      this.#outcomes.set(name, outcome);
    }
    return outcome;
  }

  async #run(key: string, dataset: PaperCell['dataset']): Promise<PaperOutcome> {
    const { plan, session } = this;
    const results: { run: string; result: ExperimentResult }[] = [];
    let trained = { rows: 0, of: 0 };
    try {
      for (const seed of seedsOf(plan, paperExperiment(key))) {
        const made = await this.#prepare(key, dataset, seed);
        if ('status' in made) return made;
        const { config, run } = made;
        session.log.info(`${key}, ${dataset.name}, seed ${seed}`);
        const stagesFrom = await this.#trainedBefore(dataset, seed);
        const result = await runExperiment(config, session, { run, resume: 'if-begun', stagesFrom });
        if (result.adapter !== null) this.adapter = result.adapter;
        results.push({ run, result });
        const { rows: of } = (await session.dataset(config.data)).splits.train;
        trained = { rows: trainedRowsOf(config, of), of };
      }
      const hasTest = results.every(({ result }) => result.metrics.test !== undefined);
      const folders = results.map(({ run }) => resolve(session.cwd, run));
      return { status: 'done', results, trained, resampled: hasTest ? await resampleUsers(folders) : null };
    } catch (error) {
      if (error instanceof InterruptedError || session.signal.aborted) throw error;
      const absent = isInputError(error) && ABSENT.includes(codeOf(error));
      const reason = describeError(error);
      session.log.warn(`${key}, ${dataset.name}: ${reason}`);
      return { status: absent ? 'absent' : 'failed', reason };
    }
  }

  /** Folders of runs on a language model that may have stages in common, in the order of the experiments. */
  async #trainedBefore(dataset: PaperCell['dataset'], seed: number): Promise<string[]> {
    const folder = join(this.out, 'runs');
    const names = (await readdir(resolve(this.session.cwd, folder)).catch(() => [])).sort();
    return paperExperiments
      .filter(({ method }) => declarationOf(method) !== undefined)
      .flatMap(({ key }) => {
        const beginning = `${key}-${dataset.name}-${seed}-`;
        return names.filter((name) => name.startsWith(beginning) && !name.slice(beginning.length).includes('-'));
      })
      .map((name) => join(folder, name));
  }

  /** The config of one run with its folder, once the runs it is given vectors of are there. */
  async #prepare(
    key: string,
    dataset: PaperCell['dataset'],
    seed: number,
  ): Promise<{ config: ExperimentConfig; run: string; hash: string } | PaperOutcome> {
    const { plan, session, out } = this;
    const cell = await paperCell(plan, key, dataset, seed);
    const backends: { cell: PaperCell; run: string; hash: string }[] = [];
    for (const name of cell.experiment.backends) {
      const outcome = await this.outcome(name, dataset);
      if (outcome.status !== 'done') return outcome;
      const prepared = await this.#prepare(name, dataset, seed);
      if ('status' in prepared) return prepared;
      backends.push({ ...prepared, cell: await paperCell(plan, name, dataset, seed) });
    }
    const { hash: data } = await session.dataset(cell.config.data);
    const { path } = cell.config.llm;
    const hasModel = path !== null && declarationOf(cell.experiment.method) !== undefined;
    if (hasModel) this.model = path;
    const model = hasModel ? (await session.model(await locateModel(path, 'llm.path', session))).hash : null;
    const hash = cellHash(cell.config, { dataHash: data, model, backends: backends.map((backend) => backend.hash) });
    return {
      config: withBackends(cell, backends),
      run: join(out, 'runs', `${key}-${dataset.name}-${seed}-${hash}`),
      hash,
    };
  }

  /** The data set of the plan's experiments. @throws InputError where it is not there */
  async dataset(dataset: PaperCell['dataset']): Promise<Dataset> {
    const { config } = await paperCell(this.plan, 'item-mean', dataset, 1);
    return this.session.dataset(config.data);
  }
}

/** Codes of what is not there, or was not agreed to: the reason says what is needed. */
const ABSENT: readonly string[] = ['data.not-found', 'model.not-found', 'api.unset', 'api.unconfirmed'];

const codeOf = (error: unknown): string => String((error as { readonly code?: unknown }).code);

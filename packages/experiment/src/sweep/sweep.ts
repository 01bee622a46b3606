/** Runs a search: each trial once, bad ones stopped early, the best one written as a config. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError, throwIfInterrupted } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { uauc, whyNoAuc } from '@crossgate/eval';
import { acquireLock, kindOf, makeFolders, writeAtomic } from '@crossgate/files';
import type { ExperimentConfig } from '../config/schema';
import type { Session } from '../session';
import { bestConfigText, testMetrics } from './best';
import { type HalvingRound, halvingRounds } from './halving';
import {
  type BudgetUnit,
  budgetUnit,
  checkObjective,
  defaultObjective,
  positionOf,
  type SweepObjective,
  validationsOf,
  valueOfRecords,
  valueOfResult,
} from './objective';
import { importanceOf, ranked, type Sweep, type SweepBest, type SweepTrial } from './result';
import { roundConfig, wholeBudget } from './rounds';
import { endsSweep, failureOf, maySucceed, runTrial, type TrialFailure, trialKey, validRowsHash } from './run-trial';
import { type FinishedTrial, stopAfter, stopBelowMedian } from './stopping';
import type { SweepPlan } from './trials';

/** How a sweep runs. */
export interface SweepOptions {
  /** Folder of the sweep, as the user gave it. */
  readonly out: string;
  /** What is maximized on valid. Default: the metric of lists that `cf.selectBy` names, else AUC. */
  readonly objective?: SweepObjective | undefined;
  /** Successive halving, see `halvingRounds`. */
  readonly halving?:
    | {
        /** Of the trials of a round, one in so many goes on. At least 2. */
        readonly factor: number;
        /** The least epochs or rows of the first round. */
        readonly first?: number | undefined;
      }
    | undefined;
  /** Stops trials by the median of those that finished before. Does not go with `halving`. */
  readonly median?: boolean | undefined;
  /** Scores the test rows by the best trial, once, at the end. Default false. */
  readonly test?: boolean | undefined;
  /** Runs trials again that failed before for a reason of their own. Default false. */
  readonly retry?: boolean | undefined;
  /** Called before each run of a trial. */
  readonly onStart?: ((trial: number, round: HalvingRound | null) => void) | undefined;
  /** Called after each run of a trial. */
  readonly onTrial?: ((trial: SweepTrial) => void) | undefined;
}

/** What a sweep will do, before anything is trained. */
export interface SweepOutline {
  /** What will be maximized. */
  readonly objective: SweepObjective;
  /** What trainings are counted in; null where trials differ, or nothing is trained step by step. */
  readonly unit: BudgetUnit | null;
  /** Rounds of halving; empty without. */
  readonly rounds: readonly HalvingRound[];
}

/**
 * Checks that the trials of a plan can be compared, and stopped as the options ask for.
 * @throws InputError naming the option that does not go with the plan, and for data that are not there or define no objective
 */
export async function outlineSweep(
  plan: SweepPlan,
  session: Session,
  options: Omit<SweepOptions, 'out'>,
): Promise<SweepOutline> {
  const configs = plan.trials.flatMap(({ config }) => config ?? []);
  const { halving, median = false, objective = defaultObjective(configs) } = options;
  const refuse = (place: string, problem: string, fix: string) =>
    new InputError(problem, { code: 'usage', place, fix });
  const early = halving ? '--halving' : median ? '--median' : null;
  if (halving && median) throw refuse('--median', 'does not go with --halving', 'choose one');
  checkObjective(
    objective,
    configs,
    plan.keys.map(({ key }) => key),
    early !== null,
  );
  const untrained = configs.find((config) => budgetUnit(config) === null);
  if (early !== null && untrained)
    throw refuse(
      early,
      `${untrained.method} is not trained step by step here, so nothing can end early`,
      'leave it out',
    );
  const units = new Set(configs.map(budgetUnit));
  const unit = units.size === 1 ? [...units][0]! : null;
  const first = configs[0]!;
  const isSearched = (section: string) => plan.keys.some(({ key }) => key.split('.')[0] === section);
  if (!isSearched('data')) {
    const dataset = await session.dataset(first.data);
    const why = whyUndefined(objective, dataset);
    if (why !== null)
      throw refuse('--objective', `${objective} is not defined on valid, which ${why}`, 'choose ndcg, or other data');
    // A model or a cf.run that is not there is no fault of single trials.
    if (!isSearched('llm') && !isSearched('cf')) await trialKey(first, dataset, session);
  }
  if (!halving) return { objective, unit, rounds: [] };
  if (unit === null)
    throw refuse('--halving', 'some trials count epochs and others rows', 'search their methods apart');
  const trainRows = unit === 'rows' ? (await session.dataset(first.data)).splits.train.rows : 0;
  const budgets = configs.map((config) => wholeBudget(config, trainRows));
  const other = budgets.find((budget) => budget !== budgets[0]);
  if (other !== undefined)
    throw refuse(
      '--halving',
      `trials are trained on different numbers of ${unit} (${budgets[0]} and ${other})`,
      `fix ${unit === 'epochs' ? 'cf.epochs' : 'training.stage1.rows and stage2.rows'} with --set`,
    );
  if (halving.first !== undefined && halving.first > budgets[0]!)
    throw refuse('--first', `${halving.first} is more than the ${budgets[0]} ${unit} of a whole training`, 'give less');
  return { objective, unit, rounds: halvingRounds(plan.trials.length, { ...halving, budget: budgets[0]! }) };
}

/** Why an objective is not defined on the validation rows, in words that follow their name; null where it is. */
function whyUndefined(objective: SweepObjective, { splits: { valid } }: Dataset): string | null {
  if (objective !== 'auc' && objective !== 'uauc') return null;
  const { user, label } = valid;
  const why = whyNoAuc(label);
  if (why !== null || objective === 'auc') return why;
  return uauc({ user, label, score: label }).uauc === null ? 'has no user with rows of both classes' : null;
}

/**
 * Runs the trials of a plan, each below `OUT/runs` in a folder that is named by a hash of what decides its result: nothing
 * runs twice, and the same call goes on after an interruption. Writes `OUT/sweep.json` after each trial, and `OUT/best.yaml`.
 * A trial that fails is recorded, and the others go on.
 * @throws InterruptedError after Ctrl-C; InputError as {@link outlineSweep}, and for a folder that holds something else
 */
export async function runSweep(plan: SweepPlan, session: Session, options: SweepOptions): Promise<Sweep> {
  const outline = await outlineSweep(plan, session, options);
  const { out } = options;
  const path = resolve(session.cwd, out);
  await checkOut(path, out);
  await makeFolders(path, 'choose another --out');
  const lock = await acquireLock(join(path, 'sweep.lock'), 'sweep');
  try {
    return await new Search(plan, session, options, outline, await failuresOf(path, options)).run();
  } finally {
    await lock.release();
  }
}

/** @throws InputError for a file, and for a folder that holds something else than a sweep */
async function checkOut(path: string, out: string): Promise<void> {
  const kind = await kindOf(path);
  if (kind === 'absent') return;
  if (kind !== 'folder')
    throw new InputError('is a file', { code: 'file.kind', place: out, fix: 'choose another --out' });
  const names = (await readdir(path)).filter((name) => name !== 'sweep.lock');
  if (names.length > 0 && !names.includes('sweep.json'))
    throw new InputError('is not empty and holds no sweep', {
      ...{ code: 'file.exists', place: out, fix: 'choose another --out' },
    });
}

/** Failures that an earlier call recorded, by the name of the run folder. */
async function failuresOf(path: string, { retry }: SweepOptions): Promise<Map<string, TrialFailure>> {
  const failures = new Map<string, TrialFailure>();
  const file = join(path, 'sweep.json');
  if (retry === true || (await kindOf(file)) === 'absent') return failures;
  let stored: { readonly failures?: Readonly<Record<string, TrialFailure>> };
  try {
    stored = JSON.parse(await readFile(file, 'utf8'));
  } catch {
    throw new InputError('is not valid JSON; the file was changed or damaged', {
      ...{ code: 'file.damaged', place: file, fix: 'delete it; finished trials stay' },
    });
  }
  for (const [key, failure] of Object.entries(stored.failures ?? {})) failures.set(key, failure);
  return failures;
}

/** A trial on its way. */
interface Active {
  state: SweepTrial;
  readonly config: ExperimentConfig | null;
}

/** One run of a search. */
class Search {
  readonly #active: readonly Active[];
  readonly #finished: FinishedTrial[] = [];
  /** Of the first trial that could be prepared. */
  #validRows: string | null = null;
  #best: SweepBest | null = null;

  constructor(
    readonly plan: SweepPlan,
    readonly session: Session,
    readonly options: SweepOptions,
    readonly outline: SweepOutline,
    readonly failures: Map<string, TrialFailure>,
  ) {
    this.#active = plan.trials.map(({ trial, values, config, reason }) => ({
      config,
      state: {
        ...{ trial, values, status: config === null ? 'failed' : 'waiting', reason },
        ...{ code: config === null ? 'config.value' : null, value: null, firstValue: null, auc: null, auc95: null },
        ...{ uauc: null, logLoss: null, trained: null, round: null, seconds: null, run: null },
      },
    }));
  }

  async run(): Promise<Sweep> {
    await this.#write();
    const { rounds } = this.outline;
    if (rounds.length === 0) for (const active of this.#active) await this.#try(active, null, 0);
    for (const [index, round] of rounds.entries()) {
      // All begin; then the best of those that came through the round before, a failed one making room for the next.
      const entered = this.#active.filter(({ state }) => index === 0 || state.round === index);
      const order = index === 0 ? entered : entered.sort((a, b) => before(a.state, b.state));
      let passed = 0;
      for (const active of order) {
        if (passed >= round.trials) break;
        if (await this.#try(active, round, index)) passed++;
      }
    }
    this.#best = await this.#chooseBest();
    return this.#write();
  }

  /** Runs a trial, in a round. @returns whether it has a value */
  async #try(active: Active, round: HalvingRound | null, index: number): Promise<boolean> {
    const { config, state } = active;
    if (config === null || state.status === 'failed') return false;
    throwIfInterrupted(this.session.signal);
    let key: string | null = null;
    try {
      const dataset = await this.session.dataset(config.data);
      const { unit } = this.outline;
      const own = validConfig(
        round && unit === 'rows' ? roundConfig(config, round, this.outline.rounds, dataset.splits.train.rows) : config,
      );
      key = await trialKey(own, dataset, this.session);
      this.#checkValidRows(validRowsHash(dataset));
      const known = this.failures.get(key);
      if (known !== undefined && !maySucceed(known)) this.#fail(active, known, key);
      else {
        this.options.onStart?.(state.trial, round);
        await this.#runAs(active, own, key, round, index);
      }
    } catch (error) {
      throwIfInterrupted(this.session.signal);
      const failure = failureOf(error);
      if (endsSweep(failure)) throw error;
      this.#fail(active, failure, key);
    }
    await this.#write();
    this.options.onTrial?.(active.state);
    return active.state.value !== null;
  }

  /** Runs a trial and takes what it found. */
  async #runAs(
    active: Active,
    config: ExperimentConfig,
    key: string,
    round: HalvingRound | null,
    index: number,
  ): Promise<void> {
    const { objective, unit, rounds } = this.outline;
    const { state } = active;
    const isLast = index === rounds.length - 1;
    const pauses = round !== null && unit === 'epochs';
    const stop = this.options.median
      ? stopBelowMedian(this.#finished, config, objective)
      : pauses && !isLast
        ? stopAfter(round.budget)
        : undefined;
    const { run, result, records, seconds } = await runTrial(config, this.session, { folder: this.#folder, key, stop });
    // A run that went on in a later round before counts here as it was then.
    const upTo = pauses && !isLast ? records.filter((record) => positionOf(record, config) <= round.budget) : records;
    const validations = validationsOf(upTo, config);
    const isWhole = result !== null && upTo.length === records.length;
    const value = isWhole ? valueOfResult(result, objective) : valueOfRecords(upTo, config, objective);
    if (value === null)
      throw new InputError(`${objective} is not defined on the validation rows`, { code: 'config.value' });
    const valid = isWhole ? result.metrics.valid : undefined;
    if (isWhole && !this.outline.rounds.length) this.#finished.push({ config, records });
    const ended = validations.at(-1);
    const isOut = !isWhole || (round !== null && !isLast);
    active.state = {
      ...state,
      status: isOut ? 'stopped' : 'done',
      reason: isOut ? (round ? `round ${index + 1} of ${rounds.length}` : 'below the median') : null,
      ...{ value, firstValue: state.firstValue ?? value, run, round: round && index + 1 },
      auc: valid?.auc ?? valueOfRecords(upTo, config, 'auc'),
      auc95: valid?.auc95 ?? null,
      uauc: valid?.uauc ?? valueOfRecords(upTo, config, 'uauc'),
      logLoss: valid?.logLoss ?? null,
      trained: unit === 'rows' ? (round?.budget ?? null) : unit === null || !ended ? null : positionOf(ended, config),
      // A paused run counts its own seconds on; runs of their own add up.
      seconds: (unit === 'rows' ? (state.seconds ?? 0) : 0) + seconds,
    };
  }

  get #folder(): string {
    return join(this.options.out, 'runs');
  }

  /** @throws InputError for trials that are validated on other rows than the first one */
  #checkValidRows(hash: string): void {
    this.#validRows ??= hash;
    if (this.#validRows === hash) return;
    throw new InputError('its validation rows are others than those of the first trial, so it cannot be compared', {
      ...{ code: 'run.not-comparable', fix: 'search keys that change them apart' },
    });
  }

  #fail(active: Active, failure: TrialFailure, key: string | null): void {
    if (key !== null) this.failures.set(key, failure);
    const { reason, code } = failure;
    active.state = { ...active.state, status: 'failed', reason, code, value: null };
  }

  /** The best trial that was trained to its end. */
  async #chooseBest(): Promise<SweepBest | null> {
    const states = this.#active.map(({ state }) => state);
    const best = ranked(states.filter(({ status, value }) => status === 'done' && value !== null))[0];
    if (best === undefined) return null;
    const { trial, values, value, run, auc95 } = best;
    const { config } = this.#active.find(({ state }) => state === best)!;
    const { objective } = this.outline;
    const file = join(this.options.out, 'best.yaml');
    const head = `the best of ${states.length} trials by ${objective} of valid, ${value!.toFixed(4)}`;
    await writeAtomic(resolve(this.session.cwd, file), bestConfigText(config!, values, head));
    const others = states.filter(({ auc }) => auc !== null && auc95 !== null && auc >= auc95[0]);
    return {
      ...{ trial, values, value: value!, run: run!, config: file },
      within: objective === 'auc' && auc95 !== null ? others.length - 1 : null,
      test: this.options.test ? await testMetrics(this.session, run!) : null,
    };
  }

  /** Writes sweep.json. */
  async #write(): Promise<Sweep> {
    const { plan, options, outline } = this;
    const trials = ranked(this.#active.map(({ state }) => state));
    const sweep: Sweep = {
      ...{ out: options.out, config: plan.config, strategy: plan.strategy, seed: plan.seed },
      ...{ objective: outline.objective, early: options.halving ? 'halving' : options.median ? 'median' : null },
      ...{ rounds: outline.rounds, unit: outline.unit, keys: plan.keys, trials },
      ...{ importance: importanceOf(trials, plan.keys), best: this.#best },
      seconds: trials.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0),
    };
    const content = { ...sweep, failures: Object.fromEntries(this.failures) };
    await writeAtomic(resolve(this.session.cwd, options.out, 'sweep.json'), `${JSON.stringify(content, null, 2)}\n`);
    return sweep;
  }
}

/** Trials score valid alone: what is chosen must not have been seen by the choice. */
const validConfig = (config: ExperimentConfig): ExperimentConfig => ({
  ...config,
  evaluation: { ...config.evaluation, splits: ['valid'] },
});

const before = (a: SweepTrial, b: SweepTrial) => (b.value ?? -1) - (a.value ?? -1) || a.trial - b.trial;

/** Runs what tables and figures of the paper need, each experiment once, and gathers the numbers of every row. */
import { resolve } from 'node:path';
import { describeError, isInputError, throwIfInterrupted } from '@crossgate/core';
import { hasWholePast } from '@crossgate/data';
import { relativeImprovement, type SeedSummary, summarizeSeeds } from '@crossgate/eval';
import { stagesOf } from '@crossgate/fusion/methods';
import { type Comparison, compareRuns } from '../comparison';
import { declarationOf } from '../config/method-defaults';
import type { ExperimentConfig } from '../config/schema';
import { hasPlus } from '../information';
import { type StageKey, stageKeys, stagesInCommon } from '../runners/stage-keys';
import type { Session } from '../session';
import { type CaseStudy, studyCase } from './case-study';
import { paperExperiment } from './experiments';
import { Laboratory } from './laboratory';
import { experimentsOf, type PaperCell, type PaperPlan, paperCell, rowsOf, seedsOf } from './plan';
import { type PaperDataset, type PaperPart, type PaperRow, paperMap, paperStatistics } from './tables';

/** What is to be made, and where. */
export interface ReproduceOptions {
  /** Tables and figures. */
  readonly parts: readonly PaperPart[];
  /** Rows whose id holds one of these words; all of them without any. */
  readonly only?: readonly string[];
  /** Folder of the runs, as the user gave it. */
  readonly out: string;
  /** Called with every row that is done, in order. */
  readonly onRow?: (row: ReproducedRow) => void;
}

/** A row with our numbers beside the paper's. Metrics are of the test rows, over seeds; null where there are none. */
export interface ReproducedRow {
  /** Id of the row. */
  readonly id: string;
  /** The table or figure. */
  readonly part: PaperPart;
  /** Heading that it stands under. */
  readonly group: string;
  /** Name of the method or variant. */
  readonly label: string;
  /** The data set that our numbers are of. */
  readonly dataset: string;
  /** `absent`: data or a model is not there; `failed`: the training ended with an error; `missing`: not ours to run. */
  readonly status: 'done' | 'absent' | 'failed' | 'missing';
  /** Why there are no numbers. */
  readonly reason: string | null;
  /** Which labels the method sees: T, H or P, or T+, H+ or P+. */
  readonly information: string | null;
  /** Seeds of the runs, in order. */
  readonly seeds: readonly number[];
  /** AUC of the test rows. */
  readonly auc: SeedSummary | null;
  /** DeLong's 95 % interval of the first seed. */
  readonly auc95: readonly [number, number] | null;
  /** Mean AUC of users. */
  readonly uauc: SeedSummary | null;
  /** AUC of rows whose user and item were trained on. */
  readonly warmAuc: SeedSummary | null;
  /** AUC of the other rows. */
  readonly coldAuc: SeedSummary | null;
  /** Equation 6, as a fraction, from the mean of `base`. */
  readonly relativeImprovement: number | null;
  /** The experiment that it is measured from. */
  readonly base: string | null;
  /** The paper's AUC, and of which of its data sets. */
  readonly published: number | null;
  /** The data set that `published` is of. */
  readonly publishedOn: PaperDataset;
  /** Ours minus the paper's; null on other data than the paper's, and for a class with a plus. */
  readonly difference: number | null;
  /** Seconds of training and scoring of all seeds. */
  readonly seconds: number | null;
  /** Run folders, by seed. */
  readonly runs: readonly string[];
}

/** Counts of a data set beside those of Table 1. Users and items count the padding, as the paper does. */
export interface DatasetStatistics {
  /** Name of the data set. */
  readonly dataset: string;
  /** The data set of the paper that it stands beside. */
  readonly publishedOn: PaperDataset;
  /** Null where the data set is not there. */
  readonly ours: Readonly<Record<string, number>> | null;
  /** Counts of the paper. */
  readonly published: Readonly<Record<string, number>>;
  /** Why there are no counts, or why ours are others. */
  readonly reason: string | null;
}

/** Whether CCF-LLM gains from collaborative filtering: it must beat each control by the paired tests. */
export interface ControlledClaim {
  /** Name of the data set. */
  readonly dataset: string;
  /** Every control is beaten, in AUC, with p below .05 after Holm's correction. */
  readonly holds: boolean;
  /** The paired tests, each of a control against CCF-LLM. */
  readonly comparison: Comparison;
}

/** The run whose items Figure 4 shows. */
export interface MappedRun {
  /** Name of the data set. */
  readonly dataset: string;
  /** The run folder of the first seed; null where there is none. */
  readonly run: string | null;
  /** Seed of the run; draws the items, too. */
  readonly seed: number;
  /** Most items to show. */
  readonly items: number;
  /** Why there is no run. */
  readonly reason: string | null;
}

/** All that was made. */
export interface Reproduction {
  /** Name of the profile. */
  readonly profile: string;
  /** The language model as the user would name it; null where no row needs one. */
  readonly model: string | null;
  /** GPU of the last run that used one; null where none did. */
  readonly adapter: string | null;
  /** Folder of the runs. */
  readonly out: string;
  /** Table 1. */
  readonly statistics: readonly DatasetStatistics[];
  /** Rows of scores, data set by data set. */
  readonly rows: readonly ReproducedRow[];
  /** Table 5. */
  readonly cases: readonly CaseStudy[];
  /** Figure 4. */
  readonly maps: readonly MappedRun[];
  /** What the controls say, where all of them were made. */
  readonly claims: readonly ControlledClaim[];
}

/**
 * Makes tables and figures. A run that is complete in `out` is not run again: its folder is named by a hash of its config, its
 * data, its model and the runs it is given vectors of. What cannot be made for want of data or a model is named, and the rest
 * goes on.
 * @throws InterruptedError after Ctrl-C; the same call goes on from there
 */
export async function reproducePaper(
  plan: PaperPlan,
  session: Session,
  { parts, only = [], out, onRow }: ReproduceOptions,
): Promise<Reproduction> {
  const wanted = rowsOf(parts, only);
  const rows: ReproducedRow[] = [];
  const statistics: DatasetStatistics[] = [];
  const cases: CaseStudy[] = [];
  const claims: ControlledClaim[] = [];
  const maps: MappedRun[] = [];
  const lab = new Laboratory(plan, session, out);
  for (const dataset of plan.profile.datasets) {
    if (parts.includes('table1') && only.length === 0) statistics.push(await countDataset(lab, dataset));
    for (const row of wanted.filter(({ datasets }) => datasets.includes(dataset.published))) {
      throwIfInterrupted(session.signal);
      const made = await scoreRow(lab, row, dataset);
      rows.push(made);
      onRow?.(made);
    }
    if (parts.includes('table5') && only.length === 0) cases.push(await studyCase(lab, dataset));
    if (parts.includes('figure4') && only.length === 0) maps.push(await mappedRun(lab, dataset));
    const claim = await testControls(lab, rows, dataset.name);
    if (claim !== null) claims.push(claim);
  }
  return {
    ...{ profile: plan.profile.name, model: lab.model, adapter: lab.adapter, out },
    ...{ statistics, rows, cases, maps, claims },
  };
}

/** Mean and deviation over seeds; null where one of them has no value. */
function overSeeds(values: readonly (number | null | undefined)[]): SeedSummary | null {
  const numbers = values.filter((value) => typeof value === 'number');
  return numbers.length > 0 && numbers.length === values.length ? summarizeSeeds(numbers) : null;
}

async function scoreRow(lab: Laboratory, row: PaperRow, dataset: PaperCell['dataset']): Promise<ReproducedRow> {
  const { id, part, group, experiment, base = null } = row;
  const published = row.published[dataset.published] ?? null;
  const shared = {
    ...{ id, part, group, dataset: dataset.name, base, published, publishedOn: dataset.published },
    label: experiment === null ? row.missing!.label : paperExperiment(experiment).label,
  };
  const empty = {
    ...{ information: null, seeds: [], auc: null, auc95: null, uauc: null, warmAuc: null, coldAuc: null },
    ...{ relativeImprovement: null, difference: null, seconds: null, runs: [] },
  };
  if (experiment === null) return { ...shared, ...empty, status: 'missing', reason: row.missing!.reason };
  // First, as in the list of costs: what both have in common is then trained by the base.
  const of = base === null ? null : await lab.outcome(base, dataset);
  const outcome = await lab.outcome(experiment, dataset);
  if (outcome.status !== 'done') return { ...shared, ...empty, status: outcome.status, reason: outcome.reason };
  const results = outcome.results.map(({ result }) => result);
  const tests = results.map(({ metrics }) => metrics.test);
  const auc = overSeeds(tests.map((test) => test?.auc));
  const mean = auc?.mean ?? null;
  const from =
    of?.status === 'done' ? (overSeeds(of.results.map(({ result }) => result.metrics.test?.auc))?.mean ?? null) : null;
  const { information } = results[0]!;
  const isSame = dataset.name === dataset.published && !hasPlus(information);
  return {
    ...shared,
    ...{ status: 'done', reason: null, information, auc },
    seeds: results.map(({ seed }) => seed),
    auc95: tests[0]?.auc95 ?? null,
    uauc: overSeeds(tests.map((test) => test?.uauc)),
    warmAuc: overSeeds(tests.map((test) => test?.warm?.auc)),
    coldAuc: overSeeds(tests.map((test) => test?.cold?.auc)),
    relativeImprovement: mean === null || from === null ? null : relativeImprovement(mean, from),
    difference: mean === null || published === null || !isSame ? null : mean - published,
    seconds: results.reduce((sum, { seconds }) => sum + seconds, 0),
    runs: outcome.results.map(({ run }) => run),
  };
}

async function mappedRun(lab: Laboratory, dataset: PaperCell['dataset']): Promise<MappedRun> {
  const outcome = await lab.outcome(paperMap.experiment, dataset);
  const shared = { dataset: dataset.name, items: paperMap.items };
  if (outcome.status !== 'done') return { ...shared, run: null, seed: 0, reason: outcome.reason };
  const { run, result } = outcome.results[0]!;
  return { ...shared, run, seed: result.seed, reason: null };
}

const WHOLE_PAST = 'Ours count every rating before valid (data.window: all).';

async function countDataset(lab: Laboratory, dataset: PaperCell['dataset']): Promise<DatasetStatistics> {
  const shared = {
    dataset: dataset.name,
    publishedOn: dataset.published,
    published: paperStatistics[dataset.published],
  };
  try {
    const found = await lab.dataset(dataset);
    const { users, items, splits } = found;
    const rows = { train: splits.train.rows, valid: splits.valid.rows, test: splits.test.rows };
    return {
      ...shared,
      ours: { users: users.length, items: items.length, ...rows },
      reason: hasWholePast(found) ? WHOLE_PAST : null,
    };
  } catch (error) {
    if (!isInputError(error)) throw error;
    return { ...shared, ours: null, reason: describeError(error) };
  }
}

/** The experiments that CCF-LLM (LightGCN) must beat before its gain is called one of collaborative filtering. */
const CONTROLS = [
  'ccf-lightgcn-permuted-items',
  'ccf-lightgcn-permuted-users',
  'ccf-lightgcn-random-vectors',
  'ccf-lightgcn-permuted-at-evaluation',
  'tallrec-twice',
];

/** Tests CCF-LLM against its controls, where the rows made have all of them. */
async function testControls(
  lab: Laboratory,
  rows: readonly ReproducedRow[],
  dataset: string,
): Promise<ControlledClaim | null> {
  const runsOf = (experiment: string) =>
    rows.find(({ id, dataset: on, status }) => id === `table3/${experiment}` && on === dataset && status === 'done')
      ?.runs;
  const own = runsOf('ccf-lightgcn');
  const others = CONTROLS.map(runsOf);
  if (own === undefined || others.includes(undefined)) return null;
  const paths = [...own, ...others.flatMap((runs) => runs ?? [])];
  const comparison = await compareRuns(
    paths.map((shown) => ({ shown, path: resolve(lab.session.cwd, shown) })),
    'test',
    0,
  );
  // Each test is control − CCF-LLM.
  const isBeaten = ({ auc }: Comparison['tests'][number]) => auc !== null && auc.difference < 0 && auc.pHolm < 0.05;
  return { dataset, holds: comparison.tests.every(isBeaten), comparison };
}

/** What the runs of some parts cost, before any of them is made. */
export interface PaperCost {
  /** Its key. */
  readonly experiment: string;
  /** As tables name it. */
  readonly label: string;
  /** Name of the data set. */
  readonly dataset: string;
  /** Number of runs. */
  readonly seeds: number;
  /** Prompts that all seeds train on; 0 without a language model. */
  readonly trainedPrompts: number;
  /** Prompts scored at validations and at the end. */
  readonly scoredPrompts: number;
  /** An earlier experiment whose first stages are those of this one, and are not trained again; null where none is. */
  readonly stagesFrom: string | null;
  /** Which rows show it. */
  readonly rows: readonly string[];
}

/** Lists the experiments that parts need, with what each costs. Data sets that are not there count as if they had no rows. */
export async function paperCosts(
  plan: PaperPlan,
  session: Session,
  { parts, only = [] }: Pick<ReproduceOptions, 'parts' | 'only'>,
): Promise<PaperCost[]> {
  const costs: PaperCost[] = [];
  const lab = new Laboratory(plan, session, '');
  for (const dataset of plan.profile.datasets) {
    const rows = rowsOf(parts, only).filter(({ datasets }) => datasets.includes(dataset.published));
    const splits = await lab.dataset(dataset).then(
      ({ splits: { train, valid, test } }) => ({ train: train.rows, valid: valid.rows, test: test.rows }),
      (error: unknown) => {
        if (!isInputError(error)) throw error;
        return { train: 0, valid: 0, test: 0 };
      },
    );
    const before: { readonly key: string; readonly stages: readonly StageKey[] }[] = [];
    for (const key of experimentsOf(parts, rows)) {
      const { config, experiment } = await paperCell(plan, key, dataset, 1);
      const { length: seeds } = seedsOf(plan, experiment);
      const isTrained = declarationOf(experiment.method) !== undefined;
      const stages = isTrained ? stageKeys(config, { data: '', model: '', vectors: experiment.backends }) : [];
      const alike = before.map((other) => ({ key: other.key, count: stagesInCommon(stages, other.stages) }));
      const count = Math.max(0, ...alike.map((other) => other.count));
      const stagesFrom = count === 0 ? null : alike.find((other) => other.count === count)!.key;
      before.push({ key, stages });
      const [trained, scored] = promptsOf(config, splits, count);
      costs.push({
        ...{ experiment: key, label: experiment.label, dataset: dataset.name, seeds, stagesFrom },
        ...{ trainedPrompts: seeds * trained, scoredPrompts: seeds * scored },
        rows: rows.filter(({ experiment }) => experiment === key).map(({ id }) => id),
      });
    }
  }
  return costs;
}

/**
 * Prompts that a run trains on, and that it scores: at validations, and at the end. None without a language model.
 * @param taken stages from the first on that it takes from another run
 */
function promptsOf(
  { training, evaluation, method, api }: ExperimentConfig,
  rows: Readonly<Record<'train' | 'valid' | 'test', number>>,
  taken: number,
): [number, number] {
  const declaration = declarationOf(method);
  const isClosed = method === 'api-llm';
  if (declaration === undefined && !isClosed) return [0, 0];
  const stages = declaration
    ? stagesOf(declaration, training.strategy).map(({ settings }) => settings)
    : (['stage1'] as const).filter(() => api.fineTune);
  let [trained, scored] = [0, 0];
  for (const name of stages.slice(taken)) {
    const { rows: wanted, epochs, batchSize, evaluateEvery } = training[name];
    const passes = Math.min(wanted ?? rows.train, rows.train) * epochs;
    trained += passes;
    if (isClosed) continue; // Its endpoint validates nothing.
    const validations = evaluateEvery === null ? epochs : Math.ceil(passes / batchSize / evaluateEvery);
    scored += validations * Math.min(evaluation.validRows ?? rows.valid, rows.valid);
  }
  for (const split of evaluation.splits) {
    scored += split === 'test' ? Math.min(evaluation.testRows ?? rows.test, rows.test) : rows[split];
  }
  return [trained, scored];
}

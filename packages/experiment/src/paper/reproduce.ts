/** Runs what tables and figures of the paper need, each experiment once, and gathers the numbers of every row. */
import { describeError, isInputError, throwIfInterrupted } from '@crossgate/core';
import { hasWholePast } from '@crossgate/data';
import { relativeImprovement, type SeedSummary, summarizeSeeds } from '@crossgate/eval';
import { hasPlus } from '../information';
import type { Session } from '../session';
import { type CaseStudy, studyCase } from './case-study';
import { type ControlledClaim, testControls } from './claims';
import { paperExperiment } from './experiments';
import { Laboratory } from './laboratory';
import { type PaperCell, type PaperPlan, rowsOf } from './plan';
import type { Resampled } from './resampled';
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
  /** `absent`: data or a model is not there, `reason` says what to fetch; `failed`: the training ended with an error. */
  readonly status: 'done' | 'absent' | 'failed';
  /** Why there are no numbers. */
  readonly reason: string | null;
  /** Which labels the method sees: T, H or P, or T+, H+ or P+. */
  readonly information: string | null;
  /** Seeds of the runs, in order. */
  readonly seeds: readonly number[];
  /** Training rows that it learned from, the fewest of any of its stages; 0 where nothing is trained. */
  readonly trainedRows: number | null;
  /** Training rows that there are. */
  readonly trainRows: number | null;
  /** AUC of the test rows. */
  readonly auc: SeedSummary | null;
  /** 95 % interval of the mean over seeds, by 1,000 resamples of whole users. */
  readonly auc95: readonly [number, number] | null;
  /** Mean AUC of users. */
  readonly uauc: SeedSummary | null;
  /** 95 % interval of the mean over seeds, on the same resamples. */
  readonly uauc95: readonly [number, number] | null;
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
    const claim = await claimOf(lab, rows, dataset);
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
    label: paperExperiment(experiment).label,
  };
  const empty = {
    ...{ information: null, seeds: [], trainedRows: null, trainRows: null, auc: null, auc95: null, uauc: null },
    ...{ uauc95: null, warmAuc: null, coldAuc: null, relativeImprovement: null, difference: null },
    ...{ seconds: null, runs: [] },
  };
  // First, as in the list of costs: what both have in common is then trained by the base.
  const of = base === null ? null : await lab.outcome(base, dataset);
  const outcome = await lab.outcome(experiment, dataset);
  if (outcome.status !== 'done') return { ...shared, ...empty, status: outcome.status, reason: outcome.reason };
  const { resampled, trained } = outcome;
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
    ...{ trainedRows: trained.rows, trainRows: trained.of },
    auc95: resampled?.auc.interval ?? null,
    uauc: overSeeds(tests.map((test) => test?.uauc)),
    uauc95: resampled?.uauc.interval ?? null,
    warmAuc: overSeeds(tests.map((test) => test?.warm?.auc)),
    coldAuc: overSeeds(tests.map((test) => test?.cold?.auc)),
    relativeImprovement: mean === null || from === null ? null : relativeImprovement(mean, from),
    difference: mean === null || published === null || !isSame ? null : mean - published,
    seconds: results.reduce((sum, { seconds }) => sum + seconds, 0),
    runs: outcome.results.map(({ run }) => run),
  };
}

/** What the controls say, where Table 3 has all of them. */
async function claimOf(
  lab: Laboratory,
  rows: readonly ReproducedRow[],
  dataset: PaperCell['dataset'],
): Promise<ControlledClaim | null> {
  const made = new Map<string, Resampled>();
  for (const { id, part, dataset: on, status } of rows) {
    if (part !== 'table3' || on !== dataset.name || status !== 'done') continue;
    const experiment = id.slice('table3/'.length);
    const outcome = await lab.outcome(experiment, dataset);
    if (outcome.status === 'done' && outcome.resampled !== null) made.set(experiment, outcome.resampled);
  }
  return testControls(dataset.name, (experiment) => made.get(experiment) ?? null);
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

/** Table 5: how CF, the language model, CCF-LLM and a baseline without learning rank a few items of one user. */
import { describeError, isInputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { openRun } from '../open-run';
import type { Laboratory } from './laboratory';
import type { PaperCell } from './plan';
import { paperCase } from './tables';

/** One item of the case. */
export interface CaseItem {
  /** As the data set has it. */
  readonly title: string;
  /** 1 where the user liked it. */
  readonly label: number;
  /** Rank among the items of the case by each experiment, from 1. */
  readonly ranks: readonly number[];
  /** The paper's ranks, of its experiments alone; null on other data. */
  readonly published: readonly number[] | null;
}

/** The case of one data set. */
export interface CaseStudy {
  /** Name of the data set. */
  readonly dataset: string;
  /** Id of the user in the source. */
  readonly user: string | null;
  /** Titles of the user's first positives, as many as the paper names. */
  readonly history: readonly string[];
  /** Keys of the experiments: those of the paper, then the baseline. */
  readonly experiments: readonly string[];
  /** The items, in the order of the table; none where there is a reason. */
  readonly items: readonly CaseItem[];
  /** Why there is none. */
  readonly reason: string | null;
}

/** Positives that the paper names. */
const NAMED = 9;

/**
 * The case of the paper on MovieLens-1M; on other data, the first five test rows of the first user with five.
 * @throws InterruptedError
 */
export async function studyCase(lab: Laboratory, dataset: PaperCell['dataset']): Promise<CaseStudy> {
  const experiments = [...paperCase.experiments, paperCase.baseline];
  const shared = { dataset: dataset.name, experiments };
  const none = (reason: string): CaseStudy => ({ ...shared, user: null, history: [], items: [], reason });
  const runs: string[] = [];
  for (const key of experiments) {
    const outcome = await lab.outcome(key, dataset);
    if (outcome.status !== 'done') return none(outcome.reason);
    runs.push(outcome.results[0]!.run);
  }
  try {
    const data = await lab.dataset(dataset);
    const isPaper = dataset.name === 'ml-1m';
    const chosen = isPaper ? paperRowsOf(data) : firstRows(data);
    if (chosen === null)
      return none(isPaper ? 'its user has not all of the five films in test' : 'no user has five test rows');
    const ranks: number[][] = [];
    for (const run of runs) ranks.push(await ranksBy(lab, run, chosen));
    const { user, rows } = chosen;
    const { item, label } = data.splits.test;
    return {
      ...{ ...shared, reason: null, user: data.users[user]! },
      history: Array.from(data.positives(user).subarray(0, NAMED), (id) => data.items[id]!.title),
      items: rows.map((row, i) => ({
        title: data.items[item[row]!]!.title,
        label: label[row]!,
        ranks: ranks.map((of) => of[i]!),
        published: dataset.name === 'ml-1m' ? paperCase.items[i]!.ranks : null,
      })),
    };
  } catch (error) {
    if (!isInputError(error)) throw error;
    return none(describeError(error));
  }
}

interface ChosenRows {
  readonly user: number;
  /** Test rows of the user, in the order of the table. */
  readonly rows: readonly number[];
}

/** The paper's five films among the test rows of its user; null where one of them is not there. */
function paperRowsOf({ splits: { test }, items }: Dataset): ChosenRows | null {
  const rows = paperCase.items.map(({ title }) =>
    Array.from({ length: test.rows }, (_, row) => row).find(
      (row) => test.user[row] === paperCase.user && plainTitle(items[test.item[row]!]!.title).startsWith(title),
    ),
  );
  if (rows.includes(undefined)) return null;
  return { user: paperCase.user, rows: rows as number[] };
}

/** MovieLens writes articles last, and apostrophes in several ways. */
const plainTitle = (title: string) => title.replaceAll(/[’`]/g, "'");

function firstRows({ splits: { test } }: Dataset): ChosenRows | null {
  const rowsOf = new Map<number, number[]>();
  for (let row = 0; row < test.rows; row++) {
    const user = test.user[row]!;
    const rows = [...(rowsOf.get(user) ?? []), row];
    if (rows.length === paperCase.items.length) return { user, rows };
    rowsOf.set(user, rows);
  }
  return null;
}

/** Rank of each row by a finished run, from 1. Equal scores keep their order. */
async function ranksBy({ session }: Laboratory, run: string, { user, rows }: ChosenRows): Promise<number[]> {
  const { scorer, dataset } = await openRun(session, run, []);
  try {
    const { logit } = await scorer.scorePairs({
      user: new Int32Array(rows.length).fill(user),
      item: Int32Array.from(rows, (row) => dataset.splits.test.item[row]!),
      place: rows.map((row) => ({ split: 'test', row })),
    });
    const order = [...rows.keys()].sort((a, b) => logit[b]! - logit[a]! || a - b);
    return rows.map((_, i) => order.indexOf(i) + 1);
  } finally {
    await scorer.close();
  }
}

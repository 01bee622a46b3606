/** Runs side by side: the same rows of the same data, methods with their seeds, paired tests between them. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import { readColumns } from '@crossgate/data/node';
import {
  deLongTestOfMeans,
  holmAdjust,
  type PairedAucTest,
  perUserAuc,
  type SeedSummary,
  type SignedRankTest,
  type SplitMetrics,
  signedRankTest,
  summarizeSeeds,
} from '@crossgate/eval';
import { kindOf, readText } from '@crossgate/files';
import { isPlain, type Plain } from './config/plain';
import { moveRenamedKeys } from './config/renamed';
import type { SplitName } from './config/schema';
import { readYaml } from './config/yaml';
import { hasPlus } from './information';
import { evaluatePredictions, type Predictions, readPredictions } from './predictions';
import { readResult, type StoredResult } from './runs/result';

/** One finished run, with the scored rows of the split that is compared. */
interface ComparedRun {
  /** The path as the user gave it. */
  readonly shown: string;
  readonly result: StoredResult;
  readonly seed: number;
  /** Equal for runs whose configs differ in the seed only. */
  readonly configKey: string;
  /** Equal for runs whose lists are made and judged alike. */
  readonly rankingKey: string;
  readonly predictions: Predictions;
  /** SHA-256 over user, item and label of each row. */
  readonly rowsHash: string;
  readonly metrics: SplitMetrics;
}

/** The metrics that are compared; each over the seeds of a method. Null where one of them is not defined. */
export const comparedMetrics = ['auc', 'uauc', 'logLoss', 'warmAuc', 'warmUauc', 'coldAuc', 'coldUauc'] as const;
/** A metric that is compared; the names with `warm` and `cold` are those of the part of the rows. */
export type ComparedMetric = (typeof comparedMetrics)[number];

/** The metrics of lists that are compared. */
export const comparedRankingMetrics = ['recall', 'precision', 'ndcg', 'mrr', 'map', 'hit', 'coverage'] as const;
/** A metric of lists that is compared. */
export type ComparedRankingMetric = (typeof comparedRankingMetrics)[number];

/** A method: one run, or the runs of one config with different seeds. */
export interface ComparedMethod {
  /** Unique among the methods. */
  readonly name: string;
  /** What `method` says in its config, such as `mf` or `ccf`. */
  readonly method: string;
  /** Which labels it sees: T, H or P, or T+, H+ or P+. */
  readonly information: string;
  /** Paths of its runs as the user gave them, in that order. */
  readonly runs: readonly string[];
  /** Seed of each of these runs. */
  readonly seeds: readonly number[];
  /** Each metric over the seeds; null where a run does not define it, as the AUC of rows with one label only. */
  readonly metrics: Readonly<Record<ComparedMetric, SeedSummary | null>>;
  /** Metrics of lists over the seeds; null where a run has none. */
  readonly ranking: Readonly<Record<ComparedRankingMetric, SeedSummary | null>> | null;
  /** DeLong's 95 % interval, for a single run. */
  readonly auc95: readonly [number, number] | null;
}

/** Two methods, a − b. `pHolm` is corrected over all pairs of the comparison, for each metric by itself. */
export interface ComparedPair {
  /** Name of the first method, as in {@link ComparedMethod}. */
  readonly a: string;
  /** Name of the method that is subtracted. */
  readonly b: string;
  /** DeLong's paired test of the (mean) AUC; null where a class has fewer than two rows. */
  readonly auc: (PairedAucTest & { readonly pHolm: number }) | null;
  /**
   * Wilcoxon's signed ranks over the AUC of each user with both classes, a mean over seeds; null without such users.
   */
  readonly uauc: (SignedRankTest & { readonly users: number; readonly pHolm: number }) | null;
}

/** How lists were made and judged. */
export interface ComparedLists {
  /** Length of the lists. */
  readonly k: number;
  /** Sampled negatives; null: all items were ranked. */
  readonly negatives: number | null;
  /** Users whose means the metrics are. */
  readonly users: number;
  /** Users left out, since all their targets were known before; absent where nothing is left out. */
  readonly usersLeftOut?: number;
  /** Targets left out, since they were known before; absent where there are none. */
  readonly targetsLeftOut?: number;
}

/** What `compareRuns` found: the methods side by side, and the tests between them. */
export interface Comparison {
  /** The split whose rows were scored. */
  readonly split: SplitName;
  /** The data set of all runs: its name, and the hash that runs must share. */
  readonly dataset: { readonly name: string; readonly hash: string };
  /** Rows that every run scored. */
  readonly rows: number;
  /** Users with at least one of these rows. */
  readonly users: number;
  /**
   * How the lists were made and judged; null where no run has any, `mixed` where runs differ, so that they are not
   * compared.
   */
  readonly ranking: ComparedLists | 'mixed' | null;
  /** The methods in the order of their first runs. */
  readonly methods: readonly ComparedMethod[];
  /** Each pair that was tested: all pairs in the order of `methods`, or every other method against the base. */
  readonly tests: readonly ComparedPair[];
}

/** Keys that say where things lie or what a run is called, not what it is. */
const NOT_THE_METHOD = new Set(['seed', 'name', 'data.path', 'llm.path', 'provenance']);

/** What earlier versions did, for keys that they did not have. */
const AS_BEFORE = new Set(['data.window="paper"', 'repeats="exclude"', 'evaluation.ranking.repeats="exclude"']);

/** One text for a config without its seed. A CF run to start from counts as present or not: seeds have one each. */
function keyOf(config: Plain): string {
  const lines: string[] = [];
  const walk = (tree: Plain, prefix: string): void => {
    for (const key of Object.keys(tree).sort()) {
      const path = prefix === '' ? key : `${prefix}.${key}`;
      const value = tree[key];
      // Null is what a key says that an earlier version did not have.
      if (NOT_THE_METHOD.has(path) || value === null) continue;
      if (isPlain(value)) walk(value, path);
      else {
        const line = `${path}=${path === 'cf.run' ? 'given' : JSON.stringify(value)}`;
        if (!AS_BEFORE.has(line)) lines.push(line);
      }
    }
  };
  walk(config, '');
  return lines.join('\n');
}

/** SHA-256 over user, item and label of each row of predictions. @throws InputError naming file and line */
export async function hashRows(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const { values } of readColumns(file, ['user', 'item', 'label']))
    hash.update(`${JSON.stringify(values)}\n`);
  return hash.digest('hex');
}

async function readRun(shown: string, path: string, split: SplitName): Promise<ComparedRun> {
  const result = await readResult(path);
  if (result.metrics[split] === undefined) {
    throw new InputError(`has no predictions for split ${split}; it has ${Object.keys(result.metrics).join(', ')}`, {
      code: 'run.no-predictions',
      place: shown,
    });
  }
  const configFile = join(path, 'config.yaml');
  const config = readYaml(await readText(configFile, 'config'), (line) => `${configFile}:${line}`).value;
  const seed = isPlain(config) ? config.seed : undefined;
  if (!isPlain(config) || typeof seed !== 'number') {
    throw new InputError('is not the config of a run (no seed); the file was changed or damaged', {
      code: 'run.damaged',
      place: configFile,
    });
  }
  // A run of an older program and one of today are of one config.
  moveRenamedKeys(config);
  const file = join(path, 'predictions', `${split}.csv`);
  if ((await kindOf(file)) !== 'file')
    throw new InputError('is missing; the run folder is not whole', { code: 'run.damaged', place: file });
  const predictions = await readPredictions(file);
  return {
    shown,
    result,
    seed,
    configKey: keyOf(config),
    rankingKey:
      isPlain(config.evaluation) && isPlain(config.evaluation.ranking) ? keyOf(config.evaluation.ranking) : '',
    predictions,
    rowsHash: await hashRows(file),
    metrics: evaluatePredictions(predictions),
  };
}

/** @throws InputError unless both runs scored the same rows of the same data in the same order */
function requireSameRows(first: ComparedRun, other: ComparedRun, split: SplitName): void {
  if (first.result.dataset.hash !== other.result.dataset.hash) {
    const [seen, otherSeen] = [first.result.information, other.result.information];
    if (hasPlus(seen) !== hasPlus(otherSeen)) {
      throw new InputError(`is of class ${otherSeen} and ${first.shown} of class ${seen}: one saw more ratings`, {
        code: 'run.not-comparable',
        place: other.shown,
        fix: 'compare runs with the same data.window',
      });
    }
    const data = (run: ComparedRun) => `${run.result.dataset.name} ${run.result.dataset.hash.slice(0, 12)}`;
    throw new InputError(`is on other data than ${first.shown} (${data(other)}, ${data(first)})`, {
      code: 'run.not-comparable',
      place: other.shown,
      fix: 'compare runs on one data set',
    });
  }
  const [rows, otherRows] = [first.predictions.label.length, other.predictions.label.length];
  if (rows !== otherRows) {
    throw new InputError(`has ${otherRows} rows of split ${split} and ${first.shown} has ${rows}`, {
      code: 'run.not-comparable',
      place: other.shown,
      fix: 'score the same rows (evaluation.testRows)',
    });
  }
  if (first.rowsHash !== other.rowsHash) {
    throw new InputError(`its rows of split ${split} are not those of ${first.shown} in the same order`, {
      code: 'run.not-comparable',
      place: other.shown,
      fix: 'score the same rows (evaluation.testRows)',
    });
  }
}

/** Runs by config. Runs with the same config and the same seed are no spread over seeds: each stands for itself. */
function groupRuns(runs: readonly ComparedRun[]): ComparedRun[][] {
  const groups = new Map<string, ComparedRun[]>();
  for (const run of runs) groups.set(run.configKey, [...(groups.get(run.configKey) ?? []), run]);
  return [...groups.values()].flatMap((group) =>
    new Set(group.map((run) => run.seed)).size === group.length ? [group] : group.map((run) => [run]),
  );
}

function summarize(group: readonly ComparedRun[], values: (metrics: SplitMetrics) => number | null | undefined) {
  const numbers = group.map((run) => values(run.metrics) ?? null);
  return numbers.includes(null) ? null : summarizeSeeds(numbers as number[]);
}

/** How the lists of all runs that have any were made. */
function rankingOf(runs: readonly ComparedRun[], split: SplitName): Comparison['ranking'] {
  const ranked = runs.filter(({ result }) => result.ranking?.[split] !== undefined);
  const found = ranked[0]?.result.ranking?.[split];
  if (found === undefined) return null;
  // An earlier version counted as missed what is left out today: where it is none, there is no difference.
  const ruleOf = ({ rankingKey, result }: ComparedRun) =>
    `${rankingKey}\n${result.ranking?.[split]?.targetsLeftOut ?? 0}`;
  if (new Set(ranked.map(ruleOf)).size > 1) return 'mixed';
  const { k, negatives, users, usersLeftOut = 0, targetsLeftOut = 0 } = found;
  return { k, negatives, users, ...(targetsLeftOut > 0 && { usersLeftOut, targetsLeftOut }) };
}

function describeRanking(group: readonly ComparedRun[], split: SplitName): ComparedMethod['ranking'] {
  const lists = group.flatMap(({ result }) => result.ranking?.[split] ?? []);
  if (lists.length < group.length) return null;
  const summary = (name: ComparedRankingMetric) => {
    const values = lists.map((metrics) => metrics[name]);
    return values.includes(null) ? null : summarizeSeeds(values as number[]);
  };
  return Object.fromEntries(comparedRankingMetrics.map((name) => [name, summary(name)])) as ComparedMethod['ranking'];
}

function describeMethod(group: readonly ComparedRun[], name: string, split: SplitName): ComparedMethod {
  const { result, metrics } = group[0] as ComparedRun;
  return {
    name,
    method: result.method,
    information: result.information,
    runs: group.map((run) => run.shown),
    seeds: group.map((run) => run.seed),
    metrics: {
      auc: summarize(group, ({ auc }) => auc),
      uauc: summarize(group, ({ uauc }) => uauc),
      logLoss: summarize(group, ({ logLoss }) => logLoss),
      warmAuc: summarize(group, ({ warm }) => warm?.auc),
      warmUauc: summarize(group, ({ warm }) => warm?.uauc),
      coldAuc: summarize(group, ({ cold }) => cold?.auc),
      coldUauc: summarize(group, ({ cold }) => cold?.uauc),
    },
    ranking: describeRanking(group, split),
    auc95: group.length === 1 ? metrics.auc95 : null,
  };
}

/** AUC of each user with both classes, a mean over the runs; the users are the same in all of them. */
function userMeans(group: readonly ComparedRun[]): Float64Array {
  const perRun = group.map(({ predictions: { user, label, logit } }) =>
    perUserAuc({ user, label, score: logit }).flatMap(({ auc }) => (auc === null ? [] : [auc])),
  );
  return Float64Array.from(
    perRun[0] as number[],
    (_, index) => perRun.reduce((sum, values) => sum + (values[index] as number), 0) / perRun.length,
  );
}

/** Corrects the p-values of the tests that there are. */
function withHolm<Test extends { readonly pValue: number }>(tests: readonly (Test | null)[]) {
  const adjusted = holmAdjust(tests.flatMap((test) => (test === null ? [] : [test.pValue])));
  let next = 0;
  return tests.map((test) => (test === null ? null : { ...test, pHolm: adjusted[next++] as number }));
}

/**
 * Compares finished runs.
 *
 * @param paths absolute path and shown path of each run; at least two
 * @param base index of the run whose method the others are tested against; without it every pair is tested
 * @throws InputError for a run that is not complete or given twice, for other data, other rows or another order, and
 *   when all runs are seeds of one method and `base` is given
 */
export async function compareRuns(
  paths: readonly { readonly shown: string; readonly path: string }[],
  split: SplitName,
  base?: number,
): Promise<Comparison> {
  const twice = paths.find(({ path }, index) => paths.findIndex((other) => other.path === path) !== index);
  if (twice !== undefined)
    throw new InputError('is given twice', { code: 'usage', place: twice.shown, fix: 'name each run once' });
  const runs: ComparedRun[] = [];
  for (const { shown, path } of paths) {
    const run = await readRun(shown, path, split);
    if (runs[0] !== undefined) requireSameRows(runs[0], run, split);
    runs.push(run);
  }
  const groups = groupRuns(runs);
  const nameOf = (group: readonly ComparedRun[]) => (group[0] as ComparedRun).result.name;
  const methods = groups.map((group) => {
    const shared = groups.some((other) => other !== group && nameOf(other) === nameOf(group));
    return describeMethod(group, shared ? (group[0] as ComparedRun).shown : nameOf(group), split);
  });
  const baseIndex = base === undefined ? undefined : groups.findIndex((group) => group.includes(runs[base] as never));
  const pairs = groups.flatMap((_, a) =>
    groups.flatMap((_, b) => {
      if (baseIndex === undefined) return a < b ? [[a, b] as const] : [];
      return b === baseIndex && a !== b ? [[a, b] as const] : [];
    }),
  );
  const { label, user } = (runs[0] as ComparedRun).predictions;
  const logits = groups.map((group) => group.map((run) => run.predictions.logit));
  const means = groups.map(userMeans);
  const [aucTests, uaucTests] = [
    withHolm(pairs.map(([a, b]) => deLongTestOfMeans(label, logits[a] as never, logits[b] as never))),
    withHolm(
      pairs.map(([a, b]) => {
        const [of, against] = [means[a] as Float64Array, means[b] as Float64Array];
        return of.length === 0 ? null : { ...signedRankTest(of, against), users: of.length };
      }),
    ),
  ];
  return {
    split,
    dataset: {
      name: String((runs[0] as ComparedRun).result.dataset.name ?? ''),
      hash: (runs[0] as ComparedRun).result.dataset.hash,
    },
    rows: label.length,
    users: new Set(user).size,
    ranking: rankingOf(runs, split),
    methods,
    tests: pairs.map(([a, b], index) => ({
      a: (methods[a] as ComparedMethod).name,
      b: (methods[b] as ComparedMethod).name,
      auc: aucTests[index] ?? null,
      uauc: uaucTests[index] ?? null,
    })),
  };
}

/** Reads the finished runs of a demo back from disk and sets them beside the oracles, on the same test rows. */
import { join, resolve } from 'node:path';
import { type Dataset, demoOracles } from '@crossgate/data';
import { type ClickMetrics, evaluateClicks, type SplitMetrics } from '@crossgate/eval';
import type { ExperimentConfig } from '@crossgate/experiment';
import { evaluatedRows, pick, readPredictions, readResult } from '@crossgate/experiment';
import { type DemoGap, measureGap } from './gap';
import { type DemoMethod, type DemoOracleName, demoOracleRows, PARENTS } from './methods';

/** AUCs of a method or an oracle on the test rows. */
export interface DemoScore {
  readonly auc: number | null;
  readonly auc95: readonly [number, number] | null;
  readonly uauc: number | null;
  readonly warm: number | null;
  readonly cold: number | null;
}

/** A method's share of the result. */
export interface DemoMethodScore extends DemoScore {
  /** Which labels it sees, see the guide: T, H or P. */
  readonly information: string;
  /** Seconds of training and scoring. */
  readonly seconds: number;
  /** Its own run folder. */
  readonly run: string;
}

/** What `crossgate demo --json` prints. */
export interface DemoResult {
  /** Seconds of training and scoring, all methods together, over all parts of a resumed demo. */
  readonly seconds: number;
  readonly adapter: string | null;
  readonly seed: number;
  /** Test rows that everything is measured on. */
  readonly rows: number;
  readonly methods: Readonly<Record<string, DemoMethodScore>>;
  readonly oracles: Readonly<Record<DemoOracleName, DemoScore>>;
  readonly gap: DemoGap | null;
  /** Whether the claim holds, in one sentence. */
  readonly summary: string;
  readonly run: string;
  /** Paths of the report and of the picture. */
  readonly report: string;
  readonly curves: string;
}

/** What is measured; the rest of a `DemoResult` says where things lie. */
export type DemoMeasures = Pick<DemoResult, 'seconds' | 'adapter' | 'rows' | 'methods' | 'oracles' | 'gap'>;

function scoreOf({ auc, auc95, uauc, warm, cold }: SplitMetrics): DemoScore {
  const part = (metrics: ClickMetrics | undefined) => metrics?.auc ?? null;
  return { auc, auc95, uauc, warm: part(warm), cold: part(cold) };
}

/**
 * Measures a demo whose runs are all complete.
 * @param shown the demo's folder, as the user gave it
 * @param config of any of its experiments: they share the data and the rows
 * @throws InputError for runs that are damaged, Error for runs on other rows than the oracles'
 */
export async function measureDemo(
  methods: readonly DemoMethod[],
  { shown, cwd, dataset, config }: { shown: string; cwd: string; dataset: Dataset; config: ExperimentConfig },
): Promise<DemoMeasures> {
  const rows = evaluatedRows(config, dataset, 'test');
  const split = dataset.splits.test;
  const [user, label, seen] = [pick(split.user, rows), pick(split.label, rows), pick(split.seen, rows)];
  const scores = new Map<string, Float64Array>();
  const measured: Record<string, DemoMethodScore> = {};
  let seconds = 0;
  let adapter: string | null = null;
  for (const { key } of methods) {
    const run = join(shown, key);
    const result = await readResult(resolve(cwd, run));
    const predictions = await readPredictions(resolve(cwd, run, 'predictions', 'test.csv'));
    if (predictions.label.length !== label.length || predictions.label.some((value, row) => value !== label[row])) {
      throw new Error(`${run}: its test rows are not those of the demo; run the demo again in a new folder`);
    }
    scores.set(key, predictions.logit);
    seconds += result.seconds;
    adapter ??= typeof result.adapter === 'string' ? result.adapter : null;
    const metrics = result.metrics.test as unknown as SplitMetrics;
    measured[key] = { ...scoreOf(metrics), information: result.information, seconds: result.seconds, run };
  }
  const known = demoOracles(dataset).test;
  const oracles = Object.fromEntries(
    demoOracleRows.map(({ key }) => [
      key,
      scoreOf(evaluateClicks({ user, label, seen, score: pick(known[key], rows) })),
    ]),
  ) as Record<DemoOracleName, DemoScore>;
  const parents = PARENTS.map((key) => ({
    key,
    name: methods.find((method) => method.key === key)!.label,
    score: scores.get(key)!,
  }));
  const gap = measureGap({ label, ccf: scores.get('ccf')!, parents, full: pick(known.full, rows) });
  return { seconds: Math.round(seconds * 1000) / 1000, adapter, rows: rows.length, methods: measured, oracles, gap };
}

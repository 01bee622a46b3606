/** What a sweep leaves of its best trial: a config, and metrics of the test rows. */
import type { SplitMetrics } from '@crossgate/eval';
import { stringify } from 'yaml';
import { isPlain, type Plain } from '../config/plain';
import { readsOf } from '../config/reads';
import type { ExperimentConfig } from '../config/schema';
import { evaluatedRows, pick } from '../evaluated-rows';
import { openRunFiles } from '../open-run';
import { evaluatePredictions, predictionsOf } from '../predictions';
import { findRunner } from '../runners';
import type { Session } from '../session';

/** The keys of a tree that a method reads, in their order. */
function keysRead(tree: Plain, reads: readonly string[], prefix = ''): Plain {
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]): [string, unknown][] => {
      const path = `${prefix}${key}`;
      if (reads.some((read) => path === read || path.startsWith(`${read}.`))) return [[key, value]];
      if (!isPlain(value) || !reads.some((read) => read.startsWith(`${path}.`))) return [];
      return [[key, keysRead(value, reads, `${path}.`)]];
    }),
  );
}

/**
 * A config file that stands by itself: every key that the method reads, with what was searched above it.
 * @param head what the config is, for its first line
 */
export function bestConfigText(
  config: ExperimentConfig,
  values: Readonly<Record<string, unknown>>,
  head: string,
): string {
  const lines = [head, ...Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)];
  const tree = keysRead({ ...config, name: `${config.name}-best`.slice(0, 100) }, readsOf(config));
  return `${lines.map((line) => `# ${line}\n`).join('')}\n${stringify(tree)}`;
}

/**
 * Scores the test rows by a finished run that was not scored on them.
 * @param run path of the run folder, as the user gave it
 */
export async function testMetrics(session: Session, run: string): Promise<SplitMetrics> {
  const { path, config, dataset } = await openRunFiles(session, run, []);
  const runner = await findRunner(config.method);
  const scorer = await runner.openScorer({ config, dataset, session }, path);
  try {
    const { user, item } = dataset.splits.test;
    const rows = evaluatedRows(config, dataset, 'test');
    const place = Array.from(rows, (row) => ({ split: 'test', row }) as const);
    const scores = await scorer.scorePairs({ user: pick(user, rows), item: pick(item, rows), place });
    return evaluatePredictions(predictionsOf(dataset, 'test', scores, runner.trained, rows));
  } finally {
    await scorer.close();
  }
}

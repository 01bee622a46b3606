/** The demo: its experiments one after the other through the ordinary experiment code, then table, report and picture. */

import { join, resolve } from 'node:path';
import { decimals, formatDuration, InputError, InterruptedError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import type { ExperimentConfig } from '@crossgate/experiment';
import { loadConfig, readMetrics, runGrid, type Session } from '@crossgate/experiment';
import { kindOf, shippedPath, writeAtomic } from '@crossgate/files';
import type { CommandContext } from '@crossgate/terminal';
import { sessionOf, surroundingsOf } from '../session';
import { version } from '../version';
import { expectedSeconds } from './expected';
import { CURVES_FILE, chooseFolder, REPORT_FILE, RESULT_FILE } from './folder';
import { gapSentence } from './gap';
import { type DemoResult, measureDemo } from './measure';
import { type DemoMethod, demoMethods } from './methods';
import { type DemoRecords, demoPicture, demoReport } from './report';

/** Options of the command. */
export interface DemoOptions {
  readonly set: readonly string[];
  readonly run?: string;
  readonly resume: boolean;
}

/** A method with its resolved config. */
interface Experiment extends DemoMethod {
  readonly config: ExperimentConfig;
  /** How long it should take. */
  readonly seconds: number;
}

/**
 * Runs the demo.
 * @throws InputError for options and folders that cannot be used; NoAdapterError before anything is computed;
 * InterruptedError after Ctrl-C, with a line that says how to go on; whatever an experiment throws
 */
export async function runDemo(context: CommandContext, options: DemoOptions): Promise<DemoResult> {
  const { io, log } = context;
  const configs = await loadConfigs(context, options.set);
  const { seed, data } = configs.mean!;
  const shown = await chooseFolder(io.cwd, Object.keys(configs), { ...options, seed });
  await using session = sessionOf(context);
  // Every method but the baseline needs it: without one, nothing is computed in vain.
  await session.device();
  const dataset = await session.dataset(data);
  const { train, valid, test } = dataset.splits;
  const experiments = demoMethods.map((method): Experiment => {
    const own = configs[method.key]!;
    const config = method.key === 'ccf' ? { ...own, cf: { ...own.cf, run: join(shown, 'mf') } } : own;
    const rows = { train: train.rows, valid: valid.rows, test: test.rows };
    return { ...method, config, seconds: expectedSeconds(config, rows) };
  });
  const expected = experiments.reduce((sum, { seconds }) => sum + seconds, 0);
  const minutes = expected < 60 ? 'about a minute' : `about ${Math.ceil(expected / 60)} minutes`;
  log.info(
    `demo: ${experiments.length} methods on a generated world, ${minutes} on two CPU cores, less on a GPU; ` +
      `all of it goes to ${shown}. Ctrl-C stops, --resume goes on`,
  );
  try {
    await runAll(experiments, shown, session);
    return await finish(experiments, dataset, shown, io.cwd);
  } catch (error) {
    const lasting = error instanceof InputError;
    if (lasting || (await kindOf(resolve(io.cwd, shown))) !== 'folder') throw error;
    const fix = `to go on: the same command with --resume --run ${shown}`;
    if (io.signal.aborted) throw new InterruptedError('interrupted', { fix, cause: error });
    log.info(fix);
    throw error;
  }
}

/** The configs of all methods by key. */
async function loadConfigs({ io, options }: CommandContext, set: readonly string[]) {
  const folder = await shippedPath('configs/demo', surroundingsOf(io).program!);
  if (folder === undefined)
    throw new InputError('the configs of the demo did not come with this program', {
      code: 'file.not-found',
      fix: 'install it again',
    });
  const load = (key: string) =>
    loadConfig(join(folder, `${key}.yaml`), {
      cwd: io.cwd,
      set,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
    });
  const configs: Record<string, ExperimentConfig> = {};
  for (const { key } of demoMethods) configs[key] = await load(key);
  const other = Object.values(configs).find(({ data }) => data.name !== 'demo');
  if (other !== undefined) {
    throw new InputError(`the demo knows its own data set alone, not ${other.data.name}`, {
      code: 'config.value',
      place: 'data.name',
      fix: 'use train',
    });
  }
  if (!Object.values(configs).every(({ evaluation }) => evaluation.splits.includes('test'))) {
    throw new InputError('evaluation.splits: the demo compares on test', {
      code: 'config.value',
      fix: 'leave test among them',
    });
  }
  return configs;
}

async function runAll(experiments: readonly Experiment[], shown: string, session: Session): Promise<void> {
  const { log } = session;
  // The guess of what is left is corrected by how fast this machine was so far.
  let [worked, guessed] = [0, 0];
  await runGrid(Object.fromEntries(experiments.map(({ key, config }) => [key, config])), session, {
    folder: shown,
    onStart(_, index, total) {
      const { label, sees } = experiments[index]!;
      const left = experiments.slice(index).reduce((sum, { seconds }) => sum + seconds, 0);
      const pace = guessed > 10 ? worked / guessed : 1;
      log.info(`[${index + 1}/${total}] ${label}, which sees ${sees}; about ${formatDuration(left * pace)} left`);
    },
    onResult({ key }, { seconds, metrics }) {
      const { label, seconds: expected } = experiments.find((experiment) => experiment.key === key)!;
      worked += seconds;
      guessed += expected;
      log.info(`${label}: test AUC ${decimals(metrics.test?.auc)}, after ${formatDuration(seconds)}`);
    },
  });
}

async function finish(
  experiments: readonly Experiment[],
  dataset: Dataset,
  shown: string,
  cwd: string,
): Promise<DemoResult> {
  const path = resolve(cwd, shown);
  const { config } = experiments[0]!;
  const measures = await measureDemo(experiments, { shown, cwd, dataset, config });
  const { seconds, adapter, rows, methods, oracles, gap } = measures;
  const [report, curves] = [join(shown, REPORT_FILE), join(shown, CURVES_FILE)];
  const summary = gapSentence(gap);
  const result = {
    seconds,
    adapter,
    seed: config.seed,
    rows,
    methods,
    oracles,
    gap,
    summary,
    run: shown,
    report,
    curves,
  };
  const records: DemoRecords = Object.fromEntries(
    experiments.map(({ key }) => [key, readMetrics(join(path, key, 'metrics.jsonl'))]),
  );
  await writeAtomic(join(path, CURVES_FILE), await demoPicture(measures, records));
  const date = new Date().toISOString().slice(0, 10);
  await writeAtomic(join(path, REPORT_FILE), demoReport(result, { version, hash: dataset.hash, date }));
  await writeAtomic(join(path, RESULT_FILE), `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

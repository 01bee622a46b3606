// What is kept of a run on the leaderboard: its result, and its metrics on resamples of users. It holds no row of the
// data, which may not be passed on, and yet any two records can be tested against each other in pairs.
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { readColumns } from '@crossgate/data/node';
import { bootstrapClicks, evaluateClicks } from '@crossgate/eval';
import { loadConfig, readPredictions, readResult } from '@crossgate/experiment';

/**
 * A kept run. `rows` is the SHA-256 over user, item and label of the test rows. `parameters` counts what has a gradient
 * (in blocks of 64), CF included. `config` is without what is null.
 *
 * @typedef {{ name: string, method: string, information: string, seed: number, dataset: { name: string, hash: string },
 *   rows: string, adapter: string | null, seconds: number, parameters: number, commit: string, date: string,
 *   config: Record<string, unknown>, metrics: Record<string, any>, bootstrap: Resamples }} LeaderboardRecord
 *
 * AUC and UAUC of the test rows on resamples of users, in order, each in units of 10⁻⁵ and divided by a space.
 * @typedef {{ samples: number, seed: number, users: number, auc: string, uauc: string }} Resamples
 */

/** Of every record, so that resample by resample the users are the same. */
export const bootstrap = { samples: 1000, seed: 1 };
/** The test rows of MovieLens-1M in the paper's split, 7,331 of them: whoever scored others has no place. */
export const paperRows = '9578f5384820e4fe8d277426a7f79f04986fa2a9afdfdd91562aa6b82087df0f';

/**
 * What a value says without null and without places of this machine.
 *
 * @param {any} value
 * @returns {any}
 */
function bare(value) {
  if (typeof value === 'string') return /^(\/|\.\.?\/|[A-Za-z]:\\)/.test(value) ? basename(value) : value;
  if (Array.isArray(value)) return value.map(bare);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, bare(inner)]);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== null));
}

/** @param {any} details of a result; a gradient is four bytes a parameter */
function parametersOf({ memory = {} }) {
  const persistent = Object.entries(memory.used?.persistent ?? memory.persistent ?? {});
  return persistent.reduce((sum, [name, bytes]) => sum + (name.endsWith(' gradients') ? bytes / 4 : 0), 0);
}

/** @param {readonly (number | null)[]} replicates */
function packed(replicates) {
  return replicates.map((value) => (value === null ? 'null' : Math.round(value * 1e5))).join(' ');
}

/**
 * The record of a finished run.
 *
 * @param {string} run folder
 * @param {{ commit: string, date: string, name?: string | undefined, rows?: string }} origin `name` in place of the run's own;
 *   `rows` for tests
 * @returns {Promise<LeaderboardRecord>}
 * @throws {Error} for a run that scored other rows, or whose result is not what its predictions give
 */
export async function recordOf(run, { commit, date, name, rows: wanted = paperRows }) {
  const result = /** @type {any} */ (await readResult(run));
  const file = join(run, 'predictions', 'test.csv');
  const hash = createHash('sha256');
  for await (const { values } of readColumns(file, ['user', 'item', 'label'])) hash.update(`${values.join(',')}\n`);
  const rows = hash.digest('hex');
  if (rows !== wanted) throw new Error(`${file}: not the test rows of the leaderboard (all 7,331 of ml-1m, in order)`);
  const { user, label, logit, score } = await readPredictions(file);
  const scored = evaluateClicks({ user, label, score: logit, probability: score });
  for (const metric of /** @type {const} */ (['auc', 'uauc'])) {
    const [told, found] = [result.metrics.test[metric], scored[metric]];
    if (told === null || found === null || Math.abs(told - found) > 1e-9)
      throw new Error(`${run}: result.json has a test ${metric} of ${told}, and the predictions give ${found}`);
  }
  const { auc, uauc } = bootstrapClicks({ user, label, score: logit }, bootstrap);
  const { name: ofRun, data, ...config } = bare(await loadConfig(join(run, 'config.yaml'), { cwd: process.cwd() }));
  const { path: _, ...options } = data;
  return {
    ...{ name: name ?? result.name, method: result.method, information: result.information, seed: result.seed },
    ...{ dataset: result.dataset, rows, adapter: result.adapter, seconds: result.seconds },
    ...{ parameters: parametersOf(result.details), commit, date },
    config: { ...config, data: options },
    metrics: result.metrics,
    bootstrap: { ...bootstrap, users: scored.users, auc: packed(auc.replicates), uauc: packed(uauc.replicates) },
  };
}

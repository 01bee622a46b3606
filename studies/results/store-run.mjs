// Keeps a finished run in docs/results: its result, config and curves, without machine paths.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * Replaces absolute paths by their last part, in every string of a JSON value.
 *
 * @param {any} value
 * @returns {any}
 */
function withoutPaths(value) {
  if (typeof value === 'string') return value.startsWith('/') ? basename(value) : value;
  if (Array.isArray(value)) return value.map(withoutPaths);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutPaths(inner)]));
}

/**
 * The `result.json` of a run.
 *
 * @param {string} run
 */
export const resultOf = (run) => withoutPaths(JSON.parse(readFileSync(join(run, 'result.json'), 'utf8')));

/**
 * Writes `result.json`, `config.yaml` and `curves.svg`.
 *
 * @param {string} run folder of a finished run
 * @param {string} folder where to; made if needed
 * @param {{ commit: string, date: string }} origin
 * @param {(name: string, records: any[]) => Promise<string>} drawRun of `@crossgate/report`
 */
export async function storeRun(run, folder, origin, drawRun) {
  const result = resultOf(run);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'result.json'), `${JSON.stringify({ ...result, ...origin }, null, 2)}\n`);
  const config = readFileSync(join(run, 'config.yaml'), 'utf8').replace(/^(\s*\w+: )\/\S*\/(\S+)$/gm, '$1$2');
  writeFileSync(join(folder, 'config.yaml'), config);
  const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim();
  if (metrics !== '') {
    const records = metrics.split('\n').map((line) => JSON.parse(line));
    writeFileSync(join(folder, 'curves.svg'), await drawRun(result.name, records));
  }
  return result;
}

#!/usr/bin/env node
// Runs configs with several seeds and keeps mean and spread in docs/results: one command, which goes on where it was
// stopped.
//
//   npm run -s example -- studies/results/seeds.mjs docs/results/NAME CONFIG… [--seeds 1,2,3,4,5] [--runs DIR]
//     [--set a.b=VALUE]… [--as NAME] [--collect-only] [--commit HASH]
//
// A run lies in DIR/CONFIG-SEED (DIR: ./runs); one that is complete is not run again, one that was broken off is
// resumed. `{seed}` in a VALUE stands for the seed, as in data.split.seed={seed}. Each config leaves
// NAME/CONFIG/seeds.json and result, config and curves of its first seed; the tables of NAME/README.md are made anew of
// all seeds.json. Seeds that are not at hand keep what seeds.json says of them. --as names the folder when settings
// make it another config. The command is kept as well, with paths of this machine cut to their last part.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as evaluation from '@crossgate/eval';
import { drawRun } from '@crossgate/report';
import { entryOf, keptCommand, mergeEntries, seedTables, withTables } from './seed-table.mjs';
import { resultOf, storeRun } from './store-run.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1,2,3,4,5' },
    runs: { type: 'string', default: 'runs' },
    set: { type: 'string', multiple: true, default: [] },
    as: { type: 'string' },
    'collect-only': { type: 'boolean', default: false },
    commit: { type: 'string' },
  },
});
const [target, ...configs] = positionals;
const wanted = values.seeds.split(',').map(Number);
if (target === undefined || wanted.some((seed) => !Number.isSafeInteger(seed)) || (values.as && configs.length > 1)) {
  console.error(
    'usage: npm run -s example -- studies/results/seeds.mjs docs/results/NAME CONFIG… [--seeds 1,2,3] [--runs DIR] [--set a.b=VALUE]… [--as NAME] [--collect-only] [--commit HASH]',
  );
  process.exit(2);
}
const commit = values.commit ?? execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
const origin = { commit, date: new Date().toISOString().slice(0, 10) };
const program = fileURLToPath(new URL('../../apps/train/dist/main.js', import.meta.url));

for (const config of configs) {
  const name = values.as ?? basename(config, '.yaml');
  const settings = values.set.flatMap((setting) => ['--set', setting]);
  /** @param {number} seed */
  const runOf = (seed) => join(values.runs, `${name}-${seed}`);
  const isComplete = (/** @type {string} */ run) => existsSync(join(run, 'result.json'));
  for (const seed of wanted) {
    const run = runOf(seed);
    if (values['collect-only'] || isComplete(run)) continue;
    const given = settings.map((setting) => setting.replaceAll('{seed}', String(seed)));
    const resume = existsSync(join(run, 'config.yaml')) ? ['--resume'] : [];
    const args = ['train', config, '--seed', String(seed), ...given, '--run', run, ...resume];
    const { status } = spawnSync(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) process.exit(status ?? 130);
  }
  const complete = wanted.filter((seed) => isComplete(runOf(seed)));
  const folder = join(target, name);
  const file = join(folder, 'seeds.json');
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { runs: [] };
  const results = complete.map((seed) => resultOf(runOf(seed)));
  const runs = mergeEntries(
    before.runs,
    results.map((result) => entryOf(result, origin)),
  );
  if (runs.length === 0) continue;
  mkdirSync(folder, { recursive: true });
  const [first] = runs;
  if (first && complete.includes(first.seed)) {
    await storeRun(runOf(first.seed), folder, { commit: first.commit, date: first.date }, drawRun);
  }
  const command = keptCommand(relative(process.cwd(), config), values.set);
  const information = results[0]?.information ?? before.information;
  writeFileSync(file, `${JSON.stringify({ name, information, command, wanted, runs }, null, 2)}\n`);
}

const kept = readdirSync(target)
  .map((name) => join(target, name, 'seeds.json'))
  .filter((file) => existsSync(file))
  .map((file) => JSON.parse(readFileSync(file, 'utf8')));
const tables = seedTables(kept, evaluation);
const readme = join(target, 'README.md');
const text = existsSync(readme) ? readFileSync(readme, 'utf8') : `# ${basename(target)}\n`;
writeFileSync(readme, withTables(text, tables));
console.log(tables);

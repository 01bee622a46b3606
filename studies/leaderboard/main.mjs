#!/usr/bin/env node
// The leaderboard: keeps finished runs, and makes docs/results/leaderboard.md of all that are kept. Seconds.
//
//   npm run -s example -- studies/leaderboard/main.mjs                                      makes the page
//   npm run -s example -- studies/leaderboard/main.mjs keep RUN… [--as NAME] [--commit HASH]
//
// A record is docs/results/leaderboard/NAME-SEED.json; NAME is the name of the run's config, or that of --as. The commit
// is that of this checkout, which must have no changes in its programs and configs, or that of --commit.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { holmAdjust } from '@crossgate/eval';
import { leaderboardPage } from './page.mjs';
import { recordOf } from './record.mjs';

const results = fileURLToPath(new URL('../../docs/results/', import.meta.url));
const kept = join(results, 'leaderboard');
const usage = 'usage: npm run -s example -- studies/leaderboard/main.mjs [keep RUN… [--as NAME] [--commit HASH]]';

/** @param {string} message @returns {never} */
function refuse(message) {
  console.error(message);
  process.exit(2);
}

/** @param {readonly string[]} args */
const git = (...args) =>
  execFileSync('git', args, { encoding: 'utf8', cwd: fileURLToPath(new URL('.', import.meta.url)) }).trim();

function commitOf() {
  if (git('status', '--porcelain', '--', ':/packages', ':/apps', ':/configs') !== '')
    refuse('packages, apps or configs have changes: say with --commit which program the run is of');
  return git('rev-parse', 'HEAD');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { as: { type: 'string' }, commit: { type: 'string' } },
});
const [command, ...runs] = positionals;
if (command !== undefined && (command !== 'keep' || runs.length === 0)) refuse(usage);
if (values.as !== undefined && !/^[A-Za-z0-9][\w.-]*$/.test(values.as))
  refuse('--as: letters, digits, dots and dashes');

mkdirSync(kept, { recursive: true });
/** @type {Map<string, import('./record.mjs').LeaderboardRecord>} */
const records = new Map();
for (const file of readdirSync(kept).sort()) records.set(file, JSON.parse(readFileSync(join(kept, file), 'utf8')));
try {
  const added = new Set();
  if (runs.length > 0) {
    const origin = {
      commit: values.commit ?? commitOf(),
      date: new Date().toISOString().slice(0, 10),
      name: values.as,
    };
    for (const run of runs) {
      const record = await recordOf(run, origin);
      const file = `${record.name}-${record.seed}.json`;
      records.set(file, record);
      added.add(file);
    }
  }
  const published = JSON.parse(readFileSync(new URL('published.json', import.meta.url), 'utf8'));
  // Made before anything is written: what does not fit leaves the records as they were.
  const page = leaderboardPage([...records.values()], published, holmAdjust);
  for (const file of added) writeFileSync(join(kept, file), `${JSON.stringify(records.get(file), null, 2)}\n`);
  writeFileSync(join(results, 'leaderboard.md'), page);
  console.log(`${records.size} records, ${added.size} of them new: docs/results/leaderboard.md`);
} catch (error) {
  refuse(/** @type {Error} */ (error).message);
}

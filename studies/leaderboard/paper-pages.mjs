#!/usr/bin/env node
// Tables of docs/results/ml-1m-small and docs/results/fusion anew, from the records of docs/results/leaderboard. Seconds.
//
//   npm run -s example -- studies/leaderboard/paper-pages.mjs
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fusionRows, fusionTests, smallReproduction, smallTables, withParts } from './paper-tables.mjs';

const results = fileURLToPath(new URL('../../docs/results/', import.meta.url));
const kept = join(results, 'leaderboard');
/** @type {Map<string, import('./record.mjs').LeaderboardRecord>} */
const records = new Map();
for (const file of readdirSync(kept).sort())
  records.set(file.replace(/\.json$/, ''), JSON.parse(readFileSync(join(kept, file), 'utf8')));

const reproduction = smallReproduction(records);
writeFileSync(join(results, 'ml-1m-small', 'tables.json'), `${JSON.stringify(reproduction, null, 2)}\n`);
/** @param {string} name @param {Readonly<Record<string, string>>} parts */
function renew(name, parts) {
  const page = join(results, name, 'README.md');
  writeFileSync(page, withParts(readFileSync(page, 'utf8'), parts));
}
renew('ml-1m-small', { tables: smallTables(reproduction) });
renew('fusion', { rows: fusionRows(records), pairs: fusionTests(records) });
console.log(`${reproduction.rows.length} rows of the paper: docs/results/ml-1m-small, docs/results/fusion`);

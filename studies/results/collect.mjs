#!/usr/bin/env node
// Collects finished runs into a folder of docs/results: results, configs, curves and one table.
//
//   npm run -s example -- studies/results/collect.mjs docs/results/NAME RUN… [--note TEXT]
//
// Machine paths are left out. The commit is the one of this checkout; collect from a clean one.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { drawRun } from '@crossgate/report';
import { resultOf, storeRun } from './store-run.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { note: { type: 'string', default: '' }, commit: { type: 'string' } },
});
const [target, ...runs] = positionals;
if (target === undefined || runs.length === 0) {
  console.error(
    'usage: npm run -s example -- studies/results/collect.mjs docs/results/NAME RUN… [--note TEXT] [--commit HASH]',
  );
  process.exit(2);
}

const commit = values.commit ?? execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
const date = new Date().toISOString().slice(0, 10);

const rows = [];
for (const run of runs) rows.push(await storeRun(run, join(target, resultOf(run).name), { commit, date }, drawRun));

/** @param {number | null | undefined} value */
const number = (value, digits = 4) => (value === null || value === undefined ? '–' : value.toFixed(digits));
const table = [
  '| run | sees | valid AUC | test AUC (95 %) | test UAUC | test log loss | warm AUC / UAUC | cold AUC / UAUC |',
  '|---|---|---|---|---|---|---|---|',
  ...rows.map(({ name, information, metrics: { valid, test } }) => {
    const interval = test.auc95 ? ` (${number(test.auc95[0], 3)}–${number(test.auc95[1], 3)})` : '';
    /** @param {any} part */
    const pair = (part) => `${number(part?.auc)} / ${number(part?.uauc)}`;
    return `| ${name} | ${information} | ${number(valid?.auc)} | ${number(test.auc)}${interval} | ${number(test.uauc)} | ${number(test.logLoss)} | ${pair(test.warm)} | ${pair(test.cold)} |`;
  }),
].join('\n');
/** @type {(split: string, ranking: any) => string} */
const rankingRow = (split, { k, users, negatives, recall, precision, ndcg, mrr, map, hit, coverage }) =>
  `| ${split} | ${k} | ${users} | ${negatives ?? 'all'} | ${[recall, precision, ndcg, mrr, map, hit, coverage].map((value) => number(value)).join(' | ')} |`;
const lists = rows.flatMap(({ name, ranking }) =>
  Object.entries(ranking ?? {}).map(([split, value]) => `| ${name} ${rankingRow(split, value)}`),
);
const ranking =
  lists.length === 0
    ? ''
    : `\n\n${[
        '| run | split | K | users | ranked | recall | precision | NDCG | MRR | MAP | hit | coverage |',
        '|---|---|---|---|---|---|---|---|---|---|---|---|',
        ...lists,
      ].join('\n')}`;
const adapters = [...new Set(rows.map(({ adapter }) => adapter).filter(Boolean))].join(', ') || 'none needed';
const times = rows.map(({ name, seconds }) => `${name} ${Math.round(seconds)} s`).join(', ');
writeFileSync(
  join(target, 'README.md'),
  `# ${basename(target)}\n\nAdapter: ${adapters}. Date: ${date}. Commit: ${commit}.\nTime: ${times}.\n\n${table}${ranking}\n\n${values.note}\n`,
);
console.log(`${table}${ranking}`);

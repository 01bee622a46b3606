// How memory and time of CF training grow with users, items, rows and width; and what follows for sizes that no machine here
// holds. tables.test.ts holds docs to what this prints. Each training has a process of its own:
//   npm run -s example -- studies/cf-growth/main.mjs [fit]
// Writes docs/results/cf-growth/growth.json and prints the tables of its page. Takes half an hour and 4 GB of memory. `fit`
// measures nothing: it makes the tables of what is in the file.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fit } from './growth.mjs';
import { memoryTable, partsTable, timeTable } from './tables.mjs';

const out = join(import.meta.dirname, '../../docs/results/cf-growth');
const batch = 2048;

/** Sizes around a middle, one of them changed at a time. */
function sizes(/** @type {string} */ model) {
  const rows = batch * (model === 'sasrec' ? 1 : 5);
  const middle = { model, users: 20_000, items: 20_000, width: 64, rows };
  return [
    middle,
    { ...middle, users: 200_000 },
    { ...middle, users: 1_000_000 },
    { ...middle, items: 100_000 },
    ...(model === 'asvd' ? [] : [{ ...middle, items: 400_000 }]),
    { ...middle, width: 128 },
    { ...middle, rows: rows * 4 },
    ...(model === 'mf' ? [{ ...middle, rows: rows * 50 }] : []),
  ];
}

/** @typedef {import('./growth.mjs').Measured} Measured */

const names = ['mf', 'lightgcn', 'sasrec', 'asvd'];
const file = join(out, 'growth.json');

function measureAll() {
  const measured = names.flatMap(sizes).map((size) => {
    process.stderr.write(`${JSON.stringify(size)}\n`);
    const child = spawnSync(process.execPath, [join(import.meta.dirname, 'measure.mjs'), JSON.stringify(size)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.status !== 0) throw new Error(`measure.mjs ${JSON.stringify(size)} ended with ${child.status}`);
    return JSON.parse(child.stdout);
  });
  return { date: new Date().toISOString().slice(0, 10), adapter: measured[0].adapter, measured };
}

const { date, adapter, measured } = /** @type {{ date: string, adapter: string, measured: Measured[] }} */ (
  process.argv[2] === 'fit' ? JSON.parse(readFileSync(file, 'utf8')) : measureAll()
);
const models = new Map(names.map((model) => [model, fit(measured.filter((one) => one.model === model))]));
mkdirSync(out, { recursive: true });
writeFileSync(file, `${JSON.stringify({ date, adapter, measured, models: Object.fromEntries(models) }, null, 2)}\n`);

process.stdout.write([memoryTable, timeTable, partsTable].map((table) => table(Object.fromEntries(models))).join('\n'));

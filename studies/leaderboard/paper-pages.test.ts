/** The tables of docs/results/ml-1m-small and docs/results/fusion are what the kept records give. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { fusionRows, fusionTests, smallReproduction, smallTables, withParts } from './paper-tables.mjs';
import type { LeaderboardRecord } from './record.mjs';

const results = fileURLToPath(new URL('../../docs/results/', import.meta.url));
const records = new Map<string, LeaderboardRecord>(
  readdirSync(`${results}leaderboard`).map((file) => [
    file.replace(/\.json$/, ''),
    JSON.parse(readFileSync(`${results}leaderboard/${file}`, 'utf8')),
  ]),
);
const page = (name: string) => readFileSync(`${results}${name}/README.md`, 'utf8');

it('of the paper on MovieLens-1M, as tables and as JSON', () => {
  const reproduction = smallReproduction(records);
  expect(reproduction.rows.length).toBeGreaterThan(40);
  expect(withParts(page('ml-1m-small'), { tables: smallTables(reproduction) })).toBe(page('ml-1m-small'));
  expect(JSON.parse(readFileSync(`${results}ml-1m-small/tables.json`, 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(reproduction)),
  );
});

it('of fusion: rows, and tests of pairs', () => {
  const parts = { rows: fusionRows(records), pairs: fusionTests(records) };
  expect(withParts(page('fusion'), parts)).toBe(page('fusion'));
});

it('refuses a page without the part', () => {
  expect(() => withParts('# Page', { rows: '' })).toThrow('the page has no part rows');
});

/** The kept table of bad folders is what the present code makes of them. */
import { readFileSync } from 'node:fs';
import * as data from '@crossgate/data';
import { expect, it } from 'vitest';
import { cases, tableOfCases } from './cases.mjs';

it('is what docs/results/bad-data says', async () => {
  const kept = readFileSync(new URL('../../docs/results/bad-data/README.md', import.meta.url), 'utf8');
  const table = await tableOfCases(data);
  expect(kept.slice(kept.indexOf('| folder |')).trimEnd()).toBe(table);
  expect(table.split('\n')).toHaveLength(cases.length + 2);
});

it('refuses every folder that says nothing, and keeps the rest apart from one another', async () => {
  const table = await tableOfCases(data);
  const line = (name: string) => table.split('\n').find((row) => row.startsWith(`| ${name} |`));
  for (const name of ['CRLF', 'a byte order mark', 'blank lines, no line end at the end']) {
    expect(line(name)).toMatch(/the same data set as “what is right/);
  }
  for (const name of ['an empty file', 'a header alone', 'a rating NaN', 'an empty id', 'times in milliseconds']) {
    expect(line(name)).toMatch(/\| refused \| interactions\.csv/);
  }
  expect(line('ids above 2⁵³, one apart')).toMatch(/\| 5, 3 \|/);
  expect(line('ids 1, 01 and 1.0')).toMatch(/\| 6, 3 \|/);
});

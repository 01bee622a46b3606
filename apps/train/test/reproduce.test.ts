/** `crossgate reproduce`: the files that it writes, by a table that needs no GPU. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { runCli } from './cli';

it('writes a table as text, Markdown, LaTeX, CSV and JSON, and prints where they are', async () => {
  const cwd = await folderWith({});
  const args = ['reproduce', 'table1', '--profile', 'smoke', '--out', 'paper'];
  const { code, stdout, stderr } = await runCli([...args, '--json'], { cwd });
  expect(code, stderr).toBe(0);
  const names = ['txt', 'md', 'tex', 'csv', 'json'].map((kind) => `table1.${kind}`);
  const { files, ...reproduction } = JSON.parse(stdout);
  expect(files).toEqual(names.map((name) => join('paper', name)));
  expect(await readdir(join(cwd, 'paper'))).toEqual(expect.arrayContaining(names));
  const text = (kind: string) => readFile(join(cwd, 'paper', `table1.${kind}`), 'utf8');
  expect(JSON.parse(await text('json'))).toEqual(reproduction);
  const { users } = reproduction.statistics[0].ours;
  expect(users).toBeGreaterThan(1);
  expect(await text('md')).toMatch(new RegExp(`^\\| users +\\| +${users} \\|`, 'm'));
  expect(await text('tex')).toMatch(new RegExp(`^users & +${users} & `, 'm'));
  expect(await text('txt')).toMatch(new RegExp(`^users +${users} `, 'm'));
  expect(await text('csv')).toMatch(/^id,dataset,/);
});

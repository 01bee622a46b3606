/** The generated data set from the command line and by name in a config: it needs no files. */
import { join } from 'node:path';
import { locateDataset, openDataFolder } from '@crossgate/experiment';
import { folderWith, listing } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { runCli } from './cli';

it('prepares demo without --source', async () => {
  const cwd = await folderWith();
  const { code, stdout, stderr } = await runCli(['data', 'prepare', 'demo', '--out', 'demo', '--json'], { cwd });
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(stdout) as { users: number; hash: string };
  expect(summary).toMatchObject({ dataset: 'demo', users: 1000, splits: { train: { rows: 135890 } } });
  const opened = await openDataFolder('demo', { cwd, env: {} });
  expect(opened.hash).toBe(summary.hash);
});

it('builds demo in memory when a config names it without a path', async () => {
  const cwd = await folderWith();
  const dataset = await locateDataset({ name: 'demo', path: null }, { cwd, env: {} });
  expect(dataset.userCount).toBe(1000);
  expect(await listing(cwd)).toEqual([]);
});

it('takes no folder for demo that does not hold it', async () => {
  const cwd = await folderWith({ 'notes/thesis.txt': 'mine' });
  const located = locateDataset({ name: 'demo', path: 'notes' }, { cwd, env: {} });
  await expect(located).rejects.toMatchObject({ name: 'InputError', message: expect.stringMatching(/not a data set/) });
  const opened = openDataFolder(join(cwd, 'notes'), { cwd, env: {} });
  await expect(opened).rejects.toMatchObject({ name: 'InputError', message: expect.stringMatching(/not a data set/) });
});

it('asks for --source where a publisher has files', async () => {
  const cwd = await folderWith();
  const { code, stderr } = await runCli(['data', 'prepare', 'ml-1m', '--out', 'out'], { cwd });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^error: ml-1m needs a source folder \(--source\) with ratings\.dat, movies\.dat\n$/);
  expect(await listing(cwd)).toEqual([]);
});

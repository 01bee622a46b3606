/** `evaluation.testRows`: the same sample for every method and every seed, and the scores the full run gives those rows. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { runCli } from './cli';

async function predictions(cwd: string, run: string, split: string): Promise<string[]> {
  return (await readFile(join(cwd, run, 'predictions', `${split}.csv`), 'utf8')).trimEnd().split('\n').slice(1);
}

it('scores a sample of the test rows, whole splits otherwise', async () => {
  const cwd = await folderWith({
    ...inventedMl1m(14, 20),
    'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n',
  });
  const train = async (run: string, ...more: string[]) => {
    const outcome = await runCli(['train', 'mean.yaml', '--run', run, '--json', ...more], { cwd });
    expect(outcome.code, outcome.stderr).toBe(0);
    return JSON.parse(outcome.stdout).metrics;
  };
  const all = await train('all');
  const some = await train('some', '--set', 'evaluation.testRows=17');
  expect(all.test.rows).toBeGreaterThan(17);
  expect(some.test.rows).toBe(17);
  expect(some.valid).toEqual(all.valid);
  const [whole, sample] = [await predictions(cwd, 'all', 'test'), await predictions(cwd, 'some', 'test')];
  // In the order of the split, with the very scores of the full run.
  const places = sample.map((line) => whole.indexOf(line));
  expect(places).not.toContain(-1);
  expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));

  await train('seed', '--set', 'evaluation.testRows=17', '--seed', '9');
  expect(await predictions(cwd, 'seed', 'test')).toEqual(sample);
  const pairs = (lines: string[]) => lines.map((line) => line.split(',').slice(0, 3).join());
  await train('other', '--set', 'evaluation.testRows=17', '--set', 'method=item-mean');
  expect(pairs(await predictions(cwd, 'other', 'test'))).toEqual(pairs(sample));
  expect((await train('most', '--set', 'evaluation.testRows=1000000')).test).toEqual(all.test);
});

it('resumes a run of a version that did not have the key', async () => {
  const cwd = await folderWith({ ...inventedMl1m(), 'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n' });
  expect((await runCli(['train', 'mean.yaml', '--run', 'r'], { cwd })).code).toBe(0);
  await rm(join(cwd, 'r/result.json'));
  const config = await readFile(join(cwd, 'r/config.yaml'), 'utf8');
  expect(config).toMatch(/^ {2}testRows: null\n/m);
  await writeFile(join(cwd, 'r/config.yaml'), config.replace(/^ {2}testRows: null\n/m, ''));
  const resume = (...more: string[]) => runCli(['train', 'mean.yaml', '--run', 'r', '--resume', ...more], { cwd });
  const changed = await resume('--set', 'evaluation.testRows=3');
  expect(changed).toMatchObject({ code: 2, stderr: expect.stringMatching(/testRows was null and is now 3/) });
  expect((await resume()).code).toBe(0);
});

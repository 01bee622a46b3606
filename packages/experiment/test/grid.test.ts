/** Experiments without a command line: sessions lend what is dear, grids keep what is finished. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, listing } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { gridCells, loadConfig, openSession, runExperiment, runGrid } from '../src';

const files = {
  'mean.yaml': 'method: mean\ndata: { name: demo }\n',
  'item.yaml': 'method: item-mean\ndata: { name: demo }\nseed: 7\n',
};

async function configsIn(cwd: string) {
  return { mean: await loadConfig('mean.yaml', { cwd }), item: await loadConfig('item.yaml', { cwd }) };
}

it('runs one config from code, on a data set that stays open for the next', async () => {
  const cwd = await folderWith(files);
  const session = openSession({ cwd });
  const configs = await configsIn(cwd);
  const first = await runExperiment(configs.mean, session);
  const dataset = await session.dataset(configs.mean.data);
  expect(await session.dataset(configs.item.data)).toBe(dataset);
  await session.close();
  expect(first).toMatchObject({ run: join('runs', 'mean-1'), method: 'mean', information: 'T', adapter: null });
  expect(first.metrics.test!.auc).toBeGreaterThan(0.5);
  expect(JSON.parse(await readFile(join(cwd, 'runs', 'mean-1', 'result.json'), 'utf8'))).toEqual(first);
});

it('names runs by config and seed, all configs of a seed together', async () => {
  const cwd = await folderWith(files);
  const names = gridCells(await configsIn(cwd), { folder: 'g', seeds: [1, 2] }).map(({ run, config }) => [
    run,
    config.seed,
  ]);
  expect(names).toEqual([
    [join('g', 'mean-1'), 1],
    [join('g', 'item-1'), 1],
    [join('g', 'mean-2'), 2],
    [join('g', 'item-2'), 2],
  ]);
  const own = gridCells(await configsIn(cwd), { folder: 'g' }).map(({ run, seed }) => [run, seed]);
  expect(own).toEqual([
    [join('g', 'mean'), 1],
    [join('g', 'item'), 7],
  ]);
});

it('goes on where it was stopped, and leaves alone what is finished', async () => {
  const cwd = await folderWith(files);
  const configs = await configsIn(cwd);
  const stop = new AbortController();
  const broken = openSession({ cwd, signal: stop.signal });
  const options = { folder: 'g', seeds: [1, 2] };
  const seen: string[] = [];
  await expect(
    runGrid(configs, broken, {
      ...options,
      onResult({ run }) {
        seen.push(run);
        if (seen.length === 2) stop.abort();
      },
    }),
  ).rejects.toMatchObject({ name: 'InterruptedError' });
  expect(seen).toEqual([join('g', 'mean-1'), join('g', 'item-1')]);
  const written = (await stat(join(cwd, 'g', 'mean-1', 'result.json'))).mtimeMs;
  const session = openSession({ cwd });
  const results = await runGrid(configs, session, options);
  await session.close();
  expect(results.map(({ cell }) => cell.run)).toEqual(
    ['mean-1', 'item-1', 'mean-2', 'item-2'].map((name) => join('g', name)),
  );
  expect((await stat(join(cwd, 'g', 'mean-1', 'result.json'))).mtimeMs).toBe(written);
  expect((await listing(join(cwd, 'g'))).filter((name) => name.endsWith('result.json'))).toHaveLength(4);
});

/** The paper as data: its numbers agree with one another, and every row has a config in every profile. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { relativeImprovement } from '@crossgate/eval';
import { describe, expect, it } from 'vitest';
import { type PaperPart, paperExperiments, paperParts, paperProfiles, paperRows, rowsOf } from '../src';
import { cellHash, experimentsOf, paperCell, trainedRowsOf, withBackends } from '../src/paper/plan';
import { paperCase, trivialBaselines } from '../src/paper/tables';

const configs = fileURLToPath(new URL('../../../configs', import.meta.url));
const cwd = configs;

describe('the numbers', () => {
  const published = (id: string, dataset: 'ml-1m' | 'amazon-books') =>
    paperRows.find((row) => row.id === id)!.published[dataset]!;

  // Table 3 and Table 4 print these; they follow from the AUCs by equation 6.
  it.each([
    ['table3/collm-mf', 'table3/mf', 'ml-1m', 54.86],
    ['table3/ccf-mf', 'table3/mf', 'ml-1m', 56.21],
    ['table3/collm-lightgcn', 'table3/lightgcn', 'ml-1m', 118.98],
    ['table3/ccf-lightgcn', 'table3/lightgcn', 'ml-1m', 153.08],
    ['table3/ccf-sasrec', 'table3/sasrec', 'ml-1m', 21.56],
    ['table3/ccf-mf', 'table3/mf', 'amazon-books', 47.61],
    ['table3/ccf-lightgcn', 'table3/lightgcn', 'amazon-books', 44.98],
    ['table3/ccf-sasrec', 'table3/sasrec', 'amazon-books', 47.96],
    ['table3/tallrec', 'table3/softprompt', 'ml-1m', 1.25],
    ['table3/tallrec', 'table3/softprompt', 'amazon-books', 6.79],
    ['table4/ccf-lightgcn-stage-1', 'table4/ccf-lightgcn', 'ml-1m', -16.56],
    ['table4/ccf-lightgcn-end-to-end', 'table4/ccf-lightgcn', 'ml-1m', -42.73],
  ] as const)('%s against %s on %s: %d %%', (id, base, dataset, expected) => {
    const improvement = relativeImprovement(published(id, dataset), published(base, dataset))!;
    expect(Math.abs(100 * improvement - expected)).toBeLessThan(0.011);
    expect(paperRows.find((row) => row.id === id)!.base).toBe(base.split('/')[1]);
  });

  it('Table 5 ranks the five items by each method', () => {
    for (const method of paperCase.experiments.keys()) {
      expect(paperCase.items.map(({ ranks }) => ranks[method]!).sort()).toEqual([1, 2, 3, 4, 5]);
    }
  });

  it('every row has an id of its own and an experiment', () => {
    expect(new Set(paperRows.map(({ id }) => id)).size).toBe(paperRows.length);
    const keys = paperExperiments.map(({ key }) => key);
    for (const { id, experiment, base } of paperRows) {
      expect(keys, id).toContain(experiment);
      if (base !== undefined) expect(keys, id).toContain(base);
    }
    for (const { backends } of paperExperiments) for (const backend of backends) expect(keys).toContain(backend);
    // Every experiment is shown somewhere.
    const shown = experimentsOf(paperParts, paperRows);
    expect(keys.filter((key) => !shown.includes(key))).toEqual([]);
  });

  it('rows are chosen by part and word, and the trivial baselines with them', () => {
    const idsOf = (part: PaperPart, ...only: string[]) => rowsOf([part], only).map(({ id }) => id);
    const with3 = (part: PaperPart, ...ids: string[]) => [...ids, ...trivialBaselines.map((key) => `${part}/${key}`)];
    expect(idsOf('table4', 'stage')).toEqual(with3('table4', 'table4/ccf-lightgcn-stage-1'));
    expect(idsOf('table2', 'stage')).toEqual([]);
    const twice = ['softprompt-twice', 'tallrec-twice'].map((key) => `table3/${key}`);
    expect(idsOf('table3', 'twice')).toEqual(with3('table3', ...twice));
    expect(idsOf('table3', 'table3/tallrec')).toEqual(with3('table3', 'table3/tallrec'));
    for (const part of ['table2', 'table3', 'table4', 'figure3'] as const)
      expect(idsOf(part)).toEqual(expect.arrayContaining(with3(part)));
    expect(experimentsOf(['table4'], rowsOf(['table4'], ['stage']))).toEqual([
      ...['lightgcn', 'ccf-lightgcn', 'ccf-lightgcn-stage-1', ...trivialBaselines],
    ]);
  });
});

describe.each(paperProfiles.map((profile) => [profile.name, profile] as const))('profile %s', (_, profile) => {
  const plan = { profile, configs, cwd };

  it('names configs that exist', () => {
    for (const file of [profile.llm, ...Object.values(profile.cf)])
      expect(existsSync(join(configs, file)), file).toBe(true);
  });

  it('gives every experiment a config of its own, with the keys that make it', async () => {
    const [dataset] = profile.datasets;
    const hashes = new Map<string, string>();
    for (const { key, method, settings, backends, passes = 1 } of paperExperiments) {
      const cell = await paperCell(plan, key, dataset!, 3);
      const backend = await Promise.all(
        backends.map(async (name) => ({ cell: await paperCell(plan, name, dataset!, 3), run: `runs/${name}` })),
      );
      const config = withBackends(cell, backend);
      expect(config).toMatchObject({ method, name: key, seed: 3, data: { name: dataset!.name } });
      expect(config).toMatchObject(settings);
      if (backends.length === 1) {
        expect(config.cf).toMatchObject({ model: backends[0], run: `runs/${backends[0]}` });
        expect(config.cf.cfDim).toBe(backend[0]!.cell.config.cf.cfDim);
      }
      if (backends.length === 2) expect(config.cf.run).toEqual(backends.map((name) => `runs/${name}`));
      if (passes > 1) expect(config.training.stage1.epochs).toBe(passes);
      const hash = cellHash(cell.config, { dataHash: 'd', model: null, backends });
      expect([...hashes].find(([, other]) => other === hash)?.[0], key).toBeUndefined();
      hashes.set(key, hash);
    }
  });
});

it('the hash of a run tells what decides its numbers, and nothing else', async () => {
  const [smoke] = paperProfiles;
  const plan = { profile: smoke!, configs, cwd };
  const of = async (changes: object, parts: object = {}) => {
    const { config } = await paperCell({ ...plan, ...changes }, 'ccf-mf', smoke!.datasets[0]!, 1);
    return cellHash(config, { dataHash: 'd', model: 'm', backends: ['b'], ...parts });
  };
  const hash = await of({});
  expect(await of({})).toBe(hash);
  expect(await of({ set: ['llm.path=elsewhere', 'data.path=elsewhere', 'name=other'] })).toBe(hash);
  expect(await of({ set: ['alg.hiddenFactor=3'] })).not.toBe(hash);
  // Runs from before there was a choice of windows keep their folders.
  const { config } = await paperCell(plan, 'ccf-mf', smoke!.datasets[0]!, 1);
  const { window: _, ...data } = config.data;
  expect(cellHash({ ...config, data } as typeof config, { dataHash: 'd', model: 'm', backends: ['b'] })).toBe(hash);
  expect(await of({ set: ['data.window=paper'] })).toBe(hash);
  expect(await of({ set: ['data.window=all'] })).not.toBe(hash);
  for (const parts of [{ dataHash: 'e' }, { model: 'n' }, { backends: ['c'] }])
    expect(await of({}, parts)).not.toBe(hash);
});

it('a run tells of how many training rows it learns', async () => {
  const [small] = paperProfiles.filter(({ name }) => name === 'small');
  const of = async (key: string, set: readonly string[] = []) => {
    const { config } = await paperCell({ profile: small!, configs, cwd, set }, key, small!.datasets[0]!, 1);
    return trainedRowsOf(config, 33_891);
  };
  expect(await of('ccf-mf')).toBe(12_000);
  expect(await of('ccf-mf', ['training.stage2.rows=5000'])).toBe(5000);
  expect(await of('ccf-lightgcn-stage-1', ['training.stage2.rows=5000'])).toBe(12_000);
  expect(await of('tallrec', ['training.stage1.rows=50000'])).toBe(33_891);
  expect(
    await Promise.all(['mf', 'mean', 'zero-shot', 'closed-zero-shot', 'closed-tuned'].map((key) => of(key))),
  ).toEqual([...[33_891, 33_891, 0, 0, 12_000]]);
});

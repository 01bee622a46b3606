/** A reproduction of a few rows on a tiny world: each experiment runs once, what is absent is named, and nothing runs twice. */
import { copyFile, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { bootstrapClicks, meanBootstrap } from '@crossgate/eval';
import { listAdapters } from '@crossgate/gpu/node';
import { LlamaModel } from '@crossgate/llm';
import { folderWith, inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  openSession,
  type PairedDifference,
  type PaperPlan,
  type PaperProfile,
  paperCosts,
  readResult,
  reproducePaper,
  type Session,
} from '../src';
import { paperCase, trivialBaselines } from '../src/paper/tables';
import { readPredictions } from '../src/predictions';

const adapters = await listAdapters();

const stages = { rows: 12, batchSize: 4 };
const invented = inventedMl1m(14, 9);
/** The films of Table 5, rated by its user in the months of the test rows. */
const films = paperCase.items.map(({ title, label }, index) => ({ id: 101 + index, title: `${title} (1999)`, label }));
const december = Date.UTC(2002, 11, 1) / 1000;
const files = {
  ...invented,
  'ml-1m/ratings.dat': `${invented['ml-1m/ratings.dat']}${films
    .map(({ id, label }) => `${paperCase.user}::${id}::${label === 1 ? 5 : 2}::${december + id}\n`)
    .join('')}`,
  'ml-1m/movies.dat': `${invented['ml-1m/movies.dat']}${films.map(({ id, title }) => `${id}::${title}::Comedy\n`).join('')}`,
  'configs/cf.yaml': `method: mf
data: { path: ml-1m }
cf: { cfDim: 8, epochs: 2, batchSize: 16 }
`,
  'configs/lightgcn.yaml': 'extends: cf.yaml\nmethod: lightgcn\ncf: { model: lightgcn }\n',
  'configs/llm.yaml': `extends: cf.yaml
method: ccf
llm: { path: model }
lora: { rank: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
prompt: { historyLength: 2 }
training: ${JSON.stringify({ stage1: stages, stage2: stages })}
`,
};
const profile: PaperProfile = {
  ...{ name: 'tiny', summary: 'a test', seeds: [1, 2], common: {}, llm: 'llm.yaml', methods: {}, neighbors: {} },
  datasets: [
    { name: 'ml-1m', published: 'ml-1m', settings: {} },
    { name: 'amazon-books', published: 'amazon-books', settings: { data: { path: 'nowhere' } } },
  ],
  cf: { baseline: 'cf.yaml', mf: 'cf.yaml', lightgcn: 'lightgcn.yaml', sasrec: 'cf.yaml', asvd: 'cf.yaml' },
};

async function world(): Promise<{ plan: PaperPlan; session: Session; cwd: string }> {
  const cwd = await folderWith(files);
  await writeTinyModel(join(cwd, 'model'));
  return { cwd, plan: { profile, configs: join(cwd, 'configs'), cwd }, session: openSession({ cwd }) };
}

afterEach(() => vi.restoreAllMocks());

describe.skipIf(adapters.length === 0)('reproducePaper', { timeout: 240_000 }, () => {
  it('gives each row our numbers beside the published ones, and runs nothing twice', async () => {
    const { cwd, plan, session } = await world();
    const options = {
      parts: ['table4', 'figure3'],
      only: ['stage-1', 'figure3/ccf-lightgcn'],
      out: 'out',
    } as const;
    const ids: string[] = [];
    const made = await reproducePaper(plan, session, { ...options, onRow: ({ id }) => ids.push(id) });
    expect(made.rows.map(({ id }) => id)).toEqual(ids);
    const row = (id: string, dataset = 'ml-1m') =>
      made.rows.find((each) => each.id === id && each.dataset === dataset) ?? expect.fail(id);
    const stage1 = row('table4/ccf-lightgcn-stage-1');
    expect(stage1).toMatchObject({ status: 'done', seeds: [1, 2], information: 'H', published: 0.7025 });
    expect(stage1.auc!.runs).toBe(2);
    expect(stage1.difference).toBeCloseTo(stage1.auc!.mean! - 0.7025, 12);
    const base = row('figure3/ccf-lightgcn').auc!.mean!;
    expect(stage1.relativeImprovement).toBeCloseTo((stage1.auc!.mean! - 0.5) / (base - 0.5) - 1, 12);
    expect(row('table4/mean')).toMatchObject({ status: 'done', information: 'T', published: null, difference: null });
    // What learns nothing stands in each table, whichever rows were chosen.
    for (const part of ['table4', 'figure3']) for (const key of trivialBaselines) row(`${part}/${key}`);
    // A part of the training rows is named; intervals are of resamples of users, of the mean over seeds.
    const { trainRows } = row('table4/mean');
    expect(row('table4/mean').trainedRows).toBe(trainRows);
    expect(stage1).toMatchObject({ trainedRows: 12, trainRows });
    const seeds = await Promise.all(
      stage1.runs.map(async (run) => {
        const { user, label, logit } = await readPredictions(join(cwd, run, 'predictions', 'test.csv'));
        return bootstrapClicks({ user, label, score: logit }, { samples: 1000, seed: 1 });
      }),
    );
    for (const metric of ['auc', 'uauc'] as const) {
      expect(stage1[`${metric}95`]).toEqual(meanBootstrap(seeds.map((each) => each[metric])).interval);
    }
    expect(stage1.auc95![1]).toBeGreaterThan(stage1.auc95![0]);
    expect(stage1.uauc95).toHaveLength(2);
    // The other data set is not there: its rows say so.
    expect(row('figure3/ccf-lightgcn', 'amazon-books')).toMatchObject({ status: 'absent', auc: null, seeds: [] });
    expect(row('figure3/ccf-lightgcn', 'amazon-books').reason).toMatch(
      /nowhere: no such folder; give a prepared folder or a source folder/,
    );
    const runs = await readdir(join(cwd, 'out', 'runs'));
    const [shared] = runs.filter((name) => name.startsWith('ccf-lightgcn-stage-1-ml-1m-1-'));
    const [source] = runs.filter((name) => /^ccf-lightgcn-ml-1m-1-/.test(name));
    const { details } = await readResult(join(cwd, 'out', 'runs', shared!));
    expect(details).toMatchObject({ stages: [{ name: 'stage1', run: join('out', 'runs', source!) }] });
    // Once for all rows that show it, and once for each seed.
    expect(runs.filter((name) => /^ccf-lightgcn-ml-1m-1-/.test(name))).toHaveLength(1);
    expect(runs.filter((name) => name.startsWith('lightgcn-'))).toHaveLength(2);
    await session.close();

    const again = openSession({ cwd });
    const load = vi.spyOn(LlamaModel, 'load');
    expect(await reproducePaper(plan, again, options)).toEqual({ ...made, adapter: made.adapter });
    expect(load).not.toHaveBeenCalled();
    expect(await readdir(join(cwd, 'out', 'runs'))).toEqual(runs);
    await again.close();

    // The folder may be moved: what counts is the vectors that a run took, not where they lay.
    await rename(join(cwd, 'out'), join(cwd, 'moved'));
    const moved = openSession({ cwd });
    const elsewhere = await reproducePaper(plan, moved, { ...options, out: 'moved' });
    expect(elsewhere.rows.map(({ id, auc }) => [id, auc])).toEqual(made.rows.map(({ id, auc }) => [id, auc]));
    expect(load).not.toHaveBeenCalled();
    const [one, two] = (await readdir(join(cwd, 'moved', 'runs'))).filter((name) => name.startsWith('lightgcn-'));
    const vectors = (run: string) => join(cwd, 'moved', 'runs', run, 'cf.safetensors');
    await copyFile(vectors(two!), vectors(one!));
    const other = await reproducePaper(plan, moved, { ...options, out: 'moved' });
    const refused = other.rows.find(({ id }) => id === 'figure3/ccf-lightgcn')!;
    expect(refused).toMatchObject({ status: 'failed', auc: null });
    expect(refused.reason).toMatch(/cf\.run was/);
    await moved.close();
  });

  it('claims something of CF only after the controls, names a training that fails, and ranks the items of a case', async () => {
    const { cwd, plan, session } = await world();
    const one = { ...plan, seeds: [1] };
    const controlled = await reproducePaper(one, session, {
      ...{ parts: ['table3'], only: ['ccf-lightgcn', 'tallrec-twice'], out: 'out' },
    });
    expect(controlled.claims).toHaveLength(1);
    const [claim] = controlled.claims;
    expect(claim!.tests.map(({ control }) => control).sort()).toEqual([
      'ccf-lightgcn-permuted-at-evaluation',
      'ccf-lightgcn-permuted-items',
      'ccf-lightgcn-permuted-users',
      'ccf-lightgcn-random-vectors',
      'tallrec-twice',
    ]);
    const rowOf = (key: string) => controlled.rows.find(({ id }) => id === `table3/${key}`)!;
    for (const { control, auc, uauc } of claim!.tests) {
      const [own, other] = [rowOf('ccf-lightgcn'), rowOf(control)];
      expect(auc!.difference).toBeCloseTo(own.auc!.mean! - other.auc!.mean!, 12);
      expect(uauc!.difference).toBeCloseTo(own.uauc!.mean! - other.uauc!.mean!, 12);
    }
    const isAbove = (test: PairedDifference | null) => test!.difference > 0 && test!.pHolm < 0.05;
    expect(claim!.holds).toBe(claim!.tests.every(({ auc, uauc }) => isAbove(auc) && isAbove(uauc)));

    const { cases } = await reproducePaper(one, session, { parts: ['table5'], out: 'out' });
    const [movies, books] = cases;
    expect(books).toMatchObject({ items: [], reason: expect.stringContaining('nowhere') });
    expect(movies).toMatchObject({ user: '4', experiments: ['lightgcn', 'zero-shot', 'ccf-lightgcn', 'item-mean'] });
    expect(movies!.items.map(({ title, label }) => [title, label])).toEqual(
      films.map((film) => [film.title, film.label]),
    );
    const ranksOf = (experiment: number) => movies!.items.map(({ ranks }) => ranks[experiment]!);
    for (const experiment of movies!.experiments.keys())
      expect(ranksOf(experiment).toSorted()).toEqual([1, 2, 3, 4, 5]);
    // As by the scores of the run; films without train rows are equal to the item mean, and keep their order.
    const [head, ...lines] = (
      await readFile(join(cwd, rowOf('ccf-lightgcn').runs[0]!, 'predictions', 'test.csv'), 'utf8')
    )
      .trim()
      .split('\n');
    const [user, item, logit] = ['user', 'item', 'logit'].map((name) => head!.split(',').indexOf(name));
    const logits = films.map(({ id }) => {
      const row = lines
        .map((line) => line.split(','))
        .find((cells) => cells[user!] === '4' && cells[item!] === `${id}`)!;
      return Number(row[logit!]);
    });
    expect(ranksOf(2)).toEqual(logits.map((value) => 1 + logits.filter((other) => other > value).length));
    expect(ranksOf(3)).toEqual([1, 2, 3, 4, 5]);
    const failed = await reproducePaper({ ...one, set: ['training.stage1.learningRate=1e30'] }, session, {
      ...{ parts: ['table2'], only: ['table2/instruct', 'closed'], out: 'out' },
    });
    const of = (id: string) => failed.rows.find((row) => row.id === id)!;
    expect(of('table2/instruct')).toMatchObject({ status: 'failed', auc: null });
    expect(of('table2/instruct').reason).toMatch(/loss|finite/);
    expect(of('table2/closed-zero-shot-cf')).toMatchObject({ status: 'absent', published: 0.5902 });
    expect(of('table2/closed-zero-shot-cf').reason).toMatch(/api\.model/);
    await session.close();
  });

  it('tells what it costs before it starts', async () => {
    const { plan, session } = await world();
    const costs = await paperCosts(plan, session, { parts: ['table4'], only: ['stage-1'] });
    expect(costs.filter(({ dataset }) => dataset === 'ml-1m')).toMatchObject([
      { experiment: 'lightgcn', seeds: 2, trainedPrompts: 0, scoredPrompts: 0, rows: [] },
      { experiment: 'ccf-lightgcn', seeds: 2, trainedPrompts: 2 * 2 * 12, stagesFrom: null },
      { experiment: 'ccf-lightgcn-stage-1', seeds: 2, trainedPrompts: 0, stagesFrom: 'ccf-lightgcn' },
      ...trivialBaselines.map((experiment) => ({ experiment, scoredPrompts: 0, rows: [`table4/${experiment}`] })),
    ]);
    await session.close();
  });
});

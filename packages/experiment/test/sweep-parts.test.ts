/** The parts of a search by themselves: its space, draws, rounds, stopping rules, and what mattered. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { explainedShare, groupsOf, halvingRounds, loadConfig, type MetricsRecord, planTrials } from '../src';
import { gridPoints, randomPoints } from '../src/sweep/draw';
import { midRanks } from '../src/sweep/importance';
import { valueOfRecords } from '../src/sweep/objective';
import { readSweepKey, readSweepSpace } from '../src/sweep/space';
import { stopAfter, stopBelowMedian } from '../src/sweep/stopping';

const random = (argument: string) => readSweepKey('--random', argument);
const grid = (argument: string) => readSweepKey('--grid', argument);

describe('the space', () => {
  it('reads values and ranges', () => {
    expect(grid('cf.learningRate=1e-3, 1e-2').values).toEqual(['1e-3', '1e-2']);
    expect(grid('cf.betas=[0.9, 0.99],[0.8,"a,b"]').values).toEqual(['[0.9, 0.99]', '[0.8,"a,b"]']);
    expect(random('cf.cfDim=32|64').values).toEqual(['32', '64']);
    const whole = { log: false, whole: true };
    expect(random('cf.cfDim=16..128').range).toEqual({ low: 16, high: 128, ...whole });
    expect(random('cf.learningRate=log:1e-4..1e-1').range).toEqual({ low: 1e-4, high: 0.1, log: true, whole: false });
    expect(random('cf.weightDecay=0...5').range).toEqual({ low: 0, high: 0.5, log: false, whole: false });
  });

  it.each([
    ['--grid', 'cf.cfDim', /--grid: cf\.cfDim names no key with values/],
    ['--grid', 'cf.cfDim=1,,2', /--grid cf\.cfDim: a value is empty/],
    ['--grid', 'cf.cfDim=1,2,1', /--grid cf\.cfDim: 1 stands there twice/],
    ['--grid', 'name=a,b', /--grid name: this key cannot be searched/],
    ['--random', 'cf.cfDim=32', /--random cf\.cfDim: 32 leaves nothing to draw/],
    ['--random', 'cf.learningRate=1..1', /1 is not below 1/],
    ['--random', 'cf.learningRate=log:0..1', /0 has no logarithm/],
    ['--random', 'cf.learningRate=log:a..1', /log:a\.\.1 is not a range/],
    ['--random', 'cf.cfDim=1.5..8', /--random cf\.cfDim: cf\.cfDim takes whole numbers/],
  ] as const)('refuses %s %s', (option, argument, words) => {
    expect(() => readSweepKey(option, argument)).toThrow(words);
  });

  it('refuses what cannot be searched together', () => {
    const [a, b] = ['cf.cfDim=1,2', 'seed=1|2'];
    expect(() => readSweepSpace({})).toThrow(/nothing to search/);
    expect(() => readSweepSpace({ grid: [a], random: [b] })).toThrow(/--grid: does not go with --random/);
    expect(() => readSweepSpace({ grid: [a, a] })).toThrow(/--grid cf\.cfDim: is given twice/);
    expect(() => readSweepSpace({ grid: [a], set: ['cf.cfDim=3'] })).toThrow(/--set cf\.cfDim fixes it/);
    expect(() => readSweepSpace({ grid: [a, 'cf={a: 1},{}'] })).toThrow(/cf is given too, and holds it/);
  });
});

describe('points', () => {
  it('are every combination of a grid', () => {
    const points = gridPoints([grid('a=1,2'), grid('b=x,y')]);
    expect(points.map(({ a, b }) => `${a}${b}`)).toEqual(['1x', '1y', '2x', '2y']);
  });

  it('are drawn by the seed, and more of them begin with the fewer', () => {
    const keys = [random('cf.learningRate=log:1e-4..1e-1'), random('cf.cfDim=16..64'), random('cf.loss=bce|bpr')];
    const points = randomPoints(keys, 200, 1);
    expect(randomPoints(keys, 200, 1)).toEqual(points);
    expect(randomPoints(keys, 20, 1)).toEqual(points.slice(0, 20));
    expect(randomPoints(keys, 20, 2)).not.toEqual(points.slice(0, 20));
    const rates = points.map((point) => Number(point['cf.learningRate']));
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(1e-4);
    expect(Math.max(...rates)).toBeLessThanOrEqual(0.1);
    // By the logarithm each decade has a third; uniform draws would leave the first two with a tenth.
    const low = rates.filter((rate) => rate < 1e-2).length / rates.length;
    expect(low).toBeGreaterThan(0.57);
    expect(low).toBeLessThan(0.77);
    const sizes = points.map((point) => Number(point['cf.cfDim']));
    expect(sizes.every((size) => Number.isInteger(size) && size >= 16 && size <= 64)).toBe(true);
    expect(new Set(sizes).size).toBeGreaterThan(40);
    const bpr = points.filter((point) => point['cf.loss'] === 'bpr').length;
    expect(bpr).toBeGreaterThan(75);
    expect(bpr).toBeLessThan(125);
  });

  it('do not come twice, and end with a small space', () => {
    const points = randomPoints([random('a=1|2'), random('b=x|y')], 20, 1);
    expect(new Set(points.map((point) => JSON.stringify(point))).size).toBe(4);
    expect(points).toHaveLength(4);
  });
});

describe('rounds of halving', () => {
  it('divide trials and multiply the budget', () => {
    expect(halvingRounds(27, { factor: 3, budget: 81 })).toEqual([
      { trials: 27, budget: 3 },
      { trials: 9, budget: 9 },
      { trials: 3, budget: 27 },
      { trials: 1, budget: 81 },
    ]);
    expect(halvingRounds(20, { factor: 3, budget: 100, first: 20 })).toEqual([
      { trials: 20, budget: 33 },
      { trials: 6, budget: 100 },
    ]);
    expect(halvingRounds(8, { factor: 2, budget: 3 }).map(({ budget }) => budget)).toEqual([2, 3]);
    expect(halvingRounds(2, { factor: 3, budget: 100 })).toEqual([{ trials: 2, budget: 100 }]);
  });
});

describe('what a key explains', () => {
  it('is ε² on ranks, as by H of Kruskal and Wallis', () => {
    const file = join(import.meta.dirname, 'fixtures', 'sweep-importance.json');
    const cases: { groups: number[][]; share: number }[] = JSON.parse(readFileSync(file, 'utf8'));
    expect(cases.some(({ share }) => share > 0.2)).toBe(true);
    expect(cases.some(({ share }) => share === 0)).toBe(true);
    for (const { groups, share } of cases) {
      const of = groups.flatMap((values, group) => values.map(() => group));
      expect(explainedShare(groups.flat(), of)).toBeCloseTo(share, 12);
    }
  });

  it('is not defined where nothing can be told apart', () => {
    expect(explainedShare([1, 2, 3], [0, 0, 0])).toBeNull();
    expect(explainedShare([1, 2, 3], [0, 1, 2])).toBeNull();
    expect(explainedShare([1, 1, 1], [0, 0, 1])).toBeNull();
    expect(explainedShare([], [])).toBeNull();
    expect(explainedShare([1, 2, 8, 9], [0, 0, 1, 1])).toBeCloseTo(0.7, 12);
  });

  it('cuts many numbers into groups of neighbors', () => {
    expect(midRanks([5, 1, 5, 2])).toEqual([3.5, 1, 3.5, 2]);
    expect(groupsOf(['a', 'b', 'a'])).toEqual([0, 1, 0]);
    expect(groupsOf([8, 16, 8, 16])).toEqual([0, 1, 0, 1]);
    expect(groupsOf([0.9, 0.1, 0.5, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6])).toEqual([2, 0, 1, 0, 2, 0, 2, 1, 1]);
  });
});

describe('trials that end early', () => {
  const epochs = (...aucs: number[]): MetricsRecord[] =>
    aucs.map((validAuc, at) => ({ phase: 'cf', step: at + 1, validAuc, validUauc: 1 - validAuc }));
  const configOf = async (cf: string) => {
    const cwd = await folderWith({ 'mf.yaml': `method: mf\ndata: { name: demo }\ncf: ${cf}\n` });
    return loadConfig('mf.yaml', { cwd });
  };

  it('have the value of the epoch that they would choose', async () => {
    const byAuc = await configOf('{}');
    const records = epochs(0.5, 0.7, 0.6);
    expect(valueOfRecords(records, byAuc, 'auc')).toBe(0.7);
    expect(valueOfRecords(records, byAuc, 'uauc')).toBeCloseTo(0.3, 12);
    expect(valueOfRecords(records, await configOf('{ selectBy: last }'), 'auc')).toBe(0.6);
    expect(valueOfRecords([], byAuc, 'auc')).toBeNull();
  });

  it('stop after the epochs of a round', () => {
    expect(stopAfter(3)(epochs(0.5, 0.6))).toBe(false);
    expect(stopAfter(3)(epochs(0.5, 0.6, 0.7))).toBe(true);
  });

  it('stop below the median of three and more that finished, not in the warm-up', async () => {
    const config = await configOf('{ warmupEpochs: 1 }');
    const finished = [epochs(0.6, 0.6, 0.9), epochs(0.7), epochs(0.6, 0.8, 0.8)].map((records) => ({
      config,
      records,
    }));
    const stop = stopBelowMedian(finished, config, 'auc');
    expect(stop(epochs(0.1))).toBe(false);
    // After two epochs the others had .6, .7 and .8.
    expect(stop(epochs(0.1, 0.69))).toBe(true);
    expect(stop(epochs(0.1, 0.7))).toBe(false);
    expect(stop(epochs(0.75, 0.1))).toBe(false);
    expect(stop([...epochs(0.1, 0.69), { phase: 'other', step: 1 }])).toBe(false);
    expect(stopBelowMedian(finished.slice(1), config, 'auc')(epochs(0.1, 0.1))).toBe(false);
  });
});

describe('trials', () => {
  const files = {
    'mf.yaml': 'method: mf\ndata: { name: demo }\ncf: { cfDim: 8 }\n',
    'bad.yaml': 'method: mf\ndata: { name: demo }\ncf: { cfDims: 8 }\n',
  };

  it('have a checked config each, with the value as the key takes it', async () => {
    const cwd = await folderWith(files);
    const { trials } = await planTrials('mf.yaml', { cwd, grid: ['cf.cfDim=4,8', 'cf.loss=bce,bpr'], seed: 3 });
    expect(trials.map(({ trial, values }) => [trial, values['cf.cfDim'], values['cf.loss']])).toEqual([
      [1, 4, 'bce'],
      [2, 4, 'bpr'],
      [3, 8, 'bce'],
      [4, 8, 'bpr'],
    ]);
    expect(trials.map(({ config }) => [config?.cf.cfDim, config?.seed])).toEqual([
      [4, 3],
      [4, 3],
      [8, 3],
      [8, 3],
    ]);
  });

  it('search seeds too, and leave a key out where the method does not read it', async () => {
    const cwd = await folderWith(files);
    const seeds = await planTrials('mf.yaml', { cwd, grid: ['seed=1,2'], seed: 9 });
    expect(seeds.trials.map(({ config }) => config?.seed)).toEqual([1, 2]);
    const grid = ['method=mean,lightgcn', 'baseline.strength=1,2', 'cf.cfDim=4,8'];
    const { trials } = await planTrials('mf.yaml', { cwd, grid });
    expect(trials.map(({ values }) => values)).toEqual([
      { method: 'mean', 'baseline.strength': 1 },
      { method: 'mean', 'baseline.strength': 2 },
      { method: 'lightgcn', 'cf.cfDim': 4 },
      { method: 'lightgcn', 'cf.cfDim': 8 },
    ]);
    expect(trials[3]!.config!.cf.model).toBe('lightgcn');
  });

  it('record a combination that does not go together, where its values do with others', async () => {
    const cwd = await folderWith(files);
    const grid = ['cf.selectBy=auc,ndcg', 'evaluation.ranking.k=null,5'];
    const { trials } = await planTrials('mf.yaml', { cwd, grid });
    expect(trials.map(({ reason }) => reason)).toEqual([
      null,
      null,
      expect.stringMatching(/cf\.selectBy ndcg needs evaluation\.ranking\.k/),
      null,
    ]);
  });

  it.each([
    [{ grid: ['cf.cfDims=1,2'] }, /--grid cf\.cfDims: unknown key cf\.cfDims \(did you mean cfDim\?\)/],
    [{ grid: ['cf.cfDim=8,many'] }, /--grid cf\.cfDim: cf\.cfDim: must be a number, got "many"/],
    [{ random: ['cf.initStd=-1..1'], trials: 3 }, /--random cf\.initStd: cf\.initStd: .*got -1/],
    [{ random: ['cf.loss=bce|bpr|none'], trials: 9 }, /--random cf\.loss: cf\.loss: "none" is not one of/],
    [{ grid: ['lora.rank=1,2'] }, /--grid lora\.rank: method mf does not read it/],
    [{ grid: ['cf.cfDim=1,2'], trials: 4 }, /--trials: a grid tries every combination/],
    [{ grid: ['cf.cfDim=1,2'], set: ['cf.loss=none'] }, /--set cf\.loss: /],
  ])('are refused before anything starts: %o', async (options, words) => {
    const cwd = await folderWith(files);
    await expect(planTrials('mf.yaml', { cwd, ...options })).rejects.toThrow(words);
    await expect(planTrials('bad.yaml', { cwd, grid: ['cf.cfDim=1,2'] })).rejects.toThrow(/bad\.yaml:3:7: unknown key/);
  });
});

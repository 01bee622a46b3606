/** Trivial baselines: by hand on a small set, and the reference figures on MovieLens-1M. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '@crossgate/data';
import { loadSource } from '@crossgate/data/node';
import { evaluateClicks } from '@crossgate/eval';
import { beforeAll, describe, expect, it } from 'vitest';
import { baselineScorer, scoreBaseline } from '../src/baselines';
import { type BaselineName, baselines } from '../src/declarations';
import { smallDataset } from './small-dataset';

const logOdds = (p: number) => Math.log(p / (1 - p));

describe('by hand', () => {
  let dataset: Dataset;
  beforeAll(async () => {
    // Train mean ¾. User 1's valid row lies between its test rows in time.
    dataset = await smallDataset([
      [1, 1, 1, 10, 0],
      [1, 2, 0, 20, 0],
      [2, 1, 1, 10, 0],
      [2, 2, 1, 20, 0],
      [1, 1, 0, 30, 2],
      [1, 2, 1, 40, 1],
      [1, 3, 1, 50, 2],
      [3, 2, 1, 50, 2],
    ]);
  });
  const [itemOne, itemTwo, prior] = [(2 + 3.75) / 7, (1 + 3.75) / 7, 0.75];

  it('item-mean is the smoothed train mean, the prior for an unseen item', () => {
    const score = scoreBaseline('item-mean', dataset, 'test');
    for (const [row, expected] of [itemOne, prior, itemTwo].entries()) expect(score[row]).toBeCloseTo(expected, 14);
    expect([...scoreBaseline('item-mean', dataset, 'test', { strength: 0 })]).toEqual([1, 0.75, 0.5]);
  });

  it('mean adds the log-odds of the user, the prior for an unseen user', () => {
    const userOne = (1 + 3.75) / 7;
    const expected = [
      logOdds(itemOne) + logOdds(userOne),
      logOdds(prior) + logOdds(userOne),
      logOdds(itemTwo) + logOdds(prior),
    ];
    const score = scoreBaseline('mean', dataset, 'test');
    for (const [row, value] of expected.entries()) expect(score[row]).toBeCloseTo(value, 14);
  });

  it('scores pairs as rows that come after all others', async () => {
    // Of user 1, whose last rows are in test; of user 3, whose only row is; and of a new pair of ids.
    const pairs = [
      [1, 2],
      [3, 1],
      [2, 3],
    ] as const;
    const [user, item] = [0, 1].map((side) => Int32Array.from(pairs, (pair) => pair[side]!)) as [
      Int32Array,
      Int32Array,
    ];
    const residual = 1 - itemOne - itemTwo - itemOne + (1 - itemTwo) + (1 - prior);
    const expected = {
      'item-mean': [itemTwo, itemOne, prior],
      mean: [
        logOdds(itemTwo) + logOdds((1 + 3.75) / 7),
        logOdds(itemOne) + logOdds(prior),
        logOdds(prior) + logOdds((2 + 3.75) / 7),
      ],
      'running-mean': [
        logOdds(itemTwo) + (4 * residual) / (5 + 5),
        logOdds(itemOne) + (4 * (1 - itemTwo)) / (1 + 5),
        logOdds(prior) + (4 * (1 - itemOne + (1 - itemTwo))) / (2 + 5),
      ],
    };
    for (const { name } of baselines) {
      const score = baselineScorer(name, dataset).pairs(user, item);
      for (const [at, value] of expected[name].entries()) expect(score[at], name).toBeCloseTo(value, 14);
    }
  });

  it('running-mean sees earlier labels of every split, and no later one', async () => {
    const beforeFirst = (1 - itemOne + (0 - itemTwo)) / (2 + 5);
    const beforeSecond = (1 - itemOne + (0 - itemTwo) + (0 - itemOne) + (1 - itemTwo)) / (4 + 5);
    const expected = [logOdds(itemOne) + 4 * beforeFirst, logOdds(prior) + 4 * beforeSecond, logOdds(itemTwo)];
    const score = scoreBaseline('running-mean', dataset, 'test');
    for (const [row, value] of expected.entries()) expect(score[row]).toBeCloseTo(value, 14);
    // A row's own label and later ones must not move its score.
    const flipped = await smallDataset([
      [1, 1, 1, 10, 0],
      [1, 2, 0, 20, 0],
      [2, 1, 1, 10, 0],
      [2, 2, 1, 20, 0],
      [1, 1, 1, 30, 2],
      [1, 2, 0, 40, 1],
      [1, 3, 0, 50, 2],
      [3, 2, 0, 50, 2],
    ]);
    const other = scoreBaseline('running-mean', flipped, 'test');
    expect(other[0]).toBe(score[0]);
    expect(other[2]).toBe(score[2]);
  });

  it('running-mean keeps rows of one second apart', async () => {
    const tied = await smallDataset([
      [1, 1, 1, 10, 0],
      [1, 2, 0, 20, 0],
      [1, 1, 1, 20, 0],
      [1, 2, 1, 30, 0],
    ]);
    const score = scoreBaseline('running-mean', tied, 'train');
    const [one, two] = [(2 + 3.75) / 7, (1 + 3.75) / 7];
    expect(score[1]).toBeCloseTo(logOdds(two) + (4 * (1 - one)) / 6, 14);
    expect(score[2]).toBeCloseTo(logOdds(one) + (4 * (1 - one)) / 6, 14);
    expect(score[3]).toBeCloseTo(logOdds(two) + (4 * (2 * (1 - one) - two)) / 8, 14);
  });

  it('stays finite without train rows, a second class or a prior', async () => {
    const oneClass = await smallDataset([
      [1, 1, 1, 10, 0],
      [1, 1, 1, 20, 2],
    ]);
    const noTrain = await smallDataset([[1, 1, 1, 10, 2]]);
    for (const { name } of baselines) {
      for (const strength of [0, 5]) {
        for (const small of [oneClass, noTrain]) {
          for (const value of scoreBaseline(name, small, 'test', { strength }))
            expect(Number.isFinite(value)).toBe(true);
        }
      }
      expect(() => scoreBaseline(name, noTrain, 'test', { strength: -1 })).toThrow(/strength/);
    }
  });
});

const source = process.env.CROSSGATE_DATA ? join(process.env.CROSSGATE_DATA, 'ml-1m') : '';
const haveSource = source !== '' && existsSync(join(source, 'ratings.dat'));

describe.skipIf(!haveSource)(`MovieLens-1M (CROSSGATE_DATA/ml-1m${haveSource ? '' : ' is absent: skipped'})`, () => {
  let dataset: Dataset;
  beforeAll(async () => {
    dataset = await loadSource('ml-1m', source);
  });
  // Reference figures of an independent implementation on the original split: AUC, UAUC.
  const cases: [BaselineName, 'test' | 'valid', string, string][] = [
    ['item-mean', 'test', '0.7094', '0.6816'],
    ['mean', 'test', '0.7320', '0.6816'],
    ['running-mean', 'test', '0.7723', '0.6648'],
    ['item-mean', 'valid', '0.6901', '0.6883'],
    ['mean', 'valid', '0.7341', '0.6883'],
    ['running-mean', 'valid', '0.7675', '0.6719'],
  ];
  it.each(cases)('%s on %s: AUC and UAUC to four digits', (name, split, auc, uauc) => {
    const { user, label, seen } = dataset.splits[split];
    const metrics = evaluateClicks({ user, label, seen, score: scoreBaseline(name, dataset, split) });
    expect([metrics.auc?.toFixed(4), metrics.uauc?.toFixed(4)]).toEqual([auc, uauc]);
    if (split === 'test') expect([metrics.users, metrics.uaucUsers]).toEqual([320, 224]);
    expect(metrics.logLoss === null).toBe(name !== 'item-mean');
  });
});

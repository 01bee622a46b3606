/** Items that were chosen before and again in a split: one rule for all items and sampled negatives, and its counts. */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkRanking,
  evaluateRanking,
  MatrixFactorization,
  type RankingProtocol,
  rankingTargets,
  seenInTrain,
} from '../src';
import { type Row, smallDataset } from './small-dataset';

const [train, valid, test] = [0, 1, 2];
const rows: Row[] = [
  // The first buys only what they have, the second something new too, the third new things, in valid and again in test.
  ...([1, 2, 3] as const).map((item): Row => [1, item, 1, item, train]),
  [1, 2, 1, 10, valid],
  [1, 1, 1, 20, test],
  [1, 1, 1, 21, test],
  ...([4, 5] as const).map((item): Row => [2, item, 1, item, train]),
  [2, 4, 1, 10, valid],
  [2, 6, 1, 11, valid],
  [2, 5, 1, 20, test],
  [2, 7, 1, 21, test],
  ...([8, 9, 10] as const).map((item): Row => [3, item, 1, item, train]),
  [3, 1, 1, 10, valid],
  [3, 1, 1, 20, test],
  [3, 2, 0, 21, test],
  // Others give items 6 and 7 train rows, so that they can be ranked.
  [4, 6, 1, 1, train],
  [4, 7, 1, 2, train],
];

let device: Device;
let dataset: Dataset;
let model: MatrixFactorization;
beforeAll(async () => {
  device = await openDevice();
  dataset = await smallDataset(rows);
  model = MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: 4, initStd: 0.5, seed: 1 });
});
afterAll(() => device.destroy());

const rank = (split: 'valid' | 'test', protocol: Omit<RankingProtocol, 'k'>, k = 10) =>
  evaluateRanking(model, dataset, split, { k, ...protocol });

describe.each([
  ['all items', {}],
  ['sampled negatives', { negatives: 4 }],
])('%s', (_, protocol) => {
  it('leaves out what was known before, and counts it', async () => {
    expect(await rank('valid', protocol)).toMatchObject({
      ...{ repeats: 'exclude', users: 2, usersLeftOut: 1, targetsLeftOut: 2 },
      // Everything is within ten places: what is left can be found.
      ...{ recall: 1, hit: 1 },
    });
    // Of test, valid is known too: the third user has nothing new.
    expect(await rank('test', protocol)).toMatchObject({ users: 1, usersLeftOut: 2, targetsLeftOut: 3, recall: 1 });
  });

  it('ranks it and looks for it where repeats are allowed', async () => {
    for (const split of ['valid', 'test'] as const) {
      const found = await rank(split, { ...protocol, repeats: 'allow' });
      expect(found).toMatchObject({
        repeats: 'allow',
        users: 3,
        usersLeftOut: 0,
        targetsLeftOut: 0,
        recall: 1,
        hit: 1,
      });
    }
  });

  it('is not always right where repeats are allowed', async () => {
    const hits: (number | null)[] = [];
    for (const seed of [1, 2, 3, 4]) hits.push((await rank('test', { ...protocol, repeats: 'allow', seed }, 1)).hit);
    expect(hits.some((hit) => hit! < 1)).toBe(true);
  });
});

it('never draws what was chosen in the split as a negative, left out or not', async () => {
  // Of 10 items the second user has 2 in train and 2 in test, one of them new: 7 are left.
  expect(() => checkRanking(dataset, 'test', { k: 1, negatives: 7 })).not.toThrow();
  expect(() => checkRanking(dataset, 'test', { k: 1, negatives: 8 })).toThrow(
    /has positives with all but 7 of the 10 items; set it to 7 or fewer/,
  );
  expect(() => checkRanking(dataset, 'test', { k: 1, negatives: 8, repeats: 'allow' })).not.toThrow();
  expect(await rank('test', { negatives: 7 })).toMatchObject({ users: 1, recall: 1 });
});

it('names a rule that there is not', () => {
  const repeats = 'ignore' as unknown as 'allow';
  expect(() => checkRanking(dataset, 'test', { k: 1, repeats })).toThrow(
    /repeats "ignore" is not one of exclude, allow/,
  );
});

it('tells the targets', () => {
  const { targets, known } = rankingTargets(dataset, 'test', 'exclude');
  expect([...targets]).toEqual([[2, [7]]].map(([user, items]) => [user, (items as number[]).map(dense)]));
  expect(known.get(3)).toEqual(new Set([8, 9, 10, 1].map(dense)));
});

/** The dense id of an item. */
function dense(id: number): number {
  return dataset.items.findIndex((item) => item.id === String(id));
}

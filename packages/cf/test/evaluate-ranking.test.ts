/**
 * evaluateRanking against metrics of lists sorted by hand: all items, and sampled negatives; the criterion of a
 * training.
 */
import { buildCsv, type Dataset, memorySource } from '@crossgate/data';
import { rankingMetrics } from '@crossgate/eval';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  AsymmetricSvd,
  CfTrainer,
  checkRanking,
  clickHistories,
  evaluateRanking,
  MatrixFactorization,
  SasRec,
  seenInTrain,
  topItems,
} from '../src';

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  // 9 users with 6 to 8 of 14 items each, all of them positives but every fifth.
  const lines = ['user,item,label,timestamp'];
  for (let user = 0; user < 9; user++) {
    for (let n = 0; n < 6 + (user % 3); n++) {
      lines.push(`u${user},i${(user * 3 + n * 5) % 14},${(user + n) % 5 === 0 ? 0 : 1},${n}`);
    }
  }
  const split = { by: 'ratio', valid: 0.2, test: 0.3, seed: 4 } as const;
  dataset = await buildCsv(memorySource({ 'interactions.csv': lines.join('\n') }), { split });
});
afterAll(() => device.destroy());

/** What is told beside the metrics: nothing repeats here. */
const told = { negatives: null, repeats: 'exclude', usersLeftOut: 0, targetsLeftOut: 0 };

const create = () =>
  MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: 5, initStd: 0.7, seed: 3, biases: true });

const positives = (split: 'train' | 'valid' | 'test', wanted: number) => {
  const { user, item, label } = dataset.splits[split];
  return [...item].filter((_, row) => user[row] === wanted && label[row] === 1);
};

it.each([['valid'], ['test']] as const)('ranks all items but those liked in earlier splits: %s', async (split) => {
  const model = create();
  const { users, items, itemSeen } = { ...(await model.exportEmbeddings()) };
  const bias = (await model.state()).get('item_bias.weight')!.data;
  const ids = [...dataset.users.keys()].slice(1).filter((user) => positives(split, user).length > 0);
  const recommended = ids.map((user) => {
    const known = new Set([...positives('train', user), ...(split === 'test' ? positives('valid', user) : [])]);
    const score = (item: number) =>
      [0, 1, 2, 3, 4].reduce((sum, c) => sum + users[user * 5 + c]! * items[item * 5 + c]!, bias[item]!);
    return [...itemSeen.keys()]
      .filter((item) => itemSeen[item] === 1 && !known.has(item))
      .sort((a, b) => score(b) - score(a))
      .slice(0, 3);
  });
  const relevant = ids.map((user) => positives(split, user));
  const expected = rankingMetrics({ recommended, relevant }, { k: 3, items: dataset.itemCount });
  const found = await evaluateRanking(model, dataset, split, { k: 3 });
  const [trainUsers, trainItems] = [new Set(dataset.splits.train.user), new Set(dataset.splits.train.item)];
  const usersUnknown = ids.filter((user) => !trainUsers.has(user)).length;
  const targetsUnseen = relevant.flat().filter((item) => !trainItems.has(item)).length;
  expect(found).toEqual({ ...told, usersUnknown, targetsUnseen, ...expected });
  expect(found.recall).toBeGreaterThan(0);
  model.release();
});

it('ranks targets among sampled negatives, the same for every call', async () => {
  const model = create();
  const protocol = { k: 1, negatives: 3, seed: 5 };
  const first = await evaluateRanking(model, dataset, 'test', protocol);
  expect(await evaluateRanking(model, dataset, 'test', protocol)).toEqual(first);
  expect(first.users).toBe([...dataset.users.keys()].filter((user) => positives('test', user).length > 0).length);
  const sample = await evaluateRanking(model, dataset, 'test', { ...protocol, users: 4 });
  expect(sample.users).toBe(4);
  // With as many places as candidates nothing can be missed.
  expect((await evaluateRanking(model, dataset, 'test', { ...protocol, k: 14 })).recall).toBe(1);
  await expect(evaluateRanking(model, dataset, 'test', { k: 1, negatives: 14 })).rejects.toThrow(
    /negatives: 14 for each user, but user "u2" has positives with all but 8 of the 14 items; set it to 8 or fewer/,
  );
  expect(() => checkRanking(dataset, 'test', { k: 1, negatives: 14 })).toThrow(/user "u2"/);
  expect(() => checkRanking(dataset, 'test', { k: 1, negatives: 3 })).not.toThrow();
  await expect(evaluateRanking(model, dataset, 'test', { k: 0 })).rejects.toThrow(/k 0/);
  model.release();
});

it('gives a model that reads histories those before the split', async () => {
  const shape = { historyLength: 3, blocks: 1, heads: 1, norm: 'pre' as const, dropout: 0 };
  const model = SasRec.create(device, { ...seenInTrain(dataset), ...shape, cfDim: 4, initStd: 0.5, seed: 2 });
  const all = await evaluateRanking(model, dataset, 'test', { k: 14 });
  // Every candidate is within 14 places: what is missed was liked before or has no train rows.
  expect(all.hit).toBe(1);
  const sampled = await evaluateRanking(model, dataset, 'test', { k: 2, negatives: 2 });
  expect(sampled.users).toBe(all.users);
  model.release();
});

it.each([['H'], ['P']] as const)(
  'gives asymmetric SVD what was disliked too, as where it recommends: %s',
  async (information) => {
    const { train } = dataset.splits;
    const shape = { information, historyLength: 20, levelPrior: 3 };
    const model = AsymmetricSvd.create(device, { ...seenInTrain(dataset), ...shape, train, cfDim: 6, seed: 2 });
    const { user, label, rows } = dataset.splits.valid;
    const first = new Map<number, number>();
    for (let row = rows - 1; row >= 0; row--) if (label[row] === 1) first.set(user[row]!, row);
    const ids = [...first.keys()].sort((a, b) => first.get(a)! - first.get(b)!);
    const histories = clickHistories(dataset, information);
    const recommended: Uint32Array[] = [];
    const history = (id: number, limit: number) => histories.before('valid', first.get(id)!, limit);
    const exclude = (id: number) => positives('train', id);
    for await (const { items } of topItems(model, ids, { count: 2, exclude, history })) recommended.push(items);
    const relevant = ids.map((id) => positives('valid', id));
    const expected = rankingMetrics({ recommended, relevant }, { k: 2, items: dataset.itemCount });
    const usersUnknown = ids.filter((id) => history(id, 20).every((entry) => entry === 0)).length;
    const counts = { ...told, usersUnknown, targetsUnseen: 0 };
    expect(await evaluateRanking(model, dataset, 'valid', { k: 2 })).toEqual({ ...counts, ...expected });
    model.release();
  },
);

it('a training keeps the epoch of the best criterion', async () => {
  const model = create();
  const values = [0.2, 0.9, 0.5];
  const trainer = new CfTrainer(model, dataset.splits, {
    ...{ learningRate: 0.05, weightDecay: 0, batchSize: 8, epochs: 3, patience: 5, warmupEpochs: 0, seed: 1 },
    betas: [0.9, 0.98],
    criterion: async () => values.shift()!,
  });
  const tables: string[] = [];
  const { bestEpoch, bestAuc } = await trainer.run({
    onEpoch: async ({ criterion, epoch }) => {
      expect(criterion).toBe([0.2, 0.9, 0.5][epoch - 1]);
      tables.push((await model.exportEmbeddings()).items.join());
    },
  });
  expect([bestEpoch, bestAuc]).toEqual([2, 0.9]);
  expect((await model.exportEmbeddings()).items.join()).toBe(tables[1]);
  expect(new Set(tables).size).toBe(3);
  trainer.release();
  model.release();
});

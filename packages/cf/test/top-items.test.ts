/** topItems against a full sort of every pair's logit, for every kind of model. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { largest, randomIntegers } from '@crossgate/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type CfModel,
  exportEmbeddings,
  itemBiases,
  LightGcn,
  MatrixFactorization,
  readVectors,
  SasRec,
  topItems,
} from '../src';
import { clicks, itemCount, itemSeen, toyModel, userCount, userSeen } from './toy';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const seen = { userSeen, itemSeen, cfDim: 6, initStd: 0.5, seed: 2 };
const shape = { historyLength: 3, blocks: 1, heads: 2, norm: 'pre' as const, dropout: 0.2 };
const history = (user: number, limit: number) => Int32Array.of(1, 3, 4 + (user % 3)).slice(-limit);

const models: [string, () => CfModel][] = [
  ['mf', () => toyModel(device, 3)],
  ['lightgcn', () => LightGcn.create(device, { ...seen, layers: 2, graph: clicks(20, 5) })],
  ['sasrec', () => SasRec.create(device, { ...seen, ...shape })],
];

it.each(models)('gives the order of a full sort, %s', async (_, create) => {
  const model = create();
  const users = Int32Array.from({ length: userCount }, (_, i) => i + 1);
  const exclude = (user: number) => [user, user + 1];
  for (const batchSize of [2, 100]) {
    let row = 0;
    for await (const { user, items, scores } of topItems(model, users, { count: 4, exclude, history, batchSize })) {
      expect(user).toBe(users[row++]);
      const candidates = Array.from({ length: itemCount }, (_, i) => i + 1).filter(
        (item) => itemSeen[item] === 1 && !exclude(user).includes(item),
      );
      const logits = await model.scorePairs(
        candidates.map(() => user),
        candidates,
        (_, limit) => history(user, limit),
      );
      const order = [...candidates.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, 4);
      // Sums of another order may differ in the last bits, so the logits are compared, not ids of near ties.
      expect(scores).toHaveLength(4);
      order.forEach((candidate, place) => {
        expect(scores[place]).toBeCloseTo(logits[candidate]!, 4);
        expect(scores[place]).toBeCloseTo(logits[candidates.indexOf(items[place]!)]!, 4);
      });
      expect(new Set(items).size).toBe(4);
    }
    expect(row).toBe(userCount);
  }
  const all = topItems(model, [1], { count: 50, history });
  const { items } = (await all.next()).value!;
  expect([...items].sort((a, b) => a - b)).toEqual([...itemSeen.keys()].filter((item) => itemSeen[item] === 1));
  await expect(topItems(model, [1], { count: 0, history }).next()).rejects.toThrow(/count 0/);
  // What an indexOf gives that finds nothing, and an id of the source.
  for (const user of [-1, 'ann' as unknown as number, Number.NaN, 0.5]) {
    await expect(topItems(model, [2, user], { count: 1, history }).next()).rejects.toThrow(
      /user .* at position 1 is not/,
    );
    await expect(model.scorePairs([1], [user], () => history(1, 3))).rejects.toThrow(/item .* at position 0 is not/);
  }
  model.release();
});

it.each(models)('exports vectors whose products are the logits, %s', async (name, create) => {
  const model = create();
  const { users, items, cfDim } = await exportEmbeddings(model, history);
  expect([users.length, items.length]).toEqual([(userCount + 1) * cfDim, (itemCount + 1) * cfDim]);
  expect(users.subarray(0, cfDim).every((value) => value === 0)).toBe(true);
  const [user, item] = [Int32Array.of(3, 9, 4, 1), Int32Array.of(5, 1, 3, 2)];
  const logits = await model.scorePairs(user, item, (row, limit) => history(user[row]!, limit));
  expect(logits[0]).not.toBe(0);
  for (const [row, logit] of logits.entries()) {
    let sum = 0;
    for (let c = 0; c < cfDim; c++) sum += users[user[row]! * cfDim + c]! * items[item[row]! * cfDim + c]!;
    expect(sum).toBeCloseTo(logit, 4);
  }
  if (name === 'sasrec') await expect(exportEmbeddings(model)).rejects.toThrow(/reads histories/);
  // The same in batches, of any ids in any order.
  for (const [kind, ids, all] of [
    ['user', user, users],
    ['item', item, items],
  ] as const) {
    for await (const { ids: given, vectors } of readVectors(model, kind, ids, history)) {
      expect([...given]).toEqual([...ids]);
      // Attention rounds otherwise in a batch of other histories.
      const expected = Array.from(ids).flatMap((id) => [...all.subarray(id * cfDim, (id + 1) * cfDim)]);
      expect(vectors).toHaveLength(expected.length);
      for (const [at, value] of expected.entries()) expect(vectors[at]).toBeCloseTo(value, 5);
    }
  }
  if (name === 'sasrec') await expect(readVectors(model, 'user', user).next()).rejects.toThrow(/reads histories/);
  expect(await itemBiases(model)).toBeNull();
  model.release();
});

it('orders ties by id, exactly as brute force, also where the table takes several bindings', async () => {
  for (const limits of [{}, { maxStorageBufferBindingSize: 1024 }]) {
    const own = await openDevice({ limits });
    const [users, items, cfDim] = [21, 90, 4];
    // Small whole numbers: products are exact in f32, and many are equal.
    const table = (rows: number, seed: number) => ({
      shape: [rows + 1, cfDim],
      data: Float32Array.from(randomIntegers((rows + 1) * cfDim, 3, seed), (value, i) => (i < cfDim ? 0 : value - 1)),
    });
    const flags = (rows: number) => ({
      shape: [rows + 1],
      data: Float32Array.from({ length: rows + 1 }, (_, i) => +(i > 0)),
    });
    const [u, v] = [table(users, 1), table(items, 2)];
    const state = new Map([
      ['user_embedding.weight', u],
      ['item_embedding.weight', v],
      ['user_seen', flags(users)],
      ['item_seen', flags(items)],
    ]);
    const model = MatrixFactorization.fromState(own, state, 'state');
    const exclude = (user: number) => [3 * user, 5, user];
    const ids = Int32Array.from({ length: users }, (_, i) => i + 1);
    let row = 0;
    for await (const { user, items: found, scores } of topItems(model, ids, { count: 9, exclude, batchSize: 8 })) {
      const all = Float64Array.from({ length: items + 1 }, (_, item) => {
        let sum = 0;
        for (let c = 0; c < cfDim; c++) sum += u.data[user * cfDim + c]! * v.data[item * cfDim + c]!;
        return sum;
      });
      const expected = largest(all, 9, (item) => item > 0 && !exclude(user).includes(item));
      expect(user).toBe(ids[row++]);
      expect([...found]).toEqual(expected);
      expect([...scores]).toEqual(expected.map((item) => all[item]));
    }
    expect(row).toBe(users);
    own.destroy();
  }
});

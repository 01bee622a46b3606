/** topItems against a full sort of every pair's logit, for every kind of model. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CfModel, LightGcn, SasRec, topItems } from '../src';
import { clicks, itemCount, itemSeen, toyModel, userCount, userSeen } from './toy';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const seen = { userSeen, itemSeen, cfDim: 6, initStd: 0.5, seed: 2 };
const shape = { historyLength: 3, blocks: 1, heads: 2, norm: 'pre' as const, dropout: 0.2 };
const history = (user: number, limit: number) => Int32Array.of(1, 3, 4 + (user % 3)).slice(-limit);

it.each<[string, () => CfModel]>([
  ['mf', () => toyModel(device, 3)],
  ['lightgcn', () => LightGcn.create(device, { ...seen, layers: 2, graph: clicks(20, 5) })],
  ['sasrec', () => SasRec.create(device, { ...seen, ...shape })],
])('gives the order of a full sort, %s', async (_, create) => {
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
  model.release();
});

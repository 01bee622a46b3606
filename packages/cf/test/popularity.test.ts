/** What is popular, and whether a list is of a user's taste. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  AsymmetricSvd,
  itemPopularity,
  knowsUser,
  LightGcn,
  MatrixFactorization,
  positiveEdges,
  SasRec,
  seenInTrain,
  topItems,
} from '../src';
import { smallDataset } from './small-dataset';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

/** User 1 is of train, user 2 likes something in test alone, user 3 only dislikes there, user 4 likes what nobody has in train. */
const data = () =>
  smallDataset([
    [1, 1, 1, 1, 0],
    [1, 1, 1, 2, 0],
    [1, 2, 1, 3, 0],
    [1, 3, 0, 4, 0],
    [2, 2, 1, 5, 2],
    [3, 3, 0, 6, 2],
    [4, 4, 1, 7, 2],
  ]);

it('counts each user once, in all splits', async () => {
  expect([...itemPopularity(await data())]).toEqual([0, 1, 2, 0, 1]);
});

it('says of a list whether it is personal', async () => {
  const dataset = await data();
  const seen = { ...seenInTrain(dataset), cfDim: 4, initStd: 0.5, seed: 1 };
  const shape = { historyLength: 3, blocks: 1, heads: 1, norm: 'pre' as const, dropout: 0 };
  const { train } = dataset.splits;
  const svd = { information: 'H', historyLength: 5, levelPrior: 3, train } as const;
  for (const [model, personal] of [
    [MatrixFactorization.create(device, seen), [true, false, false, false]],
    [LightGcn.create(device, { ...seen, layers: 1, graph: positiveEdges(dataset) }), [true, false, false, false]],
    [SasRec.create(device, { ...seen, ...shape }), [true, true, false, false]],
    [AsymmetricSvd.create(device, { ...seen, ...svd, cfDim: 4 }), [true, true, false, false]],
    [AsymmetricSvd.create(device, { ...seen, ...svd, cfDim: 4, information: 'P' }), [true, true, true, false]],
  ] as const) {
    const history = model.histories(dataset).latest;
    const found: boolean[] = [];
    for await (const list of topItems(model, [1, 2, 3, 4], { count: 2, history })) found.push(list.personal);
    expect(found).toEqual(personal);
    expect([1, 2, 3, 4].map((user) => knowsUser(model, user, history))).toEqual(personal);
    model.release();
  }
});

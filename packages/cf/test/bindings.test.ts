/** Tables larger than one binding of the device: every model trains to the same values, and ranks the same items. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { expectClose } from '@crossgate/testing';
import { expect, it } from 'vitest';
import { AsymmetricSvd, type CfModel, CfTrainer, LightGcn, MatrixFactorization, SasRec, topItems } from '../src';
import { clicks, userSeen } from './toy';

const bindingLimit = 6144;
/** Items are spread over a table that takes several bindings of that size; so do those of users. */
const spread = 7;
const seen = {
  userSeen: Uint8Array.from({ length: 101 }, (_, user) => userSeen[user / spread] ?? 0),
  itemSeen: Uint8Array.from({ length: 101 }, (_, item) => +(item > 0)),
};
const { rows, user, item, label } = clicks(23, 1);
const train = { rows, user: user.map((id) => spread * id), item: item.map((id) => spread * id), label };
const shape = { ...seen, cfDim: 24, seed: 2 };
const history = (row: number, limit: number) => train.item.slice(0, row % 5).slice(-limit);

const models: Record<string, (device: Device) => CfModel> = {
  mf: (device) => MatrixFactorization.create(device, { ...shape, biases: true }),
  lightgcn: (device) => LightGcn.create(device, { ...shape, layers: 2, graph: train }),
  sasrec: (device) =>
    SasRec.create(device, { ...shape, historyLength: 4, blocks: 1, heads: 2, norm: 'pre', dropout: 0.2 }),
  asvd: (device) =>
    AsymmetricSvd.create(device, { ...shape, information: 'H', historyLength: 4, levelPrior: 5, train }),
};

it.each(Object.entries(models))('%s', async (model, create) => {
  const outcomes: { values: ReadonlyMap<string, Float32Array>; best: number[] }[] = [];
  for (const limits of [{}, { maxStorageBufferBindingSize: bindingLimit }]) {
    const device = await openDevice({ limits });
    const trained = create(device);
    const options = { learningRate: 0.01, weightDecay: 0.03, patience: 9, warmupEpochs: 0, epochs: 2, batchSize: 3 };
    const data = { train, valid: train, history: (_: string, row: number, limit: number) => history(row, limit) };
    await new CfTrainer(trained, data, { ...options, loss: 'bpr', seed: 4 }).run();
    const best: number[] = [];
    for await (const { items } of topItems(trained, [7, 14], { count: 5, history })) best.push(...items);
    outcomes.push({ values: new Map([...(await trained.state())].map(([name, { data }]) => [name, data])), best });
    device.destroy();
  }
  const [usual, low] = outcomes;
  expect(4 * shape.cfDim * seen.itemSeen.length).toBeGreaterThan(bindingLimit);
  expect(low!.best).toEqual(usual!.best);
  for (const [name, values] of usual!.values) {
    // Propagation adds up a part of the table at a time, hence in another order.
    const tolerance = model === 'lightgcn' ? { relative: 1e-5, absolute: 1e-6 } : { relative: 0, absolute: 0 };
    expectClose(low!.values.get(name)!, values, { ...tolerance, label: name });
  }
});

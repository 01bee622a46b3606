/** Users who like every item have no negatives, and those who like nearly every item only the few that are left. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CfTrainer, type CfTrainerOptions, MatrixFactorization, SasRec, seenInTrain } from '../src';
import { DeviceBatches } from '../src/device-batches';
import { hasNegatives, negativePool } from '../src/negative-pool';
import { TrainSequences } from '../src/sequence-loss';
import { type Row, smallDataset } from './small-dataset';

const items = 300;
let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

/** Some like everything, the second twice over; some all but the last; some two items. */
function shop(everything: number, nearly: number, few: number) {
  const rows: Row[] = [];
  const like = (user: number, count: number) => {
    for (let item = 1; item <= count; item++) rows.push([user, item, 1, item, 0]);
  };
  let user = 1;
  for (let n = 0; n < everything; n++, user++) for (let time = 0; time <= n % 2; time++) like(user, items);
  for (let n = 0; n < nearly; n++) like(user++, items - 1);
  for (let n = 0; n < few; n++) like(user++, 2);
  rows.push([user, items, 0, 1, 0], [user, 1, 1, 1, 1], [user, 2, 0, 1, 1]);
  return smallDataset(rows);
}

const options: CfTrainerOptions = {
  ...{ learningRate: 0.01, weightDecay: 0, batchSize: 64, epochs: 1, patience: 1, warmupEpochs: 0 },
  seed: 2,
};

it('counts an item once that was chosen twice, and no item that is not seen', async () => {
  const dataset = await shop(2, 1, 1);
  const { itemSeen } = seenInTrain(dataset);
  const pool = negativePool(itemSeen, dataset.splits.train);
  expect([1, 2, 3, 4].map((user) => hasNegatives(pool, user))).toEqual([false, false, true, true]);
  expect(pool.offsets.slice(0, 6)).toEqual(Uint32Array.of(0, 0, items, 2 * items, 3 * items - 1, 3 * items + 1));
  itemSeen[items] = 0;
  expect(hasNegatives(negativePool(itemSeen, dataset.splits.train), 3)).toBe(false);
});

describe.each(['bpr', 'sampled-bce', 'sequence-bce'] as const)('%s', (loss) => {
  const create = (dataset: Awaited<ReturnType<typeof shop>>) => {
    const seen = { ...seenInTrain(dataset), cfDim: 4, initStd: 0.1, seed: 1 };
    const shape = { historyLength: 400, blocks: 1, heads: 1, norm: 'pre' as const, dropout: 0 };
    const model =
      loss === 'sequence-bce' ? SasRec.create(device, { ...seen, ...shape }) : MatrixFactorization.create(device, seen);
    const data = { ...dataset.splits, history: model.histories(dataset).before };
    return { model, data };
  };

  it('leaves out who likes everything, as if they had no rows there', async () => {
    const { model, data } = create(await shop(2, 1, 3));
    const trainer = new CfTrainer(model, data, { ...options, loss });
    expect(trainer.usersLeftOut).toBe(2);
    await trainer.runEpoch();
    if (loss !== 'sequence-bce') {
      const { userSeen } = model;
      expect(userSeen[1]).toBe(1);
      // Without decay nothing moves a vector that has no part in the loss.
      const table = (await model.state()).get('user_embedding.weight')!.data;
      const fresh = create(await shop(2, 1, 3)).model;
      const start = (await fresh.state()).get('user_embedding.weight')!.data;
      const moved = (user: number) => [0, 1, 2, 3].some((c) => table[user * 4 + c] !== start[user * 4 + c]);
      expect([1, 2, 3, 4, 5, 6].map(moved)).toEqual([false, false, true, true, true, true]);
      fresh.release();
    }
    const other = create(await shop(0, 1, 3));
    const without = new CfTrainer(other.model, other.data, { ...options, loss });
    expect(without.usersLeftOut).toBe(0);
    const state = await trainer.state();
    expect(JSON.parse(state.metadata.settings!)).toMatchObject({ usersLeftOut: 2 });
    for (const each of [trainer, without, model, other.model]) each.release();
  });

  it('says so where nobody is left', async () => {
    const { model, data } = create(await shop(2, 0, 0));
    expect(() => new CfTrainer(model, data, { ...options, loss })).toThrow(
      new RegExp(
        `^cf\\.loss: every user .* all 300 items there, so ${loss} has no negatives to sample; learn from labels`,
      ),
    );
    expect(device.memory.report().persistent).toEqual(expect.not.objectContaining({ interactions: expect.anything() }));
    model.release();
  });
});

it('draws the one item that is left, on the device and in sequences', async () => {
  const dataset = await shop(0, 2, 1);
  const { train } = dataset.splits;
  const { itemSeen } = seenInTrain(dataset);
  const columns = {
    user: Uint32Array.from(train.user),
    item: Uint32Array.from(train.item),
    label: Float32Array.from(train.label),
  };
  const batches = new DeviceBatches(device, columns, {
    ...{ batchSize: 100, seed: 1, userGradients: true },
    negatives: { itemSeen, known: train },
  });
  for (const { users, negatives } of batches.epoch(0)) {
    const [ids, drawn] = [await users.indices.readIntegers(), await negatives!.indices.readIntegers()];
    ids.forEach((user, place) => {
      if (user <= 2) expect(drawn[place]).toBe(items);
    });
  }
  batches.release();
  const shape = { historyLength: 400, blocks: 1, heads: 1, norm: 'pre' as const, dropout: 0 };
  const model = SasRec.create(device, { ...seenInTrain(dataset), ...shape, cfDim: 4, seed: 1 });
  const sequences = new TrainSequences(model, { ...dataset.splits, history: model.histories(dataset).before }, 1);
  const { negatives } = sequences.batch([...sequences.rows].slice(0, 2), 'a');
  expect(new Set(negatives)).toEqual(new Set([items]));
  model.release();
});

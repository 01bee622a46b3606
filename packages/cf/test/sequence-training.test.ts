/** SASRec trained on whole sequences: what a batch holds, learning, resuming to the same bits, refusals. */
import { buildCsv, type Dataset, memorySource } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CfTrainer, type CfTrainerOptions, MatrixFactorization, SasRec, seenInTrain, sequenceLoss } from '../src';
import { TrainSequences } from '../src/sequence-loss';

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  // Each user walks around a ring of 12 items from a start of their own: the next item can be known.
  const lines = ['user,item,label,timestamp'];
  for (let user = 0; user < 20; user++) {
    const length = user === 0 ? 3 : 5 + (user % 6);
    for (let n = 0; n < length; n++) lines.push(`u${user},i${(user * 5 + n) % 12},1,${n}`);
  }
  const split = { by: 'leave-one-out' } as const;
  dataset = await buildCsv(memorySource({ 'interactions.csv': lines.join('\n') }), { split });
});
afterAll(() => device.destroy());

const shape = { historyLength: 5, blocks: 1, heads: 1, norm: 'pre' as const, dropout: 0.1 };
const create = () => SasRec.create(device, { ...seenInTrain(dataset), ...shape, cfDim: 8, initStd: 0.1, seed: 2 });
const data = () => ({ ...dataset.splits, history: dataset.history.bind(dataset) });
const options: CfTrainerOptions = {
  ...{
    loss: 'sequence-bce',
    learningRate: 0.02,
    weightDecay: 0,
    batchSize: 8,
    epochs: 6,
    patience: 6,
    warmupEpochs: 0,
  },
  // All rows are positives: there is no AUC.
  criterion: 'last',
  seed: 3,
};

it('takes each user’s train sequence once, with what comes next and items that do not', () => {
  const model = create();
  const sequences = new TrainSequences(model, data(), 1);
  // User u0 has one train row, and nothing to guess from it.
  expect(sequences.rows).toHaveLength(19);
  const { user, item } = dataset.splits.train;
  const batch = sequences.batch(sequences.rows, 'a');
  expect(batch.next).toHaveLength(sequences.tokens);
  let token = 0;
  batch.sequences.forEach((sequence, index) => {
    const own = [...item].filter((_, row) => user[row] === user[sequences.rows[index]!]);
    expect([...sequence]).toEqual(own.slice(-6, -1));
    expect([...batch.next.subarray(token, token + sequence.length)]).toEqual(own.slice(-sequence.length));
    for (const negative of batch.negatives.subarray(token, token + sequence.length)) {
      expect(negative).toBeGreaterThan(0);
      expect(own).not.toContain(negative);
    }
    token += sequence.length;
  });
  expect(sequences.batch(sequences.rows, 'a').negatives).toEqual(batch.negatives);
  expect(sequences.batch(sequences.rows, 'b').negatives).not.toEqual(batch.negatives);
  model.release();
});

it('learns, and goes on from a state to the same bits', async () => {
  const losses: number[] = [];
  const [whole, part] = [create(), create()];
  const unbroken = new CfTrainer(whole, data(), options);
  for (let epoch = 0; epoch < options.epochs; epoch++) losses.push((await unbroken.runEpoch()).loss);
  // At the start every logit is about 0, hence twice log 2.
  expect(losses[0]).toBeGreaterThan(1);
  expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
  const first = new CfTrainer(part, data(), options);
  await first.runEpoch();
  const state = await first.state();
  first.release();
  const second = new CfTrainer(part, data(), options);
  second.restore(state, 'the state');
  while (second.stopped === null) await second.runEpoch();
  expect(await part.state()).toEqual(await whole.state());
  second.release();
  unbroken.release();
  part.release();
  whole.release();
});

it('is for SASRec, and for users with two positives', async () => {
  const mf = MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: 4, seed: 1 });
  expect(() => new CfTrainer(mf, data(), options)).toThrow(/sequence-bce is for SASRec, not mf/);
  mf.release();
  const single = await buildCsv(memorySource({ 'interactions.csv': 'user,item,label,timestamp\na,p,1,1\nb,q,1,2\n' }), {
    split: { by: 'leave-one-out' },
  });
  const model = SasRec.create(device, { ...seenInTrain(single), ...shape, cfDim: 8, seed: 2 });
  const rows = { ...single.splits, history: single.history.bind(single) };
  expect(() => new CfTrainer(model, rows, options)).toThrow(/no user has two positives in train/);
  model.release();
});

it('refuses sequences that do not fit', () => {
  const model = create();
  using _ = device.step();
  const one = Uint32Array.of(1);
  const batch = (sequence: number[]) => ({ sequences: [Int32Array.from(sequence)], next: one, negatives: one });
  expect(() => sequenceLoss(model, batch([]))).toThrow(/1 next items and 1 negatives for 0 positions/);
  const empty = new Uint32Array(0);
  expect(() => sequenceLoss(model, { sequences: [new Int32Array(0)], next: empty, negatives: empty })).toThrow(
    /sequence 0 has 0 items, expected 1 to 5/,
  );
  const long = new Uint32Array(6).fill(1);
  expect(() => sequenceLoss(model, { sequences: [Int32Array.from(long)], next: long, negatives: long })).toThrow(
    /sequence 0 has 6 items/,
  );
  model.release();
});

/** Asymmetric SVD: vectors and gradients against float64, histories with labels, spectral vectors, states, refusals. */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { encodeState, memorySource, parseState, readGroup, Tape, writeGroup } from '@crossgate/tensor';
import { expectClose, finiteDifference, softplus } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AsymmetricSvd,
  CfTrainer,
  cfModelFromState,
  clickHistories,
  type LevelUpdates,
  positiveHistories,
  spectralVectors,
} from '../src';
import { smoothedMeans } from '../src/baselines';
import { cfLoss } from '../src/losses';
import { smallDataset } from './small-dataset';
import { clicks, itemCount, itemSeen, userSeen } from './toy';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const cfDim = 7;
const rows = clicks(61, 5);
const shape = { information: 'H', historyLength: 4, levelPrior: 3 } as const;
const options = { userSeen, itemSeen, cfDim, train: rows, seed: 3, ...shape };

/** Lengths 0 to 6 of a window of 4; of every third all are positives; 2 and 13 are unseen items. */
const histories = Array.from({ length: rows.rows }, (_, row) => {
  const entries = Array.from({ length: row % 7 }, (_, j) => (1 + ((row * 5 + j * 3) % itemCount)) * (j % 2 ? -1 : 1));
  if (row % 3 === 0) return Int32Array.from(entries, Math.abs);
  const positives = row % 3 === 1 ? [1 + (row % itemCount), 3] : [];
  return Int32Array.from([...entries, 0, ...positives]);
});

/** What the class says of a user's vector, in float64. */
function userVector(history: Int32Array, factors: Float64Array, updates: LevelUpdates = 'every'): Float64Array {
  const mean = smoothedMeans(rows.item, rows.label, itemCount, 5);
  const at = history.indexOf(0);
  const kept = [...history.entries()].filter(([, entry]) => entry !== 0).slice(-shape.historyLength);
  const labelled = kept.filter(([place]) => place < at);
  const residual = (entry: number) => (entry > 0 ? 1 : 0) - mean[Math.abs(entry)]!;
  const sum = labelled.reduce((total, [, entry]) => total + residual(entry), 0);
  const vector = new Float64Array(cfDim);
  vector[0] = 1;
  const known =
    updates === 'every' || labelled.length === 0 ? labelled.length : 2 ** Math.floor(Math.log2(labelled.length));
  const level = labelled.slice(0, known).reduce((total, [, entry]) => total + residual(entry), 0);
  vector[1] = (4 * level) / (known + shape.levelPrior);
  for (const [place, entry] of kept) {
    const weight = place < at ? residual(entry) - sum / (labelled.length + 2) : 0.4;
    for (let c = 2; c < cfDim; c++) {
      vector[c]! += (weight / Math.sqrt(kept.length + 5)) * factors[Math.abs(entry) * cfDim + c]!;
    }
  }
  return vector;
}

interface Trained {
  readonly factors: Float64Array;
  readonly bias: Float64Array;
  readonly scale: Float64Array;
  readonly common: Float64Array;
}

async function trained(): Promise<{ model: AsymmetricSvd; values: Trained }> {
  const model = AsymmetricSvd.create(device, options);
  const state = await readGroup(model.group);
  for (const { data } of state.values()) data.set(data.map((value, i) => value + Math.sin(i * 1.7) / 3));
  const bias = state.get('item_bias.weight')!.data;
  bias.set(bias.map((value, i) => value * itemSeen[i]!));
  writeGroup(model.group, state, 'test');
  const whole = await model.state();
  const read = (name: string) => Float64Array.from(whole.get(name)!.data);
  const values = {
    factors: read('asvd.factors'),
    bias: read('item_bias.weight'),
    scale: read('item_scale.weight'),
    common: read('common_bias.weight'),
  };
  return { model, values };
}

/** v = f + s ⊙ f + [b + c · f, 0, …]. */
function itemVector(item: number, { factors, bias, scale, common }: Trained): Float64Array {
  const row = factors.subarray(item * cfDim, (item + 1) * cfDim);
  const vector = row.map((value, c) => value * (1 + scale[c]!));
  vector[0]! += bias[item]! + row.reduce((sum, value, c) => sum + value * common[c]!, 0);
  return vector;
}

function logits(values: Trained): Float64Array {
  return Float64Array.from(histories, (history, row) => {
    const item = itemVector(rows.item[row]!, values);
    return userVector(history, values.factors).reduce((sum, value, c) => sum + value * item[c]!, 0);
  });
}

describe('AsymmetricSvd', () => {
  it('makes users of their histories and items of their factors, as float64 does', async () => {
    const { model, values } = await trained();
    const vectors = async () => {
      using _ = device.step();
      return model.userVectors(Uint32Array.from(rows.user), histories).read();
    };
    const expected = histories.flatMap((history) => [...userVector(history, values.factors)]);
    expectClose(await vectors(), Float64Array.from(expected), { absolute: 2e-6, label: 'users' });
    const scores = await model.scorePairs(rows.user, rows.item, (row) => histories[row]!);
    expectClose(scores, logits(values), { absolute: 1e-5, label: 'logits' });
    using _ = device.step();
    const all = await model
      .scorer({ users: Uint32Array.from(rows.user.subarray(0, 5)), histories: histories.slice(0, 5) })
      .allLogits()
      .read();
    for (let row = 0; row < 5; row++) {
      const at = row * (itemCount + 1);
      expect(all[at + rows.item[row]!]).toBeCloseTo(scores[row]!, 4);
      expect(all[at + 13]).toBeLessThan(-1e29);
    }
    expect([...(await model.itemVectors(Uint32Array.of(0, 2, 13)).read())]).toEqual(new Array(3 * cfDim).fill(0));
    model.release();
    expect(device.memory.report().persistent).toEqual({});
  });

  it('holds the level between doublings where it is told to, and when it is loaded again', async () => {
    const model = AsymmetricSvd.create(device, { ...options, levelUpdates: 'doublings' });
    const state = await model.state();
    const loaded = AsymmetricSvd.fromState(device, state, 'test');
    const factors = Float64Array.from(state.get('asvd.factors')!.data);
    const expected = histories.flatMap((history) => [...userVector(history, factors, 'doublings')]);
    const every = histories.flatMap((history) => [...userVector(history, factors)]);
    expect(expected.filter((value, i) => value !== every[i]).length).toBeGreaterThan(0);
    for (const of of [model, loaded]) {
      using _ = device.step();
      const vectors = await of.userVectors(Uint32Array.from(rows.user), histories).read();
      expectClose(vectors, Float64Array.from(expected), { absolute: 2e-6, label: 'users' });
      of.release();
    }
  });

  it('has the gradient of finite differences', async () => {
    const { model, values } = await trained();
    const loss = (changed: Partial<Trained>) =>
      logits({ ...values, ...changed }).reduce((sum, x, row) => sum + softplus(x) - rows.label[row]! * x, 0) /
      rows.rows;
    model.group.trainable = true;
    {
      using _ = device.step();
      model.group.zeroGradients();
      using tape = new Tape();
      tape.record(() =>
        cfLoss(model, 'bce', {
          users: { users: Uint32Array.from(rows.user), histories },
          items: Uint32Array.from(rows.item),
          labels: Float32Array.from(rows.label),
          negatives: null,
        }),
      );
      tape.backward();
      for (const [key, name] of [
        ['bias', 'item_bias.weight'],
        ['scale', 'item_scale.weight'],
        ['common', 'common_bias.weight'],
      ] as const) {
        const gradient = new Float32Array(await device.recorder.read(model.group.get(name).gradient));
        const expected = finiteDifference((changed) => loss({ [key]: changed }), values[key]);
        expectClose(gradient, expected, { absolute: 2e-6, label: name });
      }
    }
    model.release();
  });

  it('learns, keeps unseen items at zero, and comes back from its state to the same bits', async () => {
    const model = AsymmetricSvd.create(device, { ...options, information: 'P' });
    const history = (_: 'train' | 'valid', row: number) => histories[row]!;
    const trainer = new CfTrainer(
      model,
      { train: rows, valid: rows, history },
      {
        ...{ learningRate: 0.05, weightDecay: 1e-3, batchSize: 16, epochs: 12, patience: 12, warmupEpochs: 0, seed: 2 },
      },
    );
    const first = await trainer.runEpoch();
    let last = first;
    while (trainer.stopped === null) last = await trainer.runEpoch();
    expect(last.loss).toBeLessThan(0.95 * first.loss);
    trainer.release();
    const state = await model.state();
    const parts: Uint8Array[] = [];
    for await (const part of encodeState(state)) parts.push(part.slice());
    const file = await parseState(memorySource('cf.safetensors', Buffer.concat(parts)));
    const again = cfModelFromState(device, file.state, 'cf.safetensors');
    expect([again.name, again instanceof AsymmetricSvd && again.information]).toEqual(['asvd', 'P']);
    const score = (of: typeof again) => of.scorePairs(rows.user, rows.item, (row) => histories[row]!);
    expect(await score(again)).toEqual(await score(model));
    const bias = state.get('item_bias.weight')!.data;
    expect([bias[0], bias[2], bias[13]]).toEqual([0, 0, 0]);
    state.set('common_bias.weight', { shape: [2], data: new Float32Array(2) });
    expect(() => cfModelFromState(device, state, 'x')).toThrow(
      /x: "common_bias.weight" has shape \[2\], expected \[1, 7\]/,
    );
    model.release();
    again.release();
  });

  it('refuses what it cannot read', async () => {
    expect(() => AsymmetricSvd.create(device, { ...options, cfDim: 2 })).toThrow(/cfDim 2 is below 3/);
    expect(() => AsymmetricSvd.create(device, { ...options, levelPrior: 0 })).toThrow(/levelPrior 0/);
    const model = AsymmetricSvd.create(device, options);
    using _ = device.step();
    expect(() => model.userVectors(Uint32Array.of(1))).toThrow(/1 rows need as many histories, got none/);
    expect(() => model.userVectors(Uint32Array.of(1), [Int32Array.of(3, -14)])).toThrow(
      /names item 14, the last is 13/,
    );
    model.release();
  });
});

it('finds the directions in which items are clicked together, and nothing for items without clicks', () => {
  // Two kinds of users and of items; item 9 is never clicked.
  const [user, item]: number[][] = [[], []];
  for (let u = 1; u <= 12; u++) {
    for (let i = 1; i <= 8; i++) {
      if ((u + i) % 2 !== 0 || (u * i) % 5 === 1) continue;
      user!.push(u);
      item!.push(i);
    }
  }
  const columns = { rows: user!.length, user: Int32Array.from(user!), item: Int32Array.from(item!) };
  const width = 3;
  const vectors = spectralVectors(columns, 10, width, 1);
  const product = (a: number, b: number) =>
    [0, 1, 2].reduce((sum, c) => sum + vectors[a * width + c]! * vectors[b * width + c]!, 0);
  const lengthOf = (i: number) => Math.sqrt(product(i, i));
  expect(product(1, 3) / (lengthOf(1) * lengthOf(3))).toBeGreaterThan(0.3);
  expect(product(1, 2) / (lengthOf(1) * lengthOf(2))).toBeLessThan(-0.3);
  const of3 = item!.filter((i) => i === 3).length;
  expect(lengthOf(3)).toBeCloseTo(Math.sqrt(of3 / (of3 + 3)), 1);
  expect(product(9, 9) + product(0, 0)).toBe(0);
  expect(spectralVectors(columns, 10, width, 1)).toEqual(vectors);
});

describe('clickHistories', () => {
  // One user; two items of one second.
  let dataset: Dataset;
  beforeAll(async () => {
    dataset = await smallDataset([
      [1, 1, 1, 10, 0],
      [1, 2, 0, 20, 0],
      [1, 3, 1, 30, 0],
      [1, 4, 0, 30, 0],
      [1, 5, 1, 40, 1],
      [1, 6, 0, 50, 1],
      [1, 7, 1, 60, 2],
      [1, 8, 1, 70, 2],
    ]);
  });
  const read = (information: 'H' | 'P', split: 'train' | 'valid' | 'test', row: number, limit?: number) => [
    ...clickHistories(dataset, information).before(split, row, limit),
  ];

  it('tells labels of train, and of what came later positives alone, to H', () => {
    expect(read('H', 'train', 0)).toEqual([0]);
    expect(read('H', 'train', 2)).toEqual([1, -2, 0]);
    expect(read('H', 'train', 3)).toEqual([1, -2, 0]);
    expect(read('H', 'test', 1)).toEqual([1, -2, 3, -4, 0, 5, 7]);
    expect(read('H', 'test', 1, 3)).toEqual([-4, 0, 5, 7]);
    expect(read('H', 'test', 1, 1)).toEqual([0, 7]);
    expect([...clickHistories(dataset, 'H').latest(1)]).toEqual([1, -2, 3, -4, 0, 5, 7, 8]);
  });

  it('tells the labels of all earlier seconds to P', () => {
    expect(read('P', 'train', 3)).toEqual([1, -2, 0]);
    expect(read('P', 'test', 1)).toEqual([1, -2, 3, -4, 5, -6, 7, 0]);
    expect(read('P', 'test', 1, 2)).toEqual([-6, 7, 0]);
    expect([...clickHistories(dataset, 'P').latest(1, 2)]).toEqual([7, 8, 0]);
  });

  it('gives other models the positives', () => {
    expect([...positiveHistories(dataset).before('test', 1, 2)]).toEqual([5, 7]);
    expect([...positiveHistories(dataset).latest(1, 2)]).toEqual([7, 8]);
    expect([...clickHistories(dataset, 'P').before('test', 0)]).toEqual([1, -2, 3, -4, 5, -6, 0]);
  });
});

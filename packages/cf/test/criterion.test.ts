/** What the epoch is chosen by: a criterion that is defined, or none; one that is not is refused. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CfTrainer, type CfTrainerOptions } from '../src';
import { clicks, tablesOf, toyModel } from './toy';

const options: CfTrainerOptions = {
  ...{ learningRate: 0.01, weightDecay: 0.03, batchSize: 8, epochs: 4, patience: 1, warmupEpochs: 0 },
  seed: 21,
};
const train = clicks(35, 5);
const valid = clicks(40, 8, false);
const ofClass = (label: 0 | 1) => ({ ...valid, label: new Uint8Array(40).fill(label) });

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

it.each([
  [1, 'positives'],
  [0, 'negatives'],
] as const)('refuses validation rows of label %i alone before it trains', (label, words) => {
  const model = toyModel(device, 2);
  expect(() => new CfTrainer(model, { train, valid: ofClass(label) }, options)).toThrow(
    new RegExp(`^valid has only ${words}: the AUC .* is not defined; give a criterion, .* 'last'`),
  );
  model.release();
  expect(device.memory.report().persistent).toEqual({});
});

it('chooses none where it is told to keep the last', async () => {
  const model = toyModel(device, 2);
  for (const data of [
    { train, valid: ofClass(1) },
    { train, valid },
  ]) {
    const trainer = new CfTrainer(model, data, { ...options, criterion: 'last' });
    const reports: unknown[] = [];
    const result = await trainer.run({ onEpoch: ({ criterion, bestAuc }) => void reports.push(criterion ?? bestAuc) });
    expect(result).toEqual({ epoch: 4, steps: 20, bestEpoch: 4, bestAuc: null, stopped: 'epochs' });
    expect(reports).toEqual([null, null, null, null]);
    trainer.release();
  }
  const [before, trainer] = [await tablesOf(model), new CfTrainer(model, { train, valid }, options)];
  await trainer.runEpoch();
  expect(await tablesOf(model)).not.toEqual(before);
  trainer.release();
  model.release();
});

it('refuses a criterion that gives nothing', async () => {
  const model = toyModel(device, 2);
  const trainer = new CfTrainer(model, { train, valid }, { ...options, criterion: async () => null });
  await expect(trainer.run()).rejects.toThrow(/^epoch 1: the criterion that chooses the epoch is not defined/);
  trainer.release();
  model.release();
});

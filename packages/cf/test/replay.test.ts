/** Epochs after the first replay the steps of the first: to the bits of a training that records them all. */
import { type Device, Program } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { CfTrainer, type CfTrainerOptions } from '../src';
import { clicks, tablesOf, toyModel } from './toy';

const data = { train: clicks(35, 5), valid: clicks(40, 8, false) };

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => device.destroy());

/** Reports of four epochs with a warm-up and a cosine, and the values at the end. */
async function train(changes: Partial<CfTrainerOptions>) {
  const settings = { learningRate: 0.01, weightDecay: 0.03, batchSize: 8, epochs: 4, patience: 100, seed: 21 };
  const schedule = { warmupEpochs: 0, warmupSteps: 3, schedule: 'cosine' } as const;
  const model = toyModel(device, 2);
  const trainer = new CfTrainer(model, data, { ...settings, ...schedule, ...changes });
  const reports: object[] = [];
  await trainer.run({ onEpoch: ({ seconds, ...report }) => void reports.push(report) });
  const tables = await tablesOf(model);
  trainer.release();
  model.release();
  return { reports, tables };
}

it.each([
  { loss: 'bce', batches: 5 },
  { loss: 'sampled-bce', batches: 3 },
  { loss: 'bpr', batches: 3 },
] as const)('$loss', async ({ loss, batches }) => {
  const replay = vi.spyOn(Program.prototype, 'replay');
  const replayed = await train({ loss });
  expect(replay).toHaveBeenCalledTimes(3 * batches);
  const capture = device.capture.bind(device);
  vi.spyOn(device, 'capture').mockImplementation((record) => {
    const program = capture(record);
    program[Symbol.dispose]();
    return program;
  });
  expect(await train({ loss })).toEqual(replayed);
  expect(replay).toHaveBeenCalledTimes(3 * batches);
});

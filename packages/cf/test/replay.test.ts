/** Epochs after the first replay the steps of the first: to the bits of a training that records them all. */
import { type Device, Program } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { readGroup } from '@crossgate/tensor';
import { recordAll } from '@crossgate/testing';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type CfModel, CfTrainer, type CfTrainerOptions, LightGcn } from '../src';
import { clicks, toyModel } from './toy';

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
async function train(changes: Partial<CfTrainerOptions>, create: () => CfModel = () => toyModel(device, 2)) {
  const settings = { learningRate: 0.01, weightDecay: 0.03, batchSize: 8, epochs: 4, patience: 100, seed: 21 };
  const schedule = { warmupEpochs: 0, warmupSteps: 3, schedule: 'cosine' } as const;
  const model = create();
  const trainer = new CfTrainer(model, data, { ...settings, ...schedule, ...changes });
  const reports: object[] = [];
  await trainer.run({ onEpoch: ({ seconds, ...report }) => void reports.push(report) });
  const tables = await readGroup(model.group);
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
  using _ = recordAll(device);
  expect(await train({ loss })).toEqual(replayed);
  expect(replay).toHaveBeenCalledTimes(3 * batches);
});

it('captures again what ended since memory was short, and nothing where the step uses the host', async () => {
  const replay = vi.spyOn(Program.prototype, 'replay');
  const expected = await train({});
  replay.mockClear();
  const capture = device.capture.bind(device);
  let captured = 0;
  const spy = vi.spyOn(device, 'capture').mockImplementation((record) => {
    // Memory is short in the second step, while it is captured.
    if (captured++ !== 1) return capture(record);
    return capture(() => {
      device.recorder.endPrograms();
      return record();
    });
  });
  expect(await train({})).toEqual(expected);
  // The first two of five steps are captured again in the second epoch.
  expect([captured, replay.mock.calls.length]).toEqual([7, 20 - 7]);
  captured = 0;
  const inputs = device.memory.persistent(4, 'inputs');
  spy.mockImplementation((record) => {
    captured++;
    return capture(() => {
      device.recorder.write(inputs, Float32Array.of(1));
      return record();
    });
  });
  expect(await train({})).toEqual(expected);
  expect(captured).toBe(1);
  device.memory.free(inputs);
});

it('bce of LightGCN, whose steps propagate the tables', async () => {
  const toy = toyModel(device, 2);
  const { userSeen, itemSeen } = toy;
  toy.release();
  const graph = { user: data.train.user, item: data.train.item };
  const options = { userSeen, itemSeen, cfDim: 2, layers: 2, graph, initStd: 0.5, seed: 4 };
  const create = () => LightGcn.create(device, options);
  const replay = vi.spyOn(Program.prototype, 'replay');
  const replayed = await train({}, create);
  expect(replay).toHaveBeenCalledTimes(15);
  using _ = recordAll(device);
  expect(await train({}, create)).toEqual(replayed);
});

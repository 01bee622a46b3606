// Trainings that replay captured steps: the bits of those that record every step, also when they are continued.
import type { Dataset } from '@crossgate/data';
import { type Device, Program } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { recordAll } from '@crossgate/testing';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { Method, StepReport, TrainerOptions, TrainerState } from '../src';
import { ccf, softprompt, tallrec, trainHybrid } from '../src';
import { tinyDataset } from './tiny';
import { defaultSettings, hashModel, tinySystem, trainerOptions } from './training';

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => device.destroy());

/** Both stages, three epochs of two whole batches and a short one each. */
const settings = {
  ...defaultSettings,
  rows: 10,
  epochs: 3,
  clipNorm: 0.5,
  warmupSteps: 2,
  schedule: 'cosine',
  minLearningRate: 1e-3,
} as const;

async function train(changes: Partial<TrainerOptions>, method: Method = ccf, cf: 'mf' | 'lightgcn' = 'mf') {
  const system = await tinySystem(device, dataset, method, 1, cf);
  const steps: StepReport[] = [];
  const states: TrainerState[] = [];
  const replay = vi.spyOn(Program.prototype, 'replay');
  const before = replay.mock.calls.length;
  const best = await trainHybrid(
    trainerOptions(system, dataset, method, {
      settings: { stage1: settings, stage2: settings },
      cfDropout: { items: 0.3, users: 0.3 },
      validRows: 10,
      replay: true,
      onStep: (report) => steps.push(report),
      onCheckpoint: async (state) => void states.push(state),
      ...changes,
    }),
  );
  const model = await hashModel(system.model);
  system.release();
  return { outcome: { auc: best?.auc, steps, model }, states, replays: replay.mock.calls.length - before };
}

it.each([{}, { activations: 'f16' }] as const)('with %j', async (changes) => {
  const { outcome, states, replays } = await train(changes);
  // Two shapes in each stage, a whole batch and a short one, are captured.
  expect(outcome.steps).toHaveLength(18);
  expect(replays).toBe(18 - 2 * 2);
  const middle = states.find(({ stage, step }) => stage === 1 && step === 3)!;
  const resumed = await train({ ...changes, resume: middle });
  expect(resumed.outcome).toEqual({ ...outcome, steps: outcome.steps.slice(12) });
  using _ = recordAll(device);
  const recorded = await train(changes);
  expect(recorded.outcome).toEqual(outcome);
  expect(recorded.replays).toBe(0);
});

it.each([softprompt, tallrec])('of the method $name', async (method) => {
  const { outcome, replays } = await train({}, method);
  // Four shapes of nine batches are captured.
  expect(replays).toBe(5);
  using _ = recordAll(device);
  expect((await train({}, method)).outcome).toEqual(outcome);
});

it.each([true, false])('on LightGCN, trained: %s', async (trainCf) => {
  const dispatch = vi.spyOn(device.recorder, 'dispatch');
  const capture = device.capture.bind(device);
  const propagations: number[] = [];
  const spy = vi.spyOn(device, 'capture').mockImplementation((record) => {
    dispatch.mockClear();
    const program = capture(record);
    const kernels = dispatch.mock.calls.map(([{ declaration }]) => declaration.name);
    propagations.push(kernels.filter((name) => name === 'sparse-propagation').length);
    return program;
  });
  const { outcome, replays } = await train({ trainCf }, ccf, 'lightgcn');
  // Replays propagate tables only where these change, in the second stage: two layers to both sides, and back.
  expect(propagations).toEqual([0, 0, ...(trainCf ? [8, 8] : [0, 0])]);
  spy.mockRestore();
  dispatch.mockRestore();
  expect(replays).toBe(18 - 2 * 2);
  using _ = recordAll(device);
  expect((await train({ trainCf }, ccf, 'lightgcn')).outcome).toEqual(outcome);
});

it('drops the vectors that steps without padding drop', async () => {
  const [padded, plain] = [await train({}), await train({ replay: false })];
  expect(plain.replays).toBe(0);
  const lossesOf = ({ outcome }: typeof padded) => outcome.steps.map(({ loss }) => loss!);
  for (const [i, loss] of lossesOf(padded).entries()) expect(loss).toBeCloseTo(lossesOf(plain)[i]!, 4);
});

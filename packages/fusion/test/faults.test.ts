/**
 * Trainings that fail in the middle: nothing of a step stays behind, nothing spoiled is kept, and going on gives the
 * same bits.
 */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { DeviceLostError } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { Adam, firstNonFinite } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ccf, NonFiniteLossError, type StageSettings, scoreRows, type TrainerState, trainHybrid } from '../src';
import { tinyDataset } from './tiny';
import { defaultSettings, hashModel, type TinySystem, tinySystem, trainerOptions } from './training';

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
});
afterAll(() => device.destroy());

const settings: StageSettings = { ...defaultSettings, rows: 12, clipNorm: 0.5 };
const absurd: StageSettings = { ...defaultSettings, rows: 12, learningRate: 1e30 };

/** Trains a fresh tiny model; `prepare` may spoil it. Returns the checkpoints, the error and the bits. */
async function train(
  stages: { stage1?: StageSettings; stage2?: StageSettings },
  { resume, prepare }: { resume?: TrainerState; prepare?: (system: TinySystem) => void } = {},
) {
  const system = await tinySystem(device, dataset, ccf);
  const idle = device.report().persistent;
  prepare?.(system);
  const states: TrainerState[] = [];
  let error: unknown;
  try {
    await trainHybrid(
      trainerOptions(system, dataset, ccf, {
        settings: { stage1: stages.stage1 ?? settings, stage2: stages.stage2 ?? settings },
        checkpointEvery: 1,
        validRows: 10,
        resume,
        onCheckpoint: async (state) => void states.push(state),
      }),
    );
  } catch (caught) {
    error = caught;
  }
  vi.restoreAllMocks();
  expect(device.memory.depth).toBe(0);
  expect(device.report().step.current).toBe(0);
  expect(device.report().persistent).toEqual(idle);
  const { base: _, ...groups } = await hashModel(system.model);
  system.release();
  return { states, error, groups };
}

describe('a step that throws', () => {
  it.each([
    ['the forward', 'loss'],
    ['the optimizer', 'flush'],
  ])('in %s leaves no memory behind, and its last checkpoint leads to the same bits', async (_name, place) => {
    const whole = await train({});
    expect(whole.error).toBeUndefined();
    const failed = await train(
      {},
      {
        prepare({ model }) {
          if (place === 'loss') {
            const loss = model.loss.bind(model);
            let calls = 0;
            vi.spyOn(model, 'loss').mockImplementation((...args) => {
              const result = loss(...args);
              // After the tape has the whole forward.
              if (++calls === 4) throw new Error('in the middle');
              return result;
            });
          } else {
            const dispatch = device.recorder.dispatch.bind(device.recorder);
            let updates = 0;
            vi.spyOn(device.recorder, 'dispatch').mockImplementation((kernel, args) => {
              if (kernel.declaration.name.startsWith('adam') && ++updates === 2) throw new Error('in the middle');
              dispatch(kernel, args);
            });
          }
        },
      },
    );
    expect(failed.error).toMatchObject({ message: 'in the middle' });
    const resume = failed.states.at(-1)!;
    expect(resume.step).toBeGreaterThan(0);
    const rest = await train({}, { resume });
    expect(rest.error).toBeUndefined();
    expect(rest.groups).toEqual(whole.groups);
  });
});

describe('a training that diverges', () => {
  const isGood = ({ parameters, moments }: TrainerState) =>
    firstNonFinite(parameters) === null && firstNonFinite(moments) === null;

  it('at once keeps no checkpoint', async () => {
    const { states, error } = await train({ stage1: absurd });
    expect(error).toBeInstanceOf(NonFiniteLossError);
    expect((error as Error).message).toMatch(
      /at step 1 of stage 1: lower the learning rate or set clipNorm, and start/,
    );
    expect(states).toEqual([]);
  });

  it('later keeps the checkpoints from before, which are good', async () => {
    const whole = await train({});
    const { states, error } = await train({ stage2: absurd });
    expect(error).toBeInstanceOf(NonFiniteLossError);
    expect(states.map(({ stage, step }) => [stage, step])).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
    expect(states.every(isGood)).toBe(true);
    const rest = await train({}, { resume: states.at(-1)! });
    expect(rest.groups).toEqual(whole.groups);
  });

  it('in a gradient, with gradients that are clipped, ends before parameters are spoiled', async () => {
    const update = Adam.prototype.step;
    let updates = 0;
    vi.spyOn(Adam.prototype, 'step').mockImplementation(function (this: Adam, ...args) {
      const { gradient } = this.groups[0]!.parameters[0]!;
      if (++updates === 2) device.recorder.write(gradient, Float32Array.of(Number.POSITIVE_INFINITY));
      update.apply(this, args);
    });
    const { states, error } = await train({});
    expect(error).toMatchObject({
      name: 'NonFiniteLossError',
      message: 'a gradient is not finite at step 2 of stage 1: lower the learning rate, and start again',
    });
    expect(states.length).toBeGreaterThan(0);
    expect(states.every(isGood)).toBe(true);
  });

  it('in its moments alone keeps no such checkpoint', async () => {
    const first = (await train({})).states[0]!;
    const [name, { shape, data }] = [...first.moments].find(([key]) => key.endsWith('.second'))!;
    // An infinite second moment makes the update 0: every loss stays finite.
    const moments = new Map(first.moments).set(name, { shape, data: new Float32Array(data.length).fill(Infinity) });
    const { states, error } = await train({}, { resume: { ...first, moments } });
    expect(error).toMatchObject({ name: 'NonFiniteLossError', message: expect.stringContaining(`"${name}" holds`) });
    expect(states).toEqual([]);
  });
});

describe('a device that is lost', () => {
  it('ends training and scoring by name, with nothing unhandled', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    for (const where of ['training', 'scoring'] as const) {
      const lost = await openDevice();
      const system = await tinySystem(lost, dataset, ccf);
      const common = trainerOptions(system, dataset, ccf, { settings: { stage1: settings, stage2: settings } });
      const rows = Int32Array.from({ length: 10 }, (_, row) => row);
      const loss = { kind: 'eq5', k: 2, bprOn: 'probability', yesToken: 1, noToken: 2 } as const;
      const work =
        where === 'training'
          ? trainHybrid({ ...common, onStep: () => lost.gpu.destroy() })
          : scoreRows(system.model, system.builder, dataset, 'valid', rows, loss, {
              batchTokens: 1,
              onProgress: () => lost.gpu.destroy(),
            });
      await expect(work, where).rejects.toBeInstanceOf(DeviceLostError);
      expect(lost.memory.report().step.current).toBe(0);
      lost.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });
});

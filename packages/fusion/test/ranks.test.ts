// Several ranks that train a method together: the steps of one rank with the whole batch, the same bits on all ranks.
import { inProcess } from '@crossgate/collective';
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { readGroup } from '@crossgate/tensor';
import { expectClose } from '@crossgate/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type BestState,
  ccf,
  type EvaluationReport,
  type HybridModel,
  type StepReport,
  type TrainerOptions,
  trainHybrid,
} from '../src';
import { tinyDataset } from './tiny';
import { defaultSettings, randomizeLora, tinySystem, trainerOptions } from './training';

/** One device a rank, as in a job. */
let devices: Device[];
let dataset: Dataset;
beforeAll(async () => {
  devices = await Promise.all(Array.from({ length: 3 }, () => openDevice()));
  dataset = await tinyDataset();
});
afterAll(async () => {
  await Promise.all(devices.map((device) => device.destroy()));
});

/** The last batch of an epoch has 2 rows, fewer than three ranks. */
const settings = { ...defaultSettings, rows: 10, epochs: 2, evaluateEvery: 4, clipNorm: 0.5 };

const brief = { ...settings, epochs: 1, evaluateEvery: 2 };

interface Outcome {
  /** How far the parameter that moved most is from where it began. */
  readonly moved: number;
  readonly values: Float32Array;
  readonly steps: readonly StepReport[];
  readonly evaluations: readonly EvaluationReport[];
  readonly best: Omit<BestState, 'parameters'>;
}

async function valuesOf(model: HybridModel): Promise<Float32Array> {
  const values: number[] = [];
  for (const group of model.allGroups()) {
    for (const { data } of (await readGroup(group)).values()) values.push(...data);
  }
  return Float32Array.from(values);
}

/** Trains both stages on each of so many ranks at the same time. */
function trainOn(ranks: number, changes: Partial<TrainerOptions> = {}): Promise<Outcome[]> {
  const train = async (device: Device, collective: TrainerOptions['collective']): Promise<Outcome> => {
    const system = await tinySystem(device, dataset, ccf);
    await randomizeLora(system.model);
    const before = await valuesOf(system.model);
    const [steps, evaluations]: [StepReport[], EvaluationReport[]] = [[], []];
    const best = await trainHybrid(
      trainerOptions(system, dataset, ccf, {
        settings: { stage1: brief, stage2: brief },
        cfDropout: { items: 0.3, users: 0.3 },
        onStep: (report) => void steps.push(report),
        onEvaluation: (report) => void evaluations.push(report),
        ...changes,
        ...(collective && { collective }),
      }),
    );
    const values = await valuesOf(system.model);
    const moved = values.reduce((most, value, at) => Math.max(most, Math.abs(value - before[at]!)), 0);
    system.release();
    const { parameters: _, ...chosen } = best!;
    return { moved, values, steps, evaluations, best: chosen };
  };
  return Promise.all(inProcess(ranks).map((each, rank) => train(devices[rank]!, ranks > 1 ? each : undefined)));
}

it.each(['f32', 'f16'] as const)('trains ccf as one rank does, activations in %s', async (activations) => {
  const [one] = await trainOn(1, { activations });
  const three = await trainOn(3, { activations });
  expectClose(three[0]!.values, one!.values, { relative: 0, absolute: 1e-5, label: 'parameters' });
  for (const rank of three) expect(rank).toEqual(three[0]);
  // What nothing trained would be alike too.
  expect(three[0]!.moved).toBeGreaterThan(1e-3);
  expect(await trainOn(3, { activations })).toEqual(three);
  expect(three[0]!.steps).toHaveLength(6);
  three[0]!.steps.forEach(({ loss, ...step }, index) => {
    const { loss: expected, ...rest } = one!.steps[index]!;
    expect(step).toEqual(rest);
    expect(Math.abs(loss! - expected!)).toBeLessThan(1e-5);
  });
  expect(three[0]!.best.step).toBe(one!.best.step);
});

it.each([
  ['after a step', 'onStep', [3]],
  ['during an evaluation', 'onEvaluationProgress', []],
  ['while a state is kept', 'onCheckpoint', [4]],
] as const)('stops everywhere when one rank is told to %s', async (_, when, expected) => {
  const controller = new AbortController();
  const stops = await Promise.allSettled(
    inProcess(2).map(async (collective, rank) => {
      const system = await tinySystem(devices[rank]!, dataset, ccf);
      const saved: number[] = [];
      const tell = (at: keyof TrainerOptions) =>
        at === when && rank === 1 && controller.abort(new Error('told to stop'));
      const training = trainHybrid(
        trainerOptions(system, dataset, ccf, {
          settings: { stage1: settings, stage2: settings },
          collective,
          // Several batches, so that one is left.
          batchTokens: 1,
          ...(rank === 1 && { signal: controller.signal }),
          onStep: ({ step }) => step === 2 && tell('onStep'),
          onEvaluationProgress: () => tell('onEvaluationProgress'),
          async onCheckpoint({ step }) {
            saved.push(step);
            tell('onCheckpoint');
          },
        }),
      );
      await training
        .catch((error: Error) => Promise.reject({ words: error.message, saved }))
        .finally(() => system.release());
    }),
  );
  expect(stops.map((stop) => stop.status === 'rejected' && stop.reason)).toEqual([
    { words: 'interrupted', saved: expected },
    { words: 'told to stop', saved: expected },
  ]);
});

it('refuses batches of fewer prompts than there are ranks', async () => {
  const system = await tinySystem(devices[0]!, dataset, ccf);
  const small = { ...settings, batchSize: 2 };
  const options = trainerOptions(system, dataset, ccf, {
    settings: { stage1: settings, stage2: small },
    collective: inProcess(3)[0]!,
  });
  await expect(trainHybrid(options)).rejects.toThrow(
    'training.stage2.batchSize: 2 prompts are no batch for 3 ranks; raise it to 3 or more, or start fewer ranks',
  );
  system.release();
});

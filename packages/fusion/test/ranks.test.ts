// Several ranks that train a method together: the steps of one rank with the whole batch, gradients of the float64 model, the
// same bits on all ranks.
import { inProcess, shareOf } from '@crossgate/collective';
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { GradientReduction, readGroup, Tape } from '@crossgate/tensor';
import {
  ccfLossOf,
  expectClose,
  finiteDifference,
  type Reference,
  randomLlamaWeights,
  randomNormal,
} from '@crossgate/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type BestState,
  ccf,
  collm,
  type EvaluationReport,
  type HybridModel,
  type Method,
  promptOfRow,
  type StepReport,
  softprompt,
  type TrainerOptions,
  trainHybrid,
} from '../src';
import { referenceBatch, referenceName } from './reference';
import { tinyDataset, tinyLlama } from './tiny';
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

/** Trains all stages of a method on each of so many ranks at the same time. */
function trainOn(ranks: number, method: Method, changes: Partial<TrainerOptions> = {}): Promise<Outcome[]> {
  const train = async (device: Device, collective: TrainerOptions['collective']): Promise<Outcome> => {
    const system = await tinySystem(device, dataset, method);
    await randomizeLora(system.model);
    const before = await valuesOf(system.model);
    const [steps, evaluations]: [StepReport[], EvaluationReport[]] = [[], []];
    const best = await trainHybrid(
      trainerOptions(system, dataset, method, {
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

/** Asserts that all ranks hold the same, and steps and parameters are those of one rank. */
function expectLikeOne(ranks: readonly Outcome[], one: Outcome, steps: number): void {
  const [first] = ranks;
  expectClose(first!.values, one.values, { relative: 0, absolute: 1e-5, label: 'parameters' });
  for (const rank of ranks) expect(rank).toEqual(first);
  // What nothing trained would be alike too.
  expect(first!.moved).toBeGreaterThan(1e-3);
  expect(first!.steps).toHaveLength(steps);
  first!.steps.forEach(({ loss, ...step }, index) => {
    const { loss: expected, ...rest } = one.steps[index]!;
    expect(step).toEqual(rest);
    expect(Math.abs(loss! - expected!)).toBeLessThan(1e-5);
  });
  expect(first!.best.step).toBe(one.best.step);
}

it.each(['f32', 'f16'] as const)('trains ccf as one rank does, activations in %s', async (activations) => {
  const [one] = await trainOn(1, ccf, { activations });
  const three = await trainOn(3, ccf, { activations });
  expectLikeOne(three, one!, 6);
  expect(await trainOn(3, ccf, { activations })).toEqual(three);
});

it.each([
  [collm, 6],
  [softprompt, 3],
])('trains $name as one rank does', async (method, steps) => {
  const loss = { kind: method.loss, k: 1, bprOn: 'logit' } as const;
  const [one] = await trainOn(1, method, { loss });
  expectLikeOne(await trainOn(2, method, { loss }), one!, steps);
});

it('sums the gradients of ranks to that of the float64 model for the whole batch', async () => {
  // A rank has one prompt, two have two.
  const rows = [0, 17, 40, 63, 99];
  const labels = Float32Array.from(rows, (row) => dataset.splits.train.label[row]!);
  const loss = { kind: 'eq5', k: 2, bprOn: 'probability', yesToken: 2, noToken: 3 } as const;
  const ranks = await Promise.all(
    inProcess(3).map(async (collective, rank) => {
      const { model, builderOf, release } = await tinySystem(devices[rank]!, dataset, ccf);
      await randomizeLora(model);
      const builder = builderOf('{history} {user} {item}');
      const prompts = rows.map((row) => promptOfRow(builder, dataset, 'train', row));
      const { start, end } = shareOf(rows.length, collective);
      const groups = model.allGroups();
      for (const group of groups) group.trainable = true;
      const reduction = new GradientReduction(groups, collective);
      // The first pass agrees on the order of pieces, the second sums while it runs.
      for (let pass = 0; pass < 2; pass++) {
        using _ = devices[rank]!.step();
        for (const group of groups) group.zeroGradients();
        using tape = new Tape();
        tape.record(() => model.loss(prompts.slice(start, end), labels.slice(start, end), loss, 1 / rows.length));
        await reduction.backward(tape);
      }
      const [values, gradients] = [new Map<string, Reference>(), new Map<string, Float32Array>()];
      for (const group of groups) {
        for (const [name, { shape, data }] of await readGroup(group))
          values.set(referenceName(name), { shape: [...shape], data: Float64Array.from(data) });
        for (const { name, gradient } of group.parameters)
          gradients.set(referenceName(name), new Float32Array(await devices[rank]!.recorder.read(gradient)));
      }
      release();
      return { prompts, values, gradients };
    }),
  );
  const { prompts, values, gradients } = ranks[0]!;
  for (const rank of ranks) expect(rank.gradients).toEqual(gradients);
  const weights = randomLlamaWeights(tinyLlama, 8);
  const reference = {
    llama: tinyLlama,
    weights,
    yesToken: 2,
    noToken: 3,
    eq5: { k: 2, bprOn: 'probability' },
  } as const;
  const batch = referenceBatch(prompts, labels);
  // Derivatives of the loss in a random direction of each parameter, which every entry has a part in.
  const [found, expected] = [[], []] as [number[], number[]];
  for (const [name, { shape, data }] of values) {
    const direction = randomNormal([...shape], name.length).data;
    const lossAt = ccfLossOf(reference, Object.fromEntries(values), batch, name);
    const along = ([t]: Float64Array) => lossAt(data.map((value, i) => value + t! * direction[i]!));
    expected.push(finiteDifference(along, new Float64Array(1))[0]!);
    found.push(gradients.get(name)!.reduce((sum, value, i) => sum + value * direction[i]!, 0));
  }
  expectClose(found, expected, { relative: 0, absolute: 1e-5, label: [...values.keys()].join() });
  expect(Math.min(...expected.map(Math.abs))).toBeGreaterThan(1e-4);
});

it.each([
  ['after a step', 'onStep', [1, 3]],
  ['during an evaluation', 'onEvaluationProgress', [1]],
  ['while a state is kept', 'onCheckpoint', [1]],
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

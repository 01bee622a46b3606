// Runs that repeat bit for bit, runs that are cut off and go on, a run that overfits and one that diverges.
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { encodeState, type HostState, memorySource, parseState } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BestState, StageSettings, StepReport, TrainerOptions, TrainerState } from '../src';
import { ccf, NonFiniteLossError, stagesOf, trainHybrid } from '../src';
import { tinyDataset } from './tiny';
import { defaultSettings, hashModel, hashState, tinySystem, trainerOptions } from './training';

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
});
afterAll(() => device.destroy());

/**
 * Two epochs of three steps, the last batch short; evaluations at steps 4 and 6; everything that keeps state is in use.
 */
const settings: StageSettings = {
  ...defaultSettings,
  rows: 10,
  epochs: 2,
  evaluateEvery: 4,
  clipNorm: 0.5,
  warmupSteps: 2,
  schedule: 'cosine',
  minLearningRate: 1e-3,
};

/** A state as files hold it. */
interface StoredState {
  readonly json: string;
  readonly tensors: Record<'parameters' | 'moments' | 'best', Uint8Array | null>;
}

async function bytesOf(state: HostState): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of encodeState(state)) parts.push(part.slice());
  return Buffer.concat(parts);
}

async function store({ parameters, moments, best, ...rest }: TrainerState): Promise<StoredState> {
  const { parameters: bestParameters, ...bestRest } = best ?? { parameters: null };
  return {
    json: JSON.stringify({ ...rest, best: best && bestRest }),
    tensors: {
      parameters: await bytesOf(parameters),
      moments: await bytesOf(moments),
      best: bestParameters && (await bytesOf(bestParameters)),
    },
  };
}

async function restore({ json, tensors }: StoredState): Promise<TrainerState> {
  const read = async (bytes: Uint8Array) => (await parseState(memorySource('checkpoint', bytes))).state;
  const { best, ...rest } = JSON.parse(json);
  return {
    ...rest,
    parameters: await read(tensors.parameters!),
    moments: await read(tensors.moments!),
    best: best && { ...best, parameters: await read(tensors.best!) },
  };
}

interface Outcome {
  readonly best: Omit<BestState, 'parameters'>;
  readonly parameters: unknown;
  readonly steps: StepReport[];
  readonly stored: StoredState[];
}

/**
 * One run of a freshly built model.
 *
 * @param stop what to do with each checkpoint once it is stored; @param modelSeed of the initial values.
 */
async function run(
  changes: Partial<TrainerOptions>,
  { modelSeed = 1, stop }: { modelSeed?: number; stop?: (state: TrainerState) => void } = {},
): Promise<Outcome> {
  const system = await tinySystem(device, dataset, ccf, modelSeed);
  const steps: StepReport[] = [];
  const stored: StoredState[] = [];
  interrupted = stored;
  try {
    const best = await trainHybrid(
      trainerOptions(system, dataset, ccf, {
        settings: { stage1: settings, stage2: settings },
        checkpointEvery: 3,
        validRows: 15,
        onStep: (report) => steps.push(report),
        onCheckpoint: async (state) => {
          stored.push(await store(state));
          stop?.(state);
        },
        ...changes,
      }),
    );
    const { parameters: bestParameters, ...rest } = best!;
    const { base: _, ...groups } = await hashModel(system.model);
    const onDevice = Object.assign({}, ...Object.values(groups));
    expect(hashState(bestParameters)).toEqual(onDevice);
    return { best: rest, parameters: onDevice, steps, stored };
  } finally {
    system.release();
  }
}

/** Checkpoints of the run that was started last, also where it did not end well. */
let interrupted: StoredState[] = [];

let unbroken: Outcome;
/** What the first run of this device told of its kernels. */
const compiling: [number, number][] = [];
beforeAll(async () => {
  unbroken = await run({ onCompile: (done, total) => compiling.push([done, total]) });
});

describe('a run', () => {
  it('compiles the kernels of the first step of each stage at the same time, and tells how far it is', () => {
    const stages = compiling.flatMap(([done, total]) => (done === 0 ? [total] : []));
    expect(stages).toHaveLength(2);
    expect(stages[0]).toBeGreaterThan(20);
    const expected = stages.flatMap((total) => Array.from({ length: total + 1 }, (_, done) => [done, total]));
    expect(compiling).toEqual(expected);
  });

  it('repeats bit for bit with the same seed, and not with another', async () => {
    const again = await run({});
    expect(again.best).toEqual(unbroken.best);
    expect(again.parameters).toEqual(unbroken.parameters);
    expect(again.steps).toEqual(unbroken.steps);
    expect(unbroken.steps).toHaveLength(12);
    const other = await run({ seed: 6, stages: stagesOf(ccf, 'stage1-only') });
    expect(other.steps.map(({ loss }) => loss)).not.toEqual(unbroken.steps.slice(0, 6).map(({ loss }) => loss));
  });

  it.each([
    ['the middle of stage 1', 0, 2],
    ['the middle of stage 2', 1, 3],
  ])('stopped by a signal in %s goes on to the same bits', async (_, stage, step) => {
    const controller = new AbortController();
    const reason = new Error('stopped by the test');
    const stopped = run({
      signal: controller.signal,
      checkpointEvery: null,
      onStep: (report) => {
        // Reports are one step late.
        if (report.stage === stage && report.step === step - 1) controller.abort(reason);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    const state = await restore(interrupted.at(-1)!);
    expect([state.stage, state.step]).toEqual([stage, step]);
    // The fresh model has other initial values: all that counts must come from the state.
    const rest = await run({ resume: state }, { modelSeed: 9 });
    expect(rest.best).toEqual(unbroken.best);
    expect(rest.parameters).toEqual(unbroken.parameters);
    expect(rest.steps).toEqual(
      unbroken.steps.filter((report) => report.stage * 100 + report.step > stage * 100 + step),
    );
  });

  it.each([
    ['after an evaluation of stage 1', 0, 4],
    ['at the end of stage 1', 0, 6],
    ['before the first evaluation of stage 2', 1, 3],
    ['at the end of stage 2', 1, 6],
  ])('cut off %s goes on to the same bits', async (_, stage, step) => {
    const cut = run(
      {},
      {
        stop: (state) => {
          if (state.stage === stage && state.step === step) throw new Error('cut off by the test');
        },
      },
    );
    await expect(cut).rejects.toThrow('cut off by the test');
    const state = await restore(interrupted.at(-1)!);
    expect([state.stage, state.step]).toEqual([stage, step]);
    const rest = await run({ resume: state }, { modelSeed: 9 });
    expect(rest.best).toEqual(unbroken.best);
    expect(rest.parameters).toEqual(unbroken.parameters);
  });

  it('that has lost its patience trains no further when it goes on', async () => {
    const patient = { ...settings, evaluateEvery: 1, patience: 1 };
    const changes = { settings: { stage1: patient, stage2: patient } };
    // Nothing is better than an AUC of 1, so that the first evaluation of each stage ends it.
    const first = await restore(unbroken.stored[0]!);
    const parameters = first.parameters;
    const start: TrainerState = { ...first, evaluationsSinceBest: 0, best: { stage: 0, step: 1, auc: 1, parameters } };
    const whole = await run({ ...changes, resume: start });
    const at = ({ stage, step }: { stage: number; step: number }) => [stage, step];
    expect(whole.steps.map(at)).toEqual([
      [0, 4],
      [1, 1],
    ]);
    const state = await restore(whole.stored[0]!);
    expect(at(state)).toEqual([0, 4]);
    const rest = await run({ ...changes, resume: state }, { modelSeed: 9 });
    expect(rest.steps.map(at)).toEqual([[1, 1]]);
    expect(rest.parameters).toEqual(whole.parameters);
  });
});

describe('activations in f16', () => {
  const f16 = { activations: 'f16' } as const;
  let whole: Outcome;
  beforeAll(async () => {
    whole = await run({ ...f16, checkpointEvery: 1 });
  });

  it('give the losses of f32 nearly, the first one exactly, since the forward pass is the same', () => {
    expect(whole.steps).toHaveLength(12);
    expect(whole.steps[0]!.loss).toBe(unbroken.steps[0]!.loss);
    whole.steps.forEach(({ loss }, i) => {
      expect(Math.abs(loss! - unbroken.steps[i]!.loss!)).toBeLessThan(1e-2);
    });
    expect(whole.parameters).not.toEqual(unbroken.parameters);
    // A stage has an optimizer of its own, which counts its updates.
    expect(whole.steps.at(-1)!.lossScale).toEqual({
      ...{ scale: 2 ** 16, goodSteps: 12, skippedSteps: 0, skippedInRow: 0, updates: 6 },
    });
  });

  it.each([1, 6, 8])('go on from checkpoint %i to the same bits', async (checkpoint) => {
    const resume = await restore(whole.stored[checkpoint]!);
    const rest = await run({ ...f16, resume }, { modelSeed: 9 });
    expect(rest.parameters).toEqual(whole.parameters);
    expect(rest.steps).toEqual(whole.steps.slice(-rest.steps.length));
  });

  it.each([
    ['a state of f32, whose moments are of three updates', f16, () => unbroken, 3],
    ['as f32 a state of f16', {}, () => whole, 8],
  ])('take over %s', async (_, activations, before, checkpoint) => {
    const resume = await restore(before().stored[checkpoint]!);
    expect(resume).toMatchObject({ stage: 1, step: 3, optimizerSteps: 3 });
    const rest = await run({ ...activations, checkpointEvery: 1, resume }, { modelSeed: 9 });
    const expected = before().steps.slice(-3);
    expect(rest.steps.map(({ step }) => step)).toEqual([4, 5, 6]);
    // The first loss is of the parameters that were taken over; those after it, of updates by the moments that were.
    expect(rest.steps[0]!.loss).toBe(expected[0]!.loss);
    rest.steps.forEach(({ loss }, i) => {
      expect(Math.abs(loss! - expected[i]!.loss!)).toBeLessThan(1e-2);
    });
    // Adam counts on from the three updates before.
    const [last, other] = [await restore(rest.stored.at(-1)!), await restore(before().stored.at(-1)!)];
    expect([last.optimizerSteps, other.optimizerSteps]).toEqual([6, 6]);
    expect(hashState(last.parameters)).not.toEqual(hashState(other.parameters));
    const scaled = { scale: 2 ** 16, goodSteps: 3, skippedSteps: 0, skippedInRow: 0, updates: 6 };
    expect(last.lossScale).toEqual('activations' in activations ? scaled : null);
  });

  it('leave steps out whose gradients overflow: the scale is halved, nothing else changes, and they are counted', async () => {
    const first = await restore(whole.stored[0]!);
    const large = { ...first, lossScale: { ...first.lossScale!, scale: 2 ** 20 } };
    const { steps, stored, parameters } = await run({ ...f16, checkpointEvery: 1, resume: large });
    const scales = steps.map(({ lossScale }) => lossScale!.scale);
    const skipped = steps.findIndex(({ lossScale }) => lossScale!.skippedInRow === 0);
    expect(skipped).toBeGreaterThanOrEqual(2);
    expect(scales.slice(0, skipped)).toEqual(Array.from({ length: skipped }, (_, i) => 2 ** (19 - i)));
    expect(steps[skipped]!.lossScale!.skippedSteps).toBe(skipped);
    // The last batch of an epoch is short, so that its rows weigh more: it may overflow once more.
    expect(scales.at(-1)).toBe(2 ** (20 - steps.at(-1)!.lossScale!.skippedSteps));
    const [afterSkipped, afterGood] = [await restore(stored[skipped - 1]!), await restore(stored[skipped]!)];
    expect(hashState(afterSkipped.parameters)).toEqual(hashState(first.parameters));
    expect(hashState(afterSkipped.moments)).toEqual(hashState(first.moments));
    expect(afterSkipped).toMatchObject({ step: first.step + skipped, optimizerSteps: first.optimizerSteps });
    expect(hashState(afterGood.parameters)).not.toEqual(hashState(first.parameters));
    // A run that is cut off while it skips goes on to the same bits.
    const rest = await run({ ...f16, resume: await restore(stored[0]!) }, { modelSeed: 9 });
    expect(rest.parameters).toEqual(parameters);
    expect(rest.steps).toEqual(steps.slice(1));
  });

  it('end the run by name when no step has finite gradients any more', async () => {
    const settings = { ...defaultSettings, batchSize: 1, rows: 20, epochs: 2 };
    const system = await tinySystem(device, dataset, ccf);
    const weight = system.model.llm.weight('model.layers.0.mlp.up_proj.weight');
    // Beyond what f16 holds, but not beyond the norm that follows: the loss is as finite as ever.
    const values = await weight.read();
    device.recorder.write(
      weight.slice,
      values.map((value) => value * 1e9),
    );
    const changes = { ...f16, settings: { stage1: settings, stage2: settings } };
    const failing = trainHybrid(trainerOptions(system, dataset, ccf, changes));
    await expect(failing).rejects.toThrow(/^20 steps in a row, up to step 20 of stage 1, .*activations exceed 65,504/);
    await expect(failing).rejects.toBeInstanceOf(NonFiniteLossError);
    system.release();
  });
});

describe('products in f16', () => {
  it('come back to f32 after a step whose values do not fit, which changes nothing', async () => {
    const stages = stagesOf(ccf, 'end-to-end');
    const quick = { ...defaultSettings, rows: 12 };
    const changes = { stages, settings: { stage1: quick, stage2: quick }, checkpointEvery: 1, validRows: 4 };
    const system = await tinySystem(device, dataset, ccf);
    const weight = system.model.llm.weight('model.layers.0.mlp.up_proj.weight');
    const values = await weight.read();
    // What overflows in f16, for an adapter without matrix units: the loss is NaN until products are of f32.
    const write = (factor: number) =>
      device.recorder.write(
        weight.slice,
        values.map((value) => value * factor),
      );
    write(1e38);
    const { model } = system;
    const inF32 = vi.spyOn(model, 'multiplyInF32').mockImplementation(() => write(1));
    const [reasons, losses, states]: [string[], (number | null)[], TrainerState[]] = [[], [], []];
    const told: Partial<TrainerOptions> = {
      precision: 'f16',
      onFallback: (reason) => reasons.push(reason),
      onStep: ({ loss }) => losses.push(loss),
      onCheckpoint: async (state) => void states.push(state),
    };
    await trainHybrid(trainerOptions(system, dataset, ccf, { ...changes, ...told }));
    expect(reasons).toEqual([expect.stringMatching(/^the loss is (NaN|-?Infinity) at step 1 of stage 1$/)]);
    expect(inF32).toHaveBeenCalledTimes(1);
    // Three steps, of which the first changed nothing. Nothing is in f16 then, so nothing needs a scale.
    expect(losses).toEqual([null, expect.any(Number), expect.any(Number)]);
    const lossScale = { scale: 1, skippedSteps: 1, skippedInRow: 0 };
    expect(states[0]).toMatchObject({ fellBack: true, optimizerSteps: 0, lossScale });
    expect(states.at(-1)).toMatchObject({ fellBack: true, optimizerSteps: 2, lossScale });
    // It goes on as it was.
    await trainHybrid(trainerOptions(system, dataset, ccf, { ...changes, ...told, resume: states[0] }));
    expect(inF32).toHaveBeenCalledTimes(2);
    expect(reasons).toHaveLength(1);
    expect(losses.slice(3)).toEqual(losses.slice(1, 3));
    // Its gradients, of which the first moments are made, are those of f32.
    const resume = states[0]!;
    await trainHybrid(trainerOptions(system, dataset, ccf, { ...changes, ...told, precision: 'f32', resume }));
    const [before, fellBack] = states;
    const inF32Throughout = states.at(-2)!;
    expect([fellBack, inF32Throughout].map((state) => state!.step)).toEqual([2, 2]);
    expect(hashState(fellBack!.moments)).toEqual(hashState(inF32Throughout.moments));
    expect(hashState(fellBack!.moments)).not.toEqual(hashState(before!.moments));
    system.release();
  });
});

it('one batch is learnt by heart', async () => {
  const overfit = { ...defaultSettings, rows: 8, batchSize: 8, epochs: 120, weightDecay: 0, evaluateEvery: 1000 };
  const { steps } = await run({
    stages: stagesOf(ccf, 'end-to-end'),
    settings: { stage1: { ...overfit, learningRate: 0.02 }, stage2: overfit },
    checkpointEvery: null,
    validRows: 4,
  });
  expect(steps).toHaveLength(120);
  const [start, end] = [steps[0]!.loss!, steps.at(-1)!.loss!];
  expect(start).toBeGreaterThan(1);
  // Eq. 5 on probabilities has a floor: with p_yes − p_no = ±1 the ranking term is k · log(1 + 1/e) = 0.6265.
  const floor = 2 * Math.log1p(Math.exp(-1));
  expect(end - floor).toBeLessThan(0.1 * (start - floor));
});

it('a loss that is not a number ends the run by name, stage and step', async () => {
  const absurd = { ...defaultSettings, learningRate: 1e30 };
  const failing = run({ settings: { stage1: absurd, stage2: absurd } });
  await expect(failing).rejects.toBeInstanceOf(NonFiniteLossError);
  await expect(failing).rejects.toThrow(
    /the loss is (NaN|-?Infinity) at step [2-5] of stage 1: lower the learning rate/,
  );
});

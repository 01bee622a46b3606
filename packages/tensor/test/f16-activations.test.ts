// Tapes that keep what operations save as halves, and the loss scale that goes with them.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { adamState, adamWStep, expectClose, randomNormal } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LossScalerOptions, LossScalerState, SavedOptions, Tensor } from '../src';
import {
  Adam,
  bceWithLogits,
  checkpoint,
  LossScaler,
  linear,
  multiply,
  ParameterGroup,
  persistent,
  readGroup,
  readOptimizer,
  releasePersistent,
  Tape,
  tanh,
  tidy,
} from '../src';
import { tensorOf } from './harness';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const f16: SavedOptions = { activations: 'f16' };

function groupOf(values: Float32Array): ParameterGroup {
  const group = new ParameterGroup(device, 'test', [{ name: 'w', shape: [values.length], values }]);
  group.trainable = true;
  return group;
}

describe('what a tape keeps', () => {
  const [rows, columns] = [96, 64];
  const x = randomNormal([rows, columns], 1);
  const weight = Float32Array.from(randomNormal([columns, columns], 2).data);

  /** Bytes that a chain of layers keeps, beside its input. */
  function kept(options: SavedOptions, end: (tape: Tape) => void): number {
    const group = new ParameterGroup(device, 'test', [{ name: 'w', shape: [columns, columns], values: weight }]);
    group.trainable = true;
    using _ = device.step();
    const input = tensorOf(device, x);
    const before = device.report().step.current;
    const tape = new Tape(options);
    tape.record(() => {
      tidy(device, () => {
        let hidden: Tensor = input;
        // Two operations save each result: the halves are shared.
        for (let i = 0; i < 4; i++) hidden = tanh(linear(hidden, group.get('w')));
        return undefined;
      });
    });
    const bytes = device.report().step.current - before;
    end(tape);
    expect(device.report().step.current).toBe(before);
    group.release();
    return bytes;
  }

  it('takes half of the bytes, given back by the backward pass or when it is discarded', () => {
    const value = 4 * rows * columns;
    // Four results of linear and three of tanh; the input is kept as it is in f32, and once more in f16.
    expect(kept({}, (tape) => tape.backward())).toBe(7 * value);
    expect(kept(f16, (tape) => tape.backward())).toBe((8 * value) / 2);
    expect(kept(f16, (tape) => tape.discard())).toBe((8 * value) / 2);
  });

  it('is exact where it is no f32 value of the step', async () => {
    const table = persistent(device, [rows, columns], 'test', Float32Array.from(x.data));
    using _ = device.step();
    const input = tensorOf(device, randomNormal([rows, columns], 3));
    input.requiresGrad = true;
    const tape = new Tape(f16);
    const seed = tensorOf(device, { shape: [rows, columns], data: new Float64Array(rows * columns).fill(1) });
    const out = tape.record(() => multiply(input, table));
    const [gradient] = tape.backward([[out, seed]], [input]);
    expect(await gradient!.read()).toEqual(Float32Array.from(x.data));
    releasePersistent(table);
  });

  it('is a checkpoint’s input in f16, from which it runs again', async () => {
    using _ = device.step();
    const gradients: Float32Array[] = [];
    for (const options of [{}, f16]) {
      const input = tensorOf(device, x);
      input.requiresGrad = true;
      const tape = new Tape(options);
      const seed = tensorOf(device, randomNormal([rows, columns], 4));
      const out = tape.record(() => tidy(device, () => checkpoint(device, [input], (h) => tanh(multiply(h!, h!)))));
      gradients.push(await tape.backward([[out, seed]], [input])[0]!.read());
    }
    expect(gradients[1]).not.toEqual(gradients[0]);
    expectClose(gradients[1]!, gradients[0]!, { relative: 1e-2, absolute: 1e-2 });
  });
});

describe('the gradient of a loss', () => {
  const gradScale = 1e-9;

  async function gradientOf(options: SavedOptions): Promise<Float32Array> {
    using _ = device.step();
    const logits = tensorOf(device, { shape: [5], data: Float64Array.of(0.5, -1, 2, 3, 0) });
    logits.requiresGrad = true;
    const tape = new Tape(options);
    tape.record(() => bceWithLogits(logits, Float32Array.of(1, 0, 0, 1, 1), gradScale));
    return tape.backward([], [logits])[0]!.read();
  }

  it('is lost in f16 when it is small, and kept by the loss scale', async () => {
    const exact = await gradientOf({});
    expect((await gradientOf(f16)).every((g) => g === 0)).toBe(true);
    const scaler = new LossScaler(device);
    for (const options of [f16, {}]) {
      const scaled = await gradientOf({ ...options, lossScale: scaler.scale });
      expectClose(
        scaled.map((g) => g / 2 ** 16),
        exact,
        { relative: 2e-3, absolute: 1e-13 },
      );
    }
    scaler.release();
  });

  it('is infinite where the scale is too large', async () => {
    const holder = groupOf(Float32Array.of(2 ** 60));
    const lossScale = holder.get('w').slice;
    expect((await gradientOf({ ...f16, lossScale })).every((g) => !Number.isFinite(g))).toBe(true);
    holder.release();
  });
});

describe('a loss scaler', () => {
  const size = 300;
  const start = Float32Array.from(randomNormal([size], 5).data);
  const hyper = { learningRate: 0.02, beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.1 };
  const gradientOf = (step: number) => randomNormal([size], 100 + step);

  interface Start {
    readonly options?: LossScalerOptions;
    readonly state?: LossScalerState;
    readonly clipNorm?: number | null;
  }

  /** Steps whose gradients carry the scale; `bad` ones hold one value that is not finite. */
  async function train(
    steps: readonly ('good' | 'bad')[],
    { options = {}, state, clipNorm = null }: Start = {},
    continued?: { group: ParameterGroup; optimizer: Adam; from: number },
  ) {
    const group = continued?.group ?? groupOf(start);
    const optimizer = continued?.optimizer ?? new Adam([group], { kind: 'adamw', ...hyper, clipNorm });
    const scaler = new LossScaler(device, options, state);
    const states: LossScalerState[] = [await scaler.read()];
    const values: Float32Array[] = [];
    for (const [i, kind] of steps.entries()) {
      using _ = device.step();
      const { scale } = states.at(-1)!;
      const gradient = Float32Array.from(gradientOf((continued?.from ?? 0) + i).data, (g) => g * scale);
      if (kind === 'bad') gradient[7 + i] = i % 2 === 0 ? Number.NaN : Number.POSITIVE_INFINITY;
      device.recorder.write(group.get('w').gradient, gradient);
      optimizer.step(undefined, scaler);
      states.push(await scaler.read());
      values.push((await readGroup(group)).get('w')!.data);
    }
    scaler.release();
    return { group, optimizer, states, values };
  }

  it('leaves parameters and moments bit-equal in a step that is not finite, halves and counts', async () => {
    const { group, optimizer, states, values } = await train(['good', 'bad', 'bad', 'good']);
    expect(values[1]).toEqual(values[0]);
    expect(values[2]).toEqual(values[0]);
    expect(values[3]).not.toEqual(values[0]);
    expect(states.map(({ scale }) => scale)).toEqual([2 ** 16, 2 ** 16, 2 ** 15, 2 ** 14, 2 ** 14]);
    expect(states.at(-2)).toEqual({ scale: 2 ** 14, goodSteps: 0, skippedSteps: 2, skippedInRow: 2, updates: 1 });
    expect(states.at(-1)).toEqual({ scale: 2 ** 14, goodSteps: 1, skippedSteps: 2, skippedInRow: 0, updates: 2 });
    // The good steps are Adam's first and second.
    let expected = adamState(start);
    for (const step of [0, 3]) expected = adamWStep(expected, gradientOf(step).data, hyper);
    expectClose(values[3]!, expected.value, { absolute: 3e-6 });
    const moments = await readOptimizer(optimizer);
    expectClose(moments.get('w.second')!.data, expected.secondMoment, { absolute: 1e-6 });
    optimizer.release();
    group.release();
  });

  it('clips the gradient behind the scale', async () => {
    const { group, optimizer, values } = await train(['good'], { clipNorm: 0.5 });
    const gradient = gradientOf(0).data;
    const norm = Math.hypot(...gradient);
    const clipped = gradient.map((g) => (g * 0.5) / norm);
    expectClose(values[0]!, adamWStep(adamState(start), clipped, hyper).value, { absolute: 3e-6 });
    optimizer.release();
    group.release();
  });

  it('doubles after good steps, and goes on from its state to the same bits', async () => {
    const options = { initialScale: 4, growthInterval: 2 };
    const plan = ['good', 'good', 'bad', 'good', 'good', 'good'] as const;
    const whole = await train(plan, { options });
    expect(whole.states.map(({ scale }) => scale)).toEqual([4, 4, 8, 4, 4, 8, 8]);
    const first = await train(plan.slice(0, 4), { options });
    const state = first.states.at(-1)!;
    const rest = await train(plan.slice(4), { options, state }, { ...first, from: 4 });
    expect(rest.states.at(-1)).toEqual(whole.states.at(-1));
    expect(rest.values.at(-1)).toEqual(whole.values.at(-1));
    for (const { group, optimizer } of [whole, first]) {
      optimizer.release();
      group.release();
    }
    expect(device.report().persistent['loss scale']).toBeUndefined();
  });

  it('begins again, or stays at 1, with its counts of updates and skipped steps', async () => {
    const state = { scale: 1, goodSteps: 3, skippedSteps: 25, skippedInRow: 21, updates: 4 };
    const counts = { skippedSteps: 25, updates: 4 };
    const scaler = new LossScaler(device, { growthInterval: 1 }, state);
    scaler.restart();
    expect(await scaler.read()).toEqual({ ...counts, scale: 2 ** 16, goodSteps: 0, skippedInRow: 0 });
    scaler.stayAtOne();
    expect(await scaler.read()).toEqual({ ...counts, scale: 1, goodSteps: 0, skippedInRow: 0 });
    const fixed = new LossScaler(device, { growthInterval: 1, maxScale: 1 }, { ...state, scale: 2 ** 16 });
    expect(await fixed.read()).toEqual({ ...state, scale: 1 });
    const group = groupOf(start);
    for (const each of [scaler, fixed]) {
      using _ = device.step();
      each.decide(group.sections, { beta1: 0.8, beta2: 0.95, maxNorm: null });
      expect(await each.read()).toMatchObject({ scale: 1, goodSteps: 0, updates: 5 });
      each.release();
    }
    group.release();
  });
});

/** adam against the float64 optimizers, over several steps. */
import { adamState, adamStep, adamWStep, expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, withDevice } from '../../test/harness';
import { adam } from './adam';

const options_ = { learningRate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.1 };

describe.each(deviceConfigurations)('adam, $name', ({ options }) => {
  it.each([
    { decoupled: false, scale: undefined },
    { decoupled: true, scale: undefined },
    { decoupled: false, scale: 0.25 },
    { decoupled: true, scale: 0.25 },
  ])('follows torch for five steps: decoupled $decoupled, gradient scale $scale', async ({ decoupled, scale }) => {
    await withDevice(async (device) => {
      for (const count of [1, 3, 257, 6000, 9001]) {
        let state = adamState(randomNormal([count], 1).data);
        const value = upload(device, Float32Array.from(state.value));
        const firstMoment = upload(device, new Float32Array(count));
        const secondMoment = upload(device, new Float32Array(count));
        const gradientScale = scale === undefined ? undefined : upload(device, Float32Array.of(scale));
        for (let step = 1; step <= 5; step++) {
          const gradient = randomNormal([count], 100 + step);
          adam(device, {
            ...options_,
            value,
            gradient: upload(device, gradient),
            firstMoment,
            secondMoment,
            count,
            step,
            decoupled,
            gradientScale,
          });
          const scaled = gradient.data.map((g) => g * (scale ?? 1));
          state = (decoupled ? adamWStep : adamStep)(state, scaled, options_);
        }
        const label = `adam ${count}`;
        expectClose(await download(device, value), state.value, { absolute: 3e-6, label });
        expectClose(await download(device, firstMoment), state.firstMoment, { absolute: 1e-6, label });
        expectClose(await download(device, secondMoment), state.secondMoment, { absolute: 1e-6, label });
      }
    }, options);
  });

  it('moves zero gradients by the coupled decay alone', async () => {
    await withDevice(async (device) => {
      const slice = (...values: number[]) => upload(device, Float32Array.from(values));
      const value = slice(2, -2, 0);
      adam(device, {
        ...options_,
        value,
        gradient: slice(0, 0, 0),
        firstMoment: slice(0, 0, 0),
        secondMoment: slice(0, 0, 0),
        count: 3,
        step: 1,
        decoupled: false,
      });
      // The first step of Adam has the size of the learning rate, whatever the size of the gradient.
      expectClose(await download(device, value), [1.99, -1.99, 0], { absolute: 1e-6 });
    }, options);
  });
});

it('refuses step 0 and betas outside [0, 1)', async () => {
  await withDevice(async (device) => {
    const slice = upload(device, new Float32Array(4));
    const base = { ...options_, value: slice, gradient: slice, firstMoment: slice, secondMoment: slice, count: 4 };
    expect(() => adam(device, { ...base, step: 0, decoupled: true })).toThrow(/step is 0/);
    expect(() => adam(device, { ...base, step: 1, decoupled: true, beta2: 1 })).toThrow(/beta2 1/);
  });
});

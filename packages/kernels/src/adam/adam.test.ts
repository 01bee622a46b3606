/** adam against the float64 optimizers, over several steps. */
import { adamState, adamStep, adamWStep, expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
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

  it('takes factor and corrections from a control, and changes nothing where its factor is 0', async () => {
    await withDevice(async (device) => {
      const count = 6001;
      const start = adamState(randomNormal([count], 1).data);
      const value = upload(device, Float32Array.from(start.value));
      const [firstMoment, secondMoment] = [uploadFilled(device, count, 0), uploadFilled(device, count, 0)];
      const gradient = randomNormal([count], 2);
      const slices = { value, firstMoment, secondMoment, count, decoupled: true, ...options_ };
      const poisoned = upload(
        device,
        Float32Array.from(gradient.data, (g, i) => (i % 5 ? g : Number.NaN)),
      );
      adam(device, { ...slices, gradient: poisoned, control: upload(device, Float32Array.of(0, 3, 3)) });
      expect(await download(device, value)).toEqual(Float32Array.from(start.value));
      expect(await download(device, secondMoment)).toEqual(new Float32Array(count));
      const control = upload(device, Float32Array.of(0.25, 1 / (1 - 0.9), 1 / Math.sqrt(1 - 0.98)));
      adam(device, { ...slices, gradient: upload(device, gradient), control });
      const expected = adamWStep(
        start,
        gradient.data.map((g) => g * 0.25),
        options_,
      );
      expectClose(await download(device, value), expected.value, { absolute: 3e-6, label: 'value' });
      expectClose(await download(device, secondMoment), expected.secondMoment, { absolute: 1e-6, label: 'second' });
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

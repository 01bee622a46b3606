/** updateLossScale against the same rules in float64, over runs of good and bad steps. */
import { expectClose, lossScaleStep } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { updateLossScale } from './loss-scale';

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

describe.each(deviceConfigurations)('loss scale, $name', ({ options }) => {
  it.each([
    { beta1: 0.9, beta2: 0.999, maxNorm: null },
    { beta1: 0.9, beta2: 0.999, maxNorm: 2 },
    { beta1: 0, beta2: 0.98, maxNorm: 0.5 },
  ])('follows the rules for %j', async (settings) => {
    await withDevice(async (device) => {
      const rules = { ...settings, growthInterval: 3, minScale: 1, maxScale: 16 };
      let expected = [8, 0, 0, 0, 0];
      const state = upload(device, Float32Array.from(expected));
      for (const [step, norm] of [1, 4, 2, 9, 1, 1, 5, nan, infinity, 3, nan, nan, nan, nan, 2, 1, 1, 8].entries()) {
        const control = uploadFilled(device, 3, 7);
        const sumOfSquares = upload(device, Float32Array.of(norm * norm));
        updateLossScale(device, { ...rules, sumOfSquares, state, control });
        const next = lossScaleStep(expected, norm * norm, rules);
        expected = next.state;
        expectClose(await download(device, state), expected, { label: `state after step ${step}`, relative: 0 });
        const actual = await download(device, control);
        if (next.control === null) expect(actual[0]).toBe(0);
        else expectClose(actual, next.control, { label: `control of step ${step}`, relative: 2e-6 });
      }
      // All six bad steps were skipped.
      expect(expected[2]).toBe(6);
    }, options);
  });

  it('corrects the bias of late updates too', async () => {
    await withDevice(async (device) => {
      const rules = { beta1: 0.9, beta2: 0.999, maxNorm: null, growthInterval: 1e4, minScale: 1, maxScale: 16 };
      for (const updates of [10, 200, 499, 500, 3000, 100_000]) {
        const before = [2, 5, 1, 0, updates];
        const [state, control] = [upload(device, Float32Array.from(before)), uploadFilled(device, 3)];
        updateLossScale(device, { ...rules, sumOfSquares: upload(device, Float32Array.of(1)), state, control });
        const { control: expected } = lossScaleStep(before, 1, rules);
        expectClose(await download(device, control), expected!, { label: `after ${updates}`, relative: 2e-6 });
      }
    }, options);
  });
});

it('refuses betas outside [0, 1) and slices that are too small', async () => {
  await withDevice(async (device) => {
    const slice = uploadFilled(device, 5);
    const args = { sumOfSquares: slice, state: slice, control: slice, beta1: 0.9, beta2: 0.999, maxNorm: null };
    const rules = { growthInterval: 3, minScale: 1, maxScale: 16 };
    expect(() => updateLossScale(device, { ...args, ...rules, beta2: 1 })).toThrow(/beta2 1 must be in \[0, 1\)/);
    const state = uploadFilled(device, 2);
    expect(() => updateLossScale(device, { ...args, ...rules, state })).toThrow(/"state" holds 8 bytes, 20/);
  });
});

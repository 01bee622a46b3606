/** LayerNorm against the float64 reference, both variants, vectors and scalars, on ragged shapes. */
import type { Device } from '@crossgate/gpu';
import * as reference from '@crossgate/testing';
import { expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { planRmsNorm } from '../rmsnorm/rmsnorm';
import { type LayerNormPlan, layerNorm, layerNormBackward } from './layernorm';

const epsilon = 1e-5;

async function check(device: Device, rows: number, columns: number, plan?: LayerNormPlan): Promise<void> {
  const x = randomNormal([rows, columns], 1, 2);
  // Far from zero mean: a variance by mean(x²) − mean(x)² would lose digits.
  for (let i = 0; i < columns; i++) x.data[i]! += 100;
  const weight = randomNormal([columns], 2);
  const bias = randomNormal([columns], 5);
  const gradient = randomNormal([rows, columns], 3);
  const before = randomNormal([columns], 4);
  const label = `${rows} × ${columns} ${plan?.variant ?? ''}${plan?.vector ? ' vec4' : ''}`;
  const slices = { x: upload(device, x), weight: upload(device, weight) };
  const biasSlice = upload(device, bias);
  const out = uploadFilled(device, rows * columns);
  const optional = plan ? { plan } : {};
  layerNorm(device, { ...slices, bias: biasSlice, out, rows, columns, epsilon, ...optional });
  expectClose(await download(device, out), reference.layerNorm(x, weight, bias, epsilon), {
    absolute: 2e-4,
    label: `out ${label}`,
  });

  const gradOut = upload(device, gradient);
  const gradX = uploadFilled(device, rows * columns);
  const gradWeight = uploadFilled(device, columns);
  const shared = { ...slices, gradOut, rows, columns, epsilon, ...optional };
  const gradBias = uploadFilled(device, columns);
  layerNormBackward(device, { ...shared, gradX, gradWeight, gradBias });
  const expected = reference.layerNormBackward(x, weight, gradient, epsilon);
  expectClose(await download(device, gradX), expected.input, { label: `gradX ${label}`, absolute: 2e-4 });
  const tolerance = { absolute: 1e-4 * Math.sqrt(rows) };
  expectClose(await download(device, gradWeight), expected.weight, { label: `gradWeight ${label}`, ...tolerance });

  expectClose(await download(device, gradBias), expected.bias, { label: `gradBias ${label}`, ...tolerance });

  const accumulated = upload(device, before);
  const gradX2 = uploadFilled(device, rows * columns);
  layerNormBackward(device, { ...shared, gradX: gradX2, gradWeight: accumulated, accumulateWeight: true });
  const accumulatedBias = upload(device, before);
  layerNormBackward(device, { ...shared, gradX: gradX2, gradBias: accumulatedBias, accumulateBias: true });
  const biasSums = expected.bias.data.map((value, c) => value + before.data[c]!);
  expectClose(await download(device, accumulatedBias), biasSums, { label: `bias ${label}`, ...tolerance });
  const sums = expected.weight.data.map((value, c) => value + before.data[c]!);
  expectClose(await download(device, accumulated), sums, { label: `accumulated ${label}`, ...tolerance });

  const gradX3 = uploadFilled(device, rows * columns);
  layerNormBackward(device, { ...shared, gradX: gradX3 });
  expect(await download(device, gradX3)).toEqual(await download(device, gradX));
}

describe('layerNorm', () => {
  it('agrees with the reference in both variants on ragged shapes', () =>
    withDevice(async (device) => {
      for (const [rows, columns] of [
        [1, 1],
        [3, 4],
        [17, 64],
        [65, 3],
        [257, 20],
        [5, 257],
        [2, 2048],
      ] as const) {
        for (const software of [true, false]) {
          await check(device, rows, columns, planRmsNorm(columns, { software }));
          await check(device, rows, columns, { ...planRmsNorm(columns, { software }), vector: false });
        }
      }
    }));

  for (const { name, options } of deviceConfigurations) {
    it(`splits and folds under ${name}`, () =>
      withDevice(async (device) => {
        await check(device, 130, 64);
        await check(device, 257, 17);
      }, options));
  }

  it('refuses a slice that is too small, naming both sizes', () =>
    withDevice(async (device) => {
      const small = uploadFilled(device, 7);
      const fine = uploadFilled(device, 8);
      const args = { x: small, weight: fine, bias: fine, out: fine, rows: 2, columns: 4, epsilon };
      expect(() => layerNorm(device, args)).toThrow('"x" holds 28 bytes, 32 are needed');
    }));
});

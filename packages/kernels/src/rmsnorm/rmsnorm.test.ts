/** RMSNorm against the float64 reference, both variants, vectors and scalars, on ragged shapes. */
import type { Device } from '@crossgate/gpu';
import * as reference from '@crossgate/testing';
import { expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { planRmsNorm, type RmsNormPlan, rmsNorm, rmsNormBackward } from './rmsnorm';

const epsilon = 1e-5;

async function check(device: Device, rows: number, columns: number, plan?: RmsNormPlan): Promise<void> {
  const x = randomNormal([rows, columns], 1, 2);
  const weight = randomNormal([columns], 2);
  const gradient = randomNormal([rows, columns], 3);
  const before = randomNormal([columns], 4);
  const label = `${rows} × ${columns} ${plan?.variant ?? ''}${plan?.vector ? ' vec4' : ''}`;
  const slices = { x: upload(device, x), weight: upload(device, weight) };
  const out = uploadFilled(device, rows * columns);
  const optional = plan ? { plan } : {};
  rmsNorm(device, { ...slices, out, rows, columns, epsilon, ...optional });
  expectClose(await download(device, out), reference.rmsNorm(x, weight, epsilon), { label: `out ${label}` });

  const gradOut = upload(device, gradient);
  const gradX = uploadFilled(device, rows * columns);
  const gradWeight = uploadFilled(device, columns);
  const shared = { ...slices, gradOut, rows, columns, epsilon, ...optional };
  rmsNormBackward(device, { ...shared, gradX, gradWeight });
  const expected = reference.rmsNormBackward(x, weight, gradient, epsilon);
  expectClose(await download(device, gradX), expected.input, { label: `gradX ${label}`, absolute: 1e-5 });
  const tolerance = { absolute: 1e-5 * Math.sqrt(rows) };
  expectClose(await download(device, gradWeight), expected.weight, { label: `gradWeight ${label}`, ...tolerance });

  const accumulated = upload(device, before);
  const gradX2 = uploadFilled(device, rows * columns);
  rmsNormBackward(device, { ...shared, gradX: gradX2, gradWeight: accumulated, accumulateWeight: true });
  const sums = expected.weight.data.map((value, c) => value + before.data[c]!);
  expectClose(await download(device, accumulated), sums, { label: `accumulated ${label}`, ...tolerance });

  const gradX3 = uploadFilled(device, rows * columns);
  rmsNormBackward(device, { ...shared, gradX: gradX3 });
  expect(await download(device, gradX3)).toEqual(await download(device, gradX));
}

describe('planRmsNorm', () => {
  it('gives a row to an invocation on software adapters and to a workgroup on hardware', () => {
    expect(planRmsNorm(64, { software: true })).toEqual({ variant: 'row', vector: true, workgroupSize: 8 });
    expect(planRmsNorm(4096, { software: false })).toEqual({ variant: 'workgroup', vector: true, workgroupSize: 256 });
    expect(planRmsNorm(17, { software: false })).toEqual({ variant: 'workgroup', vector: false, workgroupSize: 32 });
  });
});

describe('rmsNorm', () => {
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
      const args = { x: small, weight: fine, out: fine, rows: 2, columns: 4, epsilon };
      expect(() => rmsNorm(device, args)).toThrow('"x" holds 28 bytes, 32 are needed');
    }));
});

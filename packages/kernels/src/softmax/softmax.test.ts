/** Softmax against the float64 reference, both variants, ragged and extreme rows. */
import type { Device } from '@crossgate/gpu';
import * as reference from '@crossgate/testing';
import { expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import type { RowWalkPlan } from '../row-walk';
import { planSoftmax, softmax, softmaxBackward } from './softmax';

async function check(device: Device, rows: number, columns: number, plan?: RowWalkPlan): Promise<void> {
  const values = randomNormal([rows, columns], 1, 5);
  // Far from zero and far apart: without the subtraction of the largest these overflow.
  values.data[0] = 500;
  values.data[values.data.length - 1] = -500;
  const gradient = randomNormal([rows, columns], 2);
  const label = `${rows} × ${columns} ${plan?.variant ?? ''}`;
  const out = uploadFilled(device, rows * columns);
  const shared = { rows, columns, ...(plan ? { plan } : {}) };
  softmax(device, { x: upload(device, values), out, ...shared });
  const expected = reference.softmax(values);
  expectClose(await download(device, out), expected, { label });
  const gradX = uploadFilled(device, rows * columns);
  softmaxBackward(device, { out, gradOut: upload(device, gradient), gradX, ...shared });
  expectClose(await download(device, gradX), reference.softmaxBackward(expected, gradient), {
    label: `gradient ${label}`,
    absolute: 2e-6,
  });
}

describe('planSoftmax', () => {
  it('shares long rows among invocations where there are few, and always on hardware', () => {
    expect(planSoftmax({ rows: 1200, columns: 64 }, { software: true }).variant).toBe('row');
    expect(planSoftmax({ rows: 3, columns: 32_000 }, { software: true })).toEqual({
      variant: 'workgroup',
      workgroupSize: 256,
    });
    expect(planSoftmax({ rows: 1200, columns: 64 }, { software: false })).toEqual({
      variant: 'workgroup',
      workgroupSize: 64,
    });
  });
});

describe('softmax', () => {
  it('agrees with the reference in both variants', () =>
    withDevice(async (device) => {
      for (const [rows, columns] of [
        [1, 1],
        [3, 17],
        [65, 64],
        [257, 3],
        [2, 1000],
      ] as const) {
        await check(device, rows, columns, { variant: 'row', workgroupSize: 16 });
        await check(device, rows, columns, { variant: 'workgroup', workgroupSize: 64 });
      }
    }));

  for (const { name, options } of deviceConfigurations) {
    it(`splits and folds under ${name}`, () => withDevice((device) => check(device, 140, 64), options));
  }

  it('refuses a slice that is too small', () =>
    withDevice(async (device) => {
      const [x, out] = [uploadFilled(device, 12), uploadFilled(device, 8)];
      expect(() => softmax(device, { x, out, rows: 3, columns: 4 })).toThrow('"out" holds 32 bytes, 48 are needed');
    }));
});

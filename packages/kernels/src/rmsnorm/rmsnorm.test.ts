/** RMSNorm against the float64 reference, both variants, vectors and scalars, on ragged shapes. */
import * as reference from '@crossgate/testing';
import { expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { describeNorm } from '../../test/norms';
import { planNorm } from '../norm';
import { addRmsNorm, rmsNorm, rmsNormBackward } from './rmsnorm';

describe('planNorm', () => {
  it('gives a row to an invocation on software adapters and to a workgroup on hardware', () => {
    expect(planNorm({ columns: 64 }, { software: true })).toEqual({ variant: 'row', vector: true, workgroupSize: 8 });
    expect(planNorm({ columns: 4096 }, { software: false })).toEqual({
      variant: 'workgroup',
      vector: true,
      workgroupSize: 256,
    });
    expect(planNorm({ columns: 17 }, { software: false })).toEqual({
      variant: 'workgroup',
      vector: false,
      workgroupSize: 32,
    });
  });
});

describeNorm({
  name: 'rmsNorm',
  forward: rmsNorm,
  backward: rmsNormBackward,
  reference: ({ x, weight, epsilon }) => reference.rmsNorm(x, weight, epsilon),
  gradients: ({ x, weight, gradient, epsilon }) => reference.rmsNormBackward(x, weight, gradient, epsilon),
  offset: 0,
  tolerance: { out: 1e-6, input: 1e-5, weight: 1e-5 },
});

describe.each(deviceConfigurations)('addRmsNorm, $name', ({ options }) => {
  it('gives the sum, its norm, and the gradient of both ways', async () => {
    await withDevice(async (device) => {
      for (const [rows, columns] of [
        [1, 1],
        [17, 64],
        [130, 20],
        [65, 3],
        [2, 2048],
      ] as const) {
        for (const software of [true, false]) {
          const [x, y, gradOut, gradSum] = [1, 2, 3, 4].map((seed) => randomNormal([rows, columns], seed)) as [
            reference.Reference,
            reference.Reference,
            reference.Reference,
            reference.Reference,
          ];
          const weight = randomNormal([columns], 5);
          const total = { shape: x.shape, data: x.data.map((value, i) => value + y.data[i]!) };
          const shape = { rows, columns, epsilon: 1e-5, plan: planNorm({ columns }, { software }) };
          const [sum, out, gradX] = [1, 2, 3].map(() => uploadFilled(device, rows * columns)) as [
            ReturnType<typeof upload>,
            ReturnType<typeof upload>,
            ReturnType<typeof upload>,
          ];
          const given = { weight: upload(device, weight), ...shape };
          addRmsNorm(device, { x: upload(device, x), y: upload(device, y), sum, out, ...given });
          const slices = { gradOut: upload(device, gradOut), gradSum: upload(device, gradSum) };
          rmsNormBackward(device, { x: sum, ...slices, gradX, ...given });
          const label = `${rows} × ${columns} ${shape.plan.variant}`;
          expectClose(await download(device, sum), total, { label: `sum ${label}` });
          const normalized = reference.rmsNorm(total, weight, 1e-5);
          expectClose(await download(device, out), normalized, { label: `out ${label}`, absolute: 1e-6 });
          const { input } = reference.rmsNormBackward(total, weight, gradOut, 1e-5);
          const gradients = input.data.map((value, i) => value + gradSum.data[i]!);
          expectClose(await download(device, gradX), gradients, { label: `gradX ${label}`, absolute: 1e-5 });
        }
      }
    }, options);
  });
});

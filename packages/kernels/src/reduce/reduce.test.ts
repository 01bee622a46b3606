/** sum, sumOfSquares and clipFactor against float64. */
import { expectClose, randomNormal, strideRevealing } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { clipFactor, planReduce, sum, sumOfSquares } from './reduce';

describe.each(deviceConfigurations)('reduce, $name', ({ options }) => {
  it('sums values and squares', async () => {
    await withDevice(async (device) => {
      for (const count of [1, 3, 64, 65, 257, 4097, 30_001]) {
        const x = strideRevealing([count]);
        x.data[count - 1]! += 3;
        const slice = upload(device, x);
        const out = uploadFilled(device, 1, 10);
        const total = x.data.reduce((a, v) => a + v, 0);
        const squares = x.data.reduce((a, v) => a + v * v, 0);
        const label = `count ${count}`;
        sum(device, { x: slice, out, count, accumulate: true });
        expectClose(await download(device, out), [total + 10], { absolute: 1e-4, label });
        sum(device, { x: slice, out, count });
        expectClose(await download(device, out), [total], { absolute: 1e-4, label });
        sumOfSquares(device, { x: slice, out, count });
        expectClose(await download(device, out), [squares], { label });
        sumOfSquares(device, { x: slice, out, count, accumulate: true });
        expectClose(await download(device, out), [2 * squares], { label });
      }
    }, options);
  });

  it('is precise and repeatable over many values', async () => {
    await withDevice(async (device) => {
      const count = 100_003;
      const x = randomNormal([count], 5);
      const slice = upload(device, x);
      const results: number[] = [];
      for (let run = 0; run < 2; run++) {
        const out = uploadFilled(device, 1);
        sumOfSquares(device, { x: slice, out, count });
        results.push((await download(device, out))[0]!);
      }
      expect(results[0]).toBe(results[1]);
      expectClose([results[0]!], [x.data.reduce((a, v) => a + v * v, 0)], { relative: 1e-6 });
    }, options);
  });

  it('gives the clipping factor', async () => {
    await withDevice(async (device) => {
      for (const [squares, maxNorm, factor] of [
        [16, 2, 0.5],
        [16, 8, 1],
        [0, 1, 1],
        [Number.POSITIVE_INFINITY, 1, 0],
        [Number.NaN, 1, 0],
      ] as const) {
        const out = uploadFilled(device, 1);
        clipFactor(device, { sumOfSquares: upload(device, Float32Array.of(squares)), out, maxNorm });
        expectClose(await download(device, out), [factor]);
      }
    }, options);
  });
});

it('sums nothing to zero', async () => {
  await withDevice(async (device) => {
    const out = uploadFilled(device, 1);
    sum(device, { x: out, out, count: 0 });
    expect([...(await download(device, out))]).toEqual([0]);
  });
});

it('plans stages that shrink to one value', () => {
  const [software, hardware] = [{ software: true }, { software: false }];
  expect(planReduce({ count: 64 }, software)).toEqual({ workgroupSize: 8, width: 1, groups: 1 });
  expect(planReduce({ count: 65 }, hardware)).toEqual({ workgroupSize: 128, width: 2, groups: 1 });
  expect(planReduce({ count: 4097 }, software)).toEqual({ workgroupSize: 8, width: 8, groups: 9 });
  for (const capabilities of [software, hardware]) {
    for (const count of [2, 63, 129, 8193, 1_000_003]) {
      const { width, groups } = planReduce({ count }, capabilities);
      expect(width * groups * 64).toBeGreaterThanOrEqual(count);
      expect(width * groups).toBeLessThan(count);
    }
  }
});

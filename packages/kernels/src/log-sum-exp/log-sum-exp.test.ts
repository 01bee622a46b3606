/** logSumExp against float64, with columns left out. */
import { expectClose, logSumExpOf, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { logSumExp, planLogSumExp } from './log-sum-exp';

const shapes = [
  [1, 1],
  [3, 17],
  [700, 3],
  [257, 20],
  [5, 512],
] as const;

describe.each(deviceConfigurations)('logSumExp, $name', ({ options }) => {
  it.each([[], [2], [0, 2]])('of ragged rows without columns [%s, %s]', async (...skip) => {
    await withDevice(async (device) => {
      for (const [rows, columns] of shapes) {
        if (columns === 1 && skip.length > 0) continue;
        const x = randomNormal([rows, columns], 3, 10);
        x.data[0] = 80;
        x.data[columns * rows - 1] = -80;
        const out = uploadFilled(device, rows);
        logSumExp(device, { x: upload(device, x), out, rows, columns, skip: skip as [number?, number?] });
        const expected = Float64Array.from({ length: rows }, (_, r) =>
          logSumExpOf(x.data.subarray(r * columns, (r + 1) * columns), skip),
        );
        expectClose(await download(device, out), expected, {
          relative: 2e-6,
          absolute: 2e-6,
          label: `${rows}x${columns}`,
        });
      }
    }, options);
  });
});

it('stays precise over a large vocabulary', async () => {
  await withDevice(async (device) => {
    const [rows, columns] = [3, 32_000];
    const x = randomNormal([rows, columns], 8, 2);
    const out = uploadFilled(device, rows);
    logSumExp(device, { x: upload(device, x), out, rows, columns });
    const expected = Float64Array.from({ length: rows }, (_, r) =>
      logSumExpOf(x.data.subarray(r * columns, (r + 1) * columns)),
    );
    expectClose(await download(device, out), expected, { relative: 3e-7, absolute: 0 });
  });
});

it('stands for −∞ by the lowest number when every column is left out', async () => {
  await withDevice(async (device) => {
    const out = uploadFilled(device, 1);
    logSumExp(device, { x: upload(device, Float32Array.of(1, 2)), out, rows: 1, columns: 2, skip: [1, 0] });
    expect((await download(device, out))[0]).toBe(Math.fround(-3.4e38));
  });
});

it('plans about √columns parts', () => {
  const partsOf = (columns: number) => planLogSumExp({ columns }, { software: false }).parts;
  expect([1, 3, 64, 512, 32_000, 10_000_000].map(partsOf)).toEqual([1, 2, 8, 32, 128, 256]);
});

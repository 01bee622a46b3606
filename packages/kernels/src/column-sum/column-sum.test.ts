/** Column sums against float64 on ragged shapes, with accumulation and under lowered limits. */
import { InputError } from '@crossgate/gpu';
import { expectClose } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { columnSum, planColumnSum } from './column-sum';

const shapes: readonly [number, number][] = [
  [1, 1],
  [3, 17],
  [257, 3],
  [1000, 64],
  [1203, 8],
  [65, 65],
];

describe('columnSum', () => {
  for (const { name, options } of deviceConfigurations) {
    it(`equals the float64 sum (${name})`, async () => {
      await withDevice(async (device) => {
        for (const [rows, columns] of shapes) {
          for (const accumulate of [false, true]) {
            if (64 * columns > 4096 && name === 'low limits') continue;
            const x = Float32Array.from({ length: rows * columns }, (_, i) => Math.cos(i * 0.7) + (i % 13) / 13);
            const before = Float32Array.from({ length: columns }, (_, i) => i - 3);
            const out = accumulate ? upload(device, before) : uploadFilled(device, columns);
            columnSum(device, { x: upload(device, x), out, rows, columns, accumulate });
            const expected = Float64Array.from({ length: columns }, (_, c) => (accumulate ? before[c]! : 0));
            x.forEach((value, i) => {
              expected[i % columns]! += value;
            });
            const label = `${rows}x${columns} accumulate ${accumulate}`;
            expectClose(await download(device, out), expected, { relative: 1e-5, absolute: 1e-4, label });
          }
        }
      }, options);
    });
  }

  it('is zero without rows, and refuses slices that are too small', async () => {
    await withDevice(async (device) => {
      const out = uploadFilled(device, 5);
      columnSum(device, { x: uploadFilled(device, 1), out, rows: 0, columns: 5 });
      expect([...(await download(device, out))]).toEqual([0, 0, 0, 0, 0]);
      expect(() => columnSum(device, { x: out, out: uploadFilled(device, 5), rows: 2, columns: 5 })).toThrow(
        InputError,
      );
    });
  });

  it('plans splits that cover all rows once', () => {
    for (const software of [true, false]) {
      for (const rows of [1, 31, 64, 65, 1000, 20_001]) {
        const { splits, rowsPerSplit } = planColumnSum({ rows, columns: 64 }, { software });
        expect(splits * rowsPerSplit).toBeGreaterThanOrEqual(rows);
        expect((splits - 1) * rowsPerSplit).toBeLessThan(rows);
      }
    }
    expect(planColumnSum({ rows: 20_001, columns: 64 }, { software: true }).splits).toBeGreaterThan(8);
  });
});

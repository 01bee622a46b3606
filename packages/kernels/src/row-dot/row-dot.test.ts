/** rowDot against float64, both variants. */
import { expectClose, randomNormal, reference, strideRevealing } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { planRowDot, type RowDotPlan, rowDot } from './row-dot';

const shapes = [
  [1, 1],
  [3, 17],
  [65, 20],
  [257, 32],
  [130, 63],
  [15, 260],
] as const;

describe.each(deviceConfigurations)('rowDot, $name', ({ options }) => {
  it.each(['invocation', 'workgroup'] as const)('%s variant', async (variant) => {
    await withDevice(async (device) => {
      for (const [rows, columns] of shapes) {
        const a = randomNormal([rows, columns], 1);
        const b = strideRevealing([rows, columns]);
        const out = uploadFilled(device, rows);
        const plan: RowDotPlan = { variant, vector: columns % 4 === 0, workgroupSize: 64 };
        rowDot(device, { a: upload(device, a), b: upload(device, b), out, rows, columns, plan });
        const expected = reference([rows], (r) => {
          let total = 0;
          for (let c = 0; c < columns; c++) total += a.data[r * columns + c]! * b.data[r * columns + c]!;
          return total;
        });
        expectClose(await download(device, out), expected.data, {
          absolute: 1e-5,
          label: `rowDot ${variant} ${rows}x${columns}`,
        });
      }
    }, options);
  });
});

it('chooses no barriers on software adapters and for short rows', () => {
  expect(planRowDot({ columns: 512 }, { software: true }).variant).toBe('invocation');
  expect(planRowDot({ columns: 64 }, { software: false }).variant).toBe('invocation');
  expect(planRowDot({ columns: 512 }, { software: false })).toEqual({
    variant: 'workgroup',
    vector: true,
    workgroupSize: 64,
  });
});

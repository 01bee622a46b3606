/** Calibration error against hand-computed values and brute force. */
import { InputError } from '@crossgate/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { calibration } from '../src/index';

it('equals values computed by hand', () => {
  const label = [0, 1, 1, 1];
  const probability = [0.1, 0.3, 0.6, 0.8];
  // Two bins of equal width: .2 against ½, .7 against 1.
  expect(calibration(label, probability, { bins: 2 })).toEqual({
    expectedError: expect.closeTo(0.3, 14),
    maximumError: expect.closeTo(0.3, 14),
    bins: [
      { low: 0, high: 0.5, rows: 2, meanProbability: 0.2, positiveRate: 0.5 },
      { low: 0.5, high: 1, rows: 2, meanProbability: expect.closeTo(0.7, 14), positiveRate: 1 },
    ],
  });
  // Edges belong to the bin below; 0 and 1 to the outer ones; empty bins are left out.
  expect(calibration([0, 1, 1], [0, 0.5, 1], { bins: 2 }).bins.map((bin) => bin.rows)).toEqual([2, 1]);
  expect(calibration([0, 1], [0, 1], { bins: 5 })).toMatchObject({ expectedError: 0, maximumError: 0 });
  expect(calibration([], [])).toEqual({ expectedError: null, maximumError: null, bins: [] });
});

it('fills bins of equal mass evenly, and keeps ties together', () => {
  const probability = Array.from({ length: 101 }, (_, index) => (index / 100) ** 3);
  const even = calibration(new Array(101).fill(1), probability, { binning: 'equal-mass' });
  expect(even.bins.map((bin) => bin.rows)).toEqual([11, ...new Array<number>(9).fill(10)]);
  const tied = calibration([1, 0, 1, 0], [0.4, 0.4, 0.4, 0.4], { binning: 'equal-mass', bins: 3 });
  expect(tied.bins.map((bin) => bin.rows)).toEqual([4]);
  expect(tied.expectedError).toBeCloseTo(0.1, 14);
});

it('equals the sum over bins, filtered one by one', () => {
  const row = fc.record({ label: fc.nat(1), eighths: fc.nat(8) });
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom('equal-width' as const, 'equal-mass' as const),
      (rows, bins, binning) => {
        const label = rows.map((one) => one.label);
        const probability = rows.map((one) => one.eighths / 8);
        const result = calibration(label, probability, { bins, binning });
        expect(result.bins.reduce((sum, bin) => sum + bin.rows, 0)).toBe(rows.length);
        let expected = 0;
        for (const [index, bin] of result.bins.entries()) {
          const inside = rows.filter(
            ({ eighths }) =>
              (eighths / 8 > bin.low || (index === 0 && eighths / 8 >= bin.low)) && eighths / 8 <= bin.high,
          );
          expect(inside.length).toBe(bin.rows);
          expected += Math.abs(inside.reduce((sum, one) => sum + one.label - one.eighths / 8, 0)) / rows.length;
        }
        expect(result.expectedError).toBeCloseTo(expected, 12);
      },
    ),
  );
});

it('refuses what is no probability', () => {
  expect(() => calibration([1, 0], [0.5, 1.5])).toThrow(/^row 1: probability must lie in \[0, 1\], got 1.5/);
  expect(() => calibration([1], [Number.NaN])).toThrow(expect.objectContaining({ name: 'InputError' }));
  expect(() => calibration([1], [0.5], { bins: 0 })).toThrow(InputError);
});

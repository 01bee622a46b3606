/** Signed ranks, Holm's correction, and summaries over seeds, against their definitions. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSeeds, holmAdjust, signedRankTest, summarizeSeeds } from '../src/index';

describe('signedRankTest', () => {
  it('equals values computed by hand', () => {
    // Differences 1, −2, 2, 4, 0: ranks 1, 2½, 2½, 4.
    const result = signedRankTest([1, 0, 2, 4, 3], [0, 2, 0, 0, 3]);
    const variance = (1 ** 2 + 2 * 2.5 ** 2 + 4 ** 2) / 4;
    expect(result).toMatchObject({ pairs: 4, zeros: 1, meanDifference: 1, wPlus: 7.5, wMinus: 2.5 });
    expect(result.z).toBeCloseTo(2.5 / Math.sqrt(variance), 14);
  });

  it('has the mean and the variance of all assignments of signs, with ties', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 7 }), (magnitudes) => {
        const zero = magnitudes.map(() => 0);
        let sum = 0;
        let squares = 0;
        const worlds = 2 ** magnitudes.length;
        for (let signs = 0; signs < worlds; signs++) {
          const a = magnitudes.map((magnitude, index) => ((signs >> index) & 1 ? magnitude : -magnitude));
          const { z, wPlus, wMinus } = signedRankTest(a, zero);
          expect(wPlus + wMinus).toBe((magnitudes.length * (magnitudes.length + 1)) / 2);
          sum += z;
          squares += z * z;
        }
        expect(sum / worlds).toBeCloseTo(0, 10);
        expect(squares / worlds).toBeCloseTo(1, 10);
      }),
      { numRuns: 30 },
    );
  });

  it('changes sign when the sides change', () => {
    const column = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 30 });
    fc.assert(
      fc.property(column, (pairs) => {
        const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
        const [forth, back] = [signedRankTest(a, b), signedRankTest(b, a)];
        expect(forth.z).toBeCloseTo(-back.z, 12);
        expect(forth.pValue).toBeCloseTo(back.pValue, 12);
        expect(forth.wPlus).toBe(back.wMinus);
      }),
    );
  });

  it('finds nothing in equal columns, and names a bad pair', () => {
    expect(signedRankTest([1, 2], [1, 2])).toMatchObject({ pairs: 0, zeros: 2, z: 0, pValue: 1, meanDifference: 0 });
    expect(signedRankTest([], [])).toMatchObject({ meanDifference: null, pValue: 1 });
    expect(() => signedRankTest([1, Number.NaN], [1, 1])).toThrow(/^pair 1: both values must be finite/);
    expect(() => signedRankTest([1], [])).toThrow(expect.objectContaining({ name: 'InputError' }));
  });
});

describe('holmAdjust', () => {
  it('equals values computed by hand', () => {
    const adjusted = holmAdjust([0.01, 0.04, 0.03, 0.005]);
    for (const [index, value] of [0.03, 0.06, 0.06, 0.02].entries()) expect(adjusted[index]).toBeCloseTo(value, 14);
    expect(holmAdjust([])).toHaveLength(0);
  });

  it('rejects what the step-down procedure rejects', () => {
    // Thousandths, against an α between them, so that no comparison hangs on rounding.
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { maxLength: 12 }), fc.nat(999), (thousandths, level) => {
        const p = thousandths.map((value) => value / 1000);
        const alpha = level / 1000 + 1e-5;
        const rejected = new Set<number>();
        const left = new Set(p.keys());
        while (left.size > 0) {
          const least = [...left].reduce((best, index) => (p[index]! < p[best]! ? index : best));
          if (p[least]! > alpha / left.size) break;
          rejected.add(least);
          left.delete(least);
        }
        expect([...holmAdjust(p)].map((value) => value <= alpha)).toEqual(
          [...p.keys()].map((index) => rejected.has(index)),
        );
      }),
    );
  });

  it('refuses what is no probability', () => {
    expect(() => holmAdjust([0.1, 1.1])).toThrow(/^p-value 1 must lie in \[0, 1\], got 1.1/);
    expect(() => holmAdjust([Number.NaN])).toThrow(expect.objectContaining({ name: 'InputError' }));
  });
});

describe('summarizeSeeds', () => {
  it('gives mean and sample deviation', () => {
    const summary = summarizeSeeds([0.7, 0.72, 0.74]);
    expect(summary.mean).toBeCloseTo(0.72, 14);
    expect(summary.standardDeviation).toBeCloseTo(0.02, 14);
    expect(formatSeeds(summary)).toBe('0.7200 ± 0.0200');
    expect(formatSeeds(summarizeSeeds([0.75]), 2)).toBe('0.75');
    expect(formatSeeds(summarizeSeeds([]))).toBe('–');
    expect(() => summarizeSeeds([1, Infinity])).toThrow(/^run 1: value must be a finite number/);
  });
});

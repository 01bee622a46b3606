/** DeLong's variance and test: by the definition, by simulation, and by hand; the normal distribution behind them. */
import { InputError } from '@crossgate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auc, deLongInterval, deLongTest, deLongTestOfMeans, normalQuantile, normalUpperTail } from '../src/index';

const labeled = fc.array(fc.record({ label: fc.nat(1), a: fc.nat(6), b: fc.nat(6) }), { minLength: 4, maxLength: 40 });

/** Covariance of the AUCs of two score columns, straight from the 1988 definition by all pairs. */
function covarianceByDefinition(label: number[], a: number[], b: number[]): number {
  const kernel = (x: number, y: number) => (x > y ? 1 : x === y ? 0.5 : 0);
  const positives = [...label.keys()].filter((index) => label[index] === 1);
  const negatives = [...label.keys()].filter((index) => label[index] === 0);
  const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const at = (score: number[], index: number) => score[index] as number;
  const v10 = (score: number[]) =>
    positives.map((p) => average(negatives.map((n) => kernel(at(score, p), at(score, n)))));
  const v01 = (score: number[]) =>
    negatives.map((n) => average(positives.map((p) => kernel(at(score, p), at(score, n)))));
  const cov = (x: number[], y: number[]) =>
    x.reduce((sum, value, index) => sum + (value - average(x)) * (at(y, index) - average(y)), 0) / (x.length - 1);
  return cov(v10(a), v10(b)) / positives.length + cov(v01(a), v01(b)) / negatives.length;
}

describe('deLongInterval', () => {
  it('equals a case computed by hand', () => {
    // Positives 1, 3, 4 beat negatives 0, 2 at shares ½, 1, 1; negatives are beaten at shares 1, ⅔: AUC 5/6.
    const result = deLongInterval([1, 1, 1, 0, 0], [1, 3, 4, 0, 2]);
    const variance = 1 / 12 / 3 + 1 / 18 / 2;
    expect(result?.auc).toBeCloseTo(5 / 6, 14);
    expect(result?.variance).toBeCloseTo(variance, 14);
    expect(result?.interval[0]).toBeCloseTo(5 / 6 - 1.959963984540054 * Math.sqrt(variance), 12);
    expect(result?.interval[1]).toBe(1);
  });

  it('equals the definition over all pairs, with ties', () => {
    fc.assert(
      fc.property(labeled, (rows) => {
        const label = rows.map((row) => row.label);
        const a = rows.map((row) => row.a);
        const result = deLongInterval(label, a);
        const positives = label.filter((value) => value === 1).length;
        if (positives < 2 || label.length - positives < 2) {
          expect(result).toBeNull();
          return;
        }
        expect(result?.auc).toBeCloseTo(auc(label, a) as number, 12);
        expect(result?.variance).toBeCloseTo(covarianceByDefinition(label, a, a), 12);
        expect(result?.interval[0]).toBeGreaterThanOrEqual(0);
        expect(result?.interval[1]).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('narrows to a point when the order is perfect, and widens with the level', () => {
    expect(deLongInterval([0, 0, 1, 1], [1, 2, 3, 4])).toEqual({ auc: 1, variance: 0, interval: [1, 1] });
    const width = (level: number) => {
      const result = deLongInterval([1, 0, 1, 0, 1, 0, 1, 0], [4, 1, 2, 3, 6, 5, 2, 2], level);
      return (result?.interval[1] as number) - (result?.interval[0] as number);
    };
    expect(width(0.5)).toBeLessThan(width(0.8));
    expect(() => width(1)).toThrow(InputError);
  });
});

describe('deLongTest', () => {
  it('equals the definition: variances less twice the covariance', () => {
    fc.assert(
      fc.property(labeled, (rows) => {
        const label = rows.map((row) => row.label);
        const a = rows.map((row) => row.a);
        const b = rows.map((row) => row.b);
        const result = deLongTest(label, a, b);
        if (result === null) return;
        const variance =
          covarianceByDefinition(label, a, a) +
          covarianceByDefinition(label, b, b) -
          2 * covarianceByDefinition(label, a, b);
        expect(result.standardError ** 2).toBeCloseTo(variance, 12);
        expect(result.difference).toBeCloseTo((auc(label, a) as number) - (auc(label, b) as number), 12);
        const swapped = deLongTest(label, b, a);
        expect(swapped?.z).toBeCloseTo(-result.z, 12);
        expect(swapped?.pValue).toBeCloseTo(result.pValue, 12);
      }),
    );
  });

  it('finds no difference between equal columns, and rejects at its level under the null', () => {
    expect(deLongTest([1, 0, 1, 0], [1, 2, 3, 4], [1, 2, 3, 4])).toMatchObject({ difference: 0, z: 0, pValue: 1 });
    // Two noisy readings of one signal: equal true AUCs. A linear congruential generator keeps the test fixed.
    let state = 1;
    const uniform = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state + 0.5) / 2 ** 32;
    };
    const normal = () => normalQuantile(uniform());
    const runs = 400;
    let rejected = 0;
    for (let run = 0; run < runs; run++) {
      const label = Array.from({ length: 120 }, (_, index) => index % 2);
      const signal = label.map((value) => value + normal());
      const reading = () => signal.map((value) => value + normal());
      if ((deLongTest(label, reading(), reading())?.pValue as number) < 0.05) rejected++;
    }
    // Binomial(400, .05): mean 20, sd 4.4; four sd either way.
    expect(rejected).toBeGreaterThan(2);
    expect(rejected).toBeLessThan(38);
  });
});

describe('normal distribution', () => {
  it('equals tabulated values', () => {
    // Abramowitz & Stegun, table 26.1 and 26.2; 6 from the asymptotic series.
    for (const [x, tail] of [
      [0, 0.5],
      [1, 0.158655253931457],
      [1.959963984540054, 0.025],
      [3, 0.00134989803163009],
      [6, 9.86587645037698e-10],
    ] as const) {
      expect(normalUpperTail(x) / tail).toBeCloseTo(1, 7);
      expect(normalUpperTail(-x)).toBeCloseTo(1 - tail, 12);
    }
    expect(normalUpperTail(1) / 0.158655253931457).toBeCloseTo(1, 13);
    expect(normalUpperTail(6) / 9.86587645037698e-10).toBeCloseTo(1, 12);
    // The two formulas meet at 3: the difference over a small step is density times step.
    const step = 1e-6;
    const slope = (normalUpperTail(3 - step) - normalUpperTail(3 + step)) / (2 * step);
    expect(slope).toBeCloseTo(Math.exp(-4.5) / Math.sqrt(2 * Math.PI), 9);
    expect(normalUpperTail(Infinity)).toBe(0);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 13);
    expect(normalQuantile(0.005)).toBeCloseTo(-2.5758293035489, 12);
  });
});

describe('deLongTestOfMeans', () => {
  it('tests the mean AUC with the variance of the mean difference', () => {
    fc.assert(
      fc.property(labeled, fc.infiniteStream(fc.nat(6)), (rows, third) => {
        const label = rows.map((row) => row.label);
        const [a, b] = [rows.map((row) => row.a), rows.map((row) => row.b)];
        const c = rows.map(() => third.next().value as number);
        const result = deLongTestOfMeans(label, [a, b], [c]);
        const positives = label.filter((value) => value === 1).length;
        if (positives < 2 || label.length - positives < 2) {
          expect(result).toBeNull();
          return;
        }
        const of = (score: number[]) => auc(label, score) as number;
        expect(result?.difference).toBeCloseTo((of(a) + of(b)) / 2 - of(c), 12);
        // var((A + B)/2 − C), from the covariances of the definition.
        const cov = (x: number[], y: number[]) => covarianceByDefinition(label, x, y);
        const variance = (cov(a, a) + cov(b, b) + 2 * cov(a, b)) / 4 + cov(c, c) - cov(a, c) - cov(b, c);
        expect((result?.standardError as number) ** 2).toBeCloseTo(variance, 12);
      }),
    );
  });

  it('is the paired test for one column a side, and needs one', () => {
    const [label, a, b] = [
      [1, 0, 1, 0, 1],
      [3, 1, 2, 2, 5],
      [1, 2, 3, 1, 2],
    ];
    expect(deLongTestOfMeans(label, [a], [b])).toEqual(deLongTest(label, a, b));
    expect(() => deLongTestOfMeans(label, [], [b])).toThrow(/at least one score column/);
  });
});

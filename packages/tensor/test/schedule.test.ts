// Learning rates by step.
import { describe, expect, it } from 'vitest';
import { learningRateAt } from '../src';

const rates = (options: Parameters<typeof learningRateAt>[1], steps: number) =>
  Array.from({ length: steps }, (_, step) => learningRateAt(step, options));

describe('learningRateAt', () => {
  it('is constant without anything else', () => {
    expect(rates({ learningRate: 0.5 }, 4)).toEqual([0.5, 0.5, 0.5, 0.5]);
    expect(learningRateAt(1e9, { learningRate: 0.5, totalSteps: 10 })).toBe(0.5);
  });

  it('warms up in equal steps from warmupStart to learningRate', () => {
    const options = { learningRate: 1, warmupSteps: 4, warmupStart: 0.2 };
    const expected = [0.2, 0.4, 0.6, 0.8, 1, 1];
    for (const [step, rate] of rates(options, 6).entries()) expect(rate).toBeCloseTo(expected[step]!, 12);
    expect(learningRateAt(0, { learningRate: 1, warmupSteps: 4 })).toBe(0);
  });

  it('falls as a half cosine from the end of warm-up to totalSteps', () => {
    const options = {
      learningRate: 1e-3,
      warmupSteps: 200,
      warmupStart: 1e-5,
      schedule: 'cosine',
      totalSteps: 1000,
      minLearningRate: 8e-5,
    } as const;
    expect(learningRateAt(0, options)).toBe(1e-5);
    expect(learningRateAt(200, options)).toBe(1e-3);
    expect(learningRateAt(600, options)).toBeCloseTo((1e-3 + 8e-5) / 2, 15);
    expect(learningRateAt(400, options)).toBeCloseTo(8e-5 + 0.5 * (1e-3 - 8e-5) * (1 + Math.SQRT1_2), 15);
    expect(learningRateAt(1000, options)).toBeCloseTo(8e-5, 15);
    // Beyond the end it stays there: a run that goes on must not climb again.
    expect(learningRateAt(1500, options)).toBeCloseTo(8e-5, 15);
    const falling = rates(options, 1001).slice(200);
    for (const [i, rate] of falling.slice(1).entries()) expect(rate).toBeLessThan(falling[i]!);
  });

  it('ends at zero by default, also when all steps are warm-up', () => {
    expect(learningRateAt(10, { learningRate: 1, schedule: 'cosine', totalSteps: 10 })).toBe(0);
    const rate = learningRateAt(5, { learningRate: 1, schedule: 'cosine', warmupSteps: 5, totalSteps: 5 });
    expect(rate).toBe(1);
  });
});

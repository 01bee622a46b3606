/** t-SNE: against scikit-learn, the gradient against differences, and the properties that its definition gives. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tSne } from '../src';
import { divergenceGradient, jointProbabilities, klDivergence } from '../src/t-sne';

interface Reference {
  small: {
    points: number[][];
    perplexity: number;
    joint: number[];
    positions: number[][];
    divergence: number;
    gradient: number[];
  };
  maps: { points: number[][]; perplexity: number; divergences: number[] };
}
const reference = JSON.parse(readFileSync(new URL('fixtures/t-sne.json', import.meta.url), 'utf8')) as Reference;
const matrix = (points: number[][]) => ({ values: points.flat(), columns: points[0]!.length });

/** Points around two centers that are far apart. */
function clusters(rows: number, columns: number): number[][] {
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => (i % 2) * 8 + Math.sin(7.1 * i * i + 3.7 * j + 1)),
  );
}

describe('against scikit-learn', () => {
  const { small, maps } = reference;

  it('the joint probabilities', async () => {
    const joint = await jointProbabilities(matrix(small.points), small.perplexity);
    expect(joint).toHaveLength(small.joint.length);
    // Its own search stops at an entropy within 1e-5, which far neighbors feel most; ours within 1e-10.
    for (const [pair, p] of joint.entries()) expect(Math.abs(p / small.joint[pair]! - 1)).toBeLessThan(1e-3);
  });

  it('divergence and gradient at given positions', () => {
    const [joint, positions] = [Float64Array.from(small.joint), Float64Array.from(small.positions.flat())];
    expect(klDivergence(joint, positions)).toBeCloseTo(small.divergence, 10);
    const gradient = new Float64Array(positions.length);
    divergenceGradient(joint, positions, gradient, 1);
    for (const [i, slope] of gradient.entries()) expect(slope).toBeCloseTo(small.gradient[i]!, 12);
  });

  it('the divergence that maps end with', async () => {
    const ours: number[] = [];
    for (let seed = 1; seed <= 4; seed++) {
      ours.push((await tSne(matrix(maps.points), { seed, perplexity: maps.perplexity })).divergence);
    }
    // Each start ends in an optimum of its own: the best and the worst of ours lie within the spread of theirs.
    const [low, high] = [Math.min(...maps.divergences), Math.max(...maps.divergences)];
    expect(Math.min(...ours)).toBeGreaterThan(low - 0.02);
    expect(Math.max(...ours)).toBeLessThan(high + 0.02);
  });
});

describe('jointProbabilities', () => {
  it('sum to 1 over both orders of each pair', async () => {
    const joint = await jointProbabilities(matrix(clusters(61, 5)), 12);
    expect(joint).toHaveLength((61 * 60) / 2);
    expect(2 * joint.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
    expect(Math.min(...joint)).toBeGreaterThan(0);
  });

  it('meet the perplexity: of points on a ring, each sees the same neighbors', async () => {
    const rows = 50;
    const ring = Array.from({ length: rows }, (_, i) =>
      [Math.cos, Math.sin].map((of) => 1000 * of((2 * Math.PI * i) / rows)),
    );
    for (const perplexity of [2.5, 7, 40]) {
      const joint = await jointProbabilities(matrix(ring), perplexity);
      // All rows are alike, so the conditional probabilities of the first are its joint ones times the number of points.
      const first = joint.subarray(0, rows - 1).map((p) => p * rows);
      const entropy = -first.reduce((sum, p) => sum + p * Math.log(p), 0);
      expect(Math.exp(entropy)).toBeCloseTo(perplexity, 6);
    }
  });

  it('share among points that coincide, far more than the perplexity asks for', async () => {
    const points = Array.from({ length: 60 }, (_, i) => (i < 40 ? [5, 5, 5] : [i, i * i, -i]));
    const joint = await jointProbabilities(matrix(points), 5);
    expect(joint.every(Number.isFinite)).toBe(true);
    expect(joint[0]).toBeCloseTo(1 / 39 / 60, 6);
  });

  it('hold whatever the scale of the points is', async () => {
    const points = clusters(30, 4);
    const [one, large, little] = await Promise.all(
      [1, 1e8, 1e-8].map((scale) => jointProbabilities(matrix(points.map((p) => p.map((x) => x * scale))), 8)),
    );
    for (const [pair, p] of one!.entries()) {
      expect(large![pair]).toBeCloseTo(p, 9);
      expect(little![pair]).toBeCloseTo(p, 9);
    }
  });
});

it('the gradient is that of the divergence, by differences', async () => {
  const joint = await jointProbabilities(matrix(clusters(17, 3)), 5);
  const positions = Float64Array.from({ length: 34 }, (_, i) => 3 * Math.sin(5.3 * i * i));
  const gradient = new Float64Array(34);
  divergenceGradient(joint, positions, gradient, 1);
  for (const i of positions.keys()) {
    const at = (step: number) => klDivergence(joint, positions.with(i, positions[i]! + step));
    expect(gradient[i]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 8);
  }
});

describe('tSne', () => {
  it('separates two clusters', async () => {
    const { positions, divergence, perplexity } = await tSne(matrix(clusters(60, 10)), { seed: 1, iterations: 500 });
    expect(perplexity).toBe(59 / 3);
    expect(divergence).toBeGreaterThan(0);
    const distance = (a: number, b: number) =>
      Math.hypot(positions[2 * a]! - positions[2 * b]!, positions[2 * a + 1]! - positions[2 * b + 1]!);
    const pairs = Array.from({ length: 60 }, (_, a) => Array.from({ length: a }, (_, b) => [a, b] as const)).flat();
    const same = pairs.filter(([a, b]) => a % 2 === b % 2).map((pair) => distance(...pair));
    const other = pairs.filter(([a, b]) => a % 2 !== b % 2).map((pair) => distance(...pair));
    expect(Math.min(...other)).toBeGreaterThan(Math.max(...same));
  });

  it('gives the same map for the same seed, centered, and another for another', async () => {
    const points = matrix(clusters(20, 3));
    const [a, b, c] = await Promise.all([1, 1, 2].map((seed) => tSne(points, { seed, iterations: 60 })));
    expect(b!.positions).toEqual(a!.positions);
    expect(c!.positions).not.toEqual(a!.positions);
    for (const axis of [0, 1]) {
      expect(a!.positions.filter((_, i) => i % 2 === axis).reduce((sum, x) => sum + x, 0)).toBeCloseTo(0, 9);
    }
  });

  it.each([2, 3, 5])('takes %i points, some of them equal', async (rows) => {
    const { positions } = await tSne({ values: new Float32Array(rows * 2), columns: 2 }, { seed: 3 });
    expect(positions).toHaveLength(2 * rows);
    expect(positions.every(Number.isFinite)).toBe(true);
  });

  it('refuses what are no points', async () => {
    const run = (values: number[], columns: number, perplexity?: number) =>
      tSne({ values, columns }, { seed: 1, ...(perplexity !== undefined && { perplexity }) });
    await expect(run([1, 2, 3], 2)).rejects.toThrow('3 values are no whole number of points with 2 coordinates');
    await expect(run([1, 2], 2)).rejects.toThrow('at least 2 points, got 1');
    await expect(run([1, 2, Number.NaN, 4], 2)).rejects.toThrow('point 1: coordinate 0 is NaN');
    await expect(run([1, 2, 3], 1, 3)).rejects.toThrow('perplexity must lie in 1 … 2 for 3 points, got 3');
  });

  it('reports its steps, and ends when it is told to', async () => {
    const abort = new AbortController();
    const seen: number[] = [];
    const work = tSne(matrix(clusters(12, 2)), {
      seed: 1,
      signal: abort.signal,
      onProgress(done, total) {
        seen.push(done);
        expect(total).toBe(1000);
        if (done === 40) abort.abort();
      },
    });
    await expect(work).rejects.toThrow('interrupted');
    expect(seen).toEqual([0, 20, 40]);
  });
});

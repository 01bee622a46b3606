/**
 * Exact t-SNE (van der Maaten & Hinton 2008) in two dimensions, in float64. Its defaults are those of scikit-learn with
 * `method="exact", init="random"`.
 */
import { InputError, philox4x32, throwIfInterrupted } from '@crossgate/core';

/** Points as one matrix. */
export interface PointMatrix {
  /** [rows, columns], row by row; finite numbers. */
  readonly values: ArrayLike<number>;
  /** Number of coordinates of each point, at least 1. */
  readonly columns: number;
}

/** Settings of {@link tSne}. */
export interface TSneOptions {
  /** Seed of the initial positions. */
  readonly seed: number;
  /**
   * Effective number of neighbors of each point, from 1 to below the number of points. Default 30, or a third of the
   * other points where that is less.
   */
  readonly perplexity?: number;
  /** Number of gradient steps. Default 1,000. */
  readonly iterations?: number;
  /** Factor on all attractive forces during the first quarter of the steps. Default 12. */
  readonly earlyExaggeration?: number;
  /** Step size. Default: points / exaggeration / 4, at least 50. */
  readonly learningRate?: number;
  /** Called now and then with the number of steps done and of all steps. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborting it ends the work. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link tSne} found. */
export interface TSneMap {
  /** [rows, 2], centered. */
  readonly positions: Float64Array;
  /** KL(P ‖ Q) in nats: how much of the neighborhoods is lost. */
  readonly divergence: number;
  /** The perplexity that was used. */
  readonly perplexity: number;
}

/** Steps between two pauses, in which others may work and an interruption is seen. */
const PAUSE = 20;

/**
 * Places points in the plane so that near ones stay near. The same seed gives the same map. Time and memory grow with
 * the square of the number of points: 3,000 points take about 110 MB.
 *
 * @throws InputError for values that are no whole number of points, and for one that is not finite; RangeError for
 * fewer than 2 points and a perplexity out of range; InterruptedError once the signal is aborted.
 */
export async function tSne(points: PointMatrix, options: TSneOptions): Promise<TSneMap> {
  const rows = countRows(points);
  const { seed, iterations = 1000, earlyExaggeration = 12, onProgress, signal } = options;
  const { perplexity = Math.max(1, Math.min(30, (rows - 1) / 3)) } = options;
  const { learningRate = Math.max(rows / earlyExaggeration / 4, 50) } = options;
  const similarities = await jointProbabilities(points, perplexity, signal);
  const positions = randomPositions(rows, seed);
  const [gradient, update] = [new Float64Array(2 * rows), new Float64Array(2 * rows)];
  const gains = new Float64Array(2 * rows).fill(1);
  const early = Math.floor(iterations / 4);
  for (let iteration = 0; iteration < iterations; iteration++) {
    if (iteration % PAUSE === 0) {
      onProgress?.(iteration, iterations);
      await pause(signal);
    }
    const [exaggeration, momentum] = iteration < early ? [earlyExaggeration, 0.5] : [1, 0.8];
    divergenceGradient(similarities, positions, gradient, exaggeration);
    for (let i = 0; i < gradient.length; i++) {
      const [slope, before] = [gradient[i]!, update[i]!];
      // A coordinate that keeps its direction goes faster, one that swings goes slower.
      gains[i] = Math.max(0.01, slope * before < 0 ? gains[i]! + 0.2 : gains[i]! * 0.8);
      update[i] = momentum * before - learningRate * gains[i]! * slope;
      positions[i]! += update[i]!;
    }
  }
  onProgress?.(iterations, iterations);
  center(positions);
  return { positions, divergence: klDivergence(similarities, positions), perplexity };
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  if (signal) throwIfInterrupted(signal);
}

function countRows({ values, columns }: PointMatrix): number {
  const rows = values.length / columns;
  if (!Number.isInteger(rows)) {
    throw new InputError(`${values.length} values are no whole number of points with ${columns} coordinates`);
  }
  if (rows < 2) throw new RangeError(`t-SNE needs at least 2 points, got ${rows}`);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]))
      throw new InputError(`point ${Math.floor(i / columns)}: coordinate ${i % columns} is ${values[i]}, not finite`);
  }
  return rows;
}

/** Normal numbers with a deviation of 1e-4, [rows, 2]. */
function randomPositions(rows: number, seed: number): Float64Array {
  const positions = new Float64Array(2 * rows);
  for (let row = 0; row < rows; row++) {
    const [a, b] = philox4x32([row, 0, 0, 0], [seed >>> 0, 0x74534e45]);
    // Box and Muller: two uniform numbers, the first above 0, give two normal ones.
    const radius = 1e-4 * Math.sqrt(-2 * Math.log((a + 0.5) / 2 ** 32));
    const angle = (2 * Math.PI * b) / 2 ** 32;
    positions[2 * row] = radius * Math.cos(angle);
    positions[2 * row + 1] = radius * Math.sin(angle);
  }
  return positions;
}

function center(positions: Float64Array): void {
  for (const axis of [0, 1]) {
    let sum = 0;
    for (let i = axis; i < positions.length; i += 2) sum += positions[i]!;
    const mean = (2 * sum) / positions.length;
    for (let i = axis; i < positions.length; i += 2) positions[i]! -= mean;
  }
}

/** The least probability, so that every logarithm is finite. */
const LEAST = Number.EPSILON;

/**
 * Joint probabilities of pairs of points: how likely they are neighbors, by Gaussians around each point whose widths
 * give the perplexity.
 *
 * @returns p[i, j] for i < j, row by row: [rows · (rows − 1) / 2]. All pairs in both orders sum to 1.
 * @throws as {@link tSne}
 */
export async function jointProbabilities(
  points: PointMatrix,
  perplexity: number,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const rows = countRows(points);
  if (!(perplexity >= 1 && perplexity < rows)) {
    throw new RangeError(`perplexity must lie in 1 … ${rows - 1} for ${rows} points, got ${perplexity}`);
  }
  const { columns } = points;
  const values = Float64Array.from(points.values);
  const full = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    if (i % 100 === 0) await pause(signal);
    for (let j = i + 1; j < rows; j++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) {
        const difference = values[i * columns + k]! - values[j * columns + k]!;
        sum += difference * difference;
      }
      full[i * rows + j] = sum;
      full[j * rows + i] = sum;
    }
  }
  for (let i = 0; i < rows; i++) {
    conditionalProbabilities(full.subarray(i * rows, (i + 1) * rows), i, Math.log(perplexity));
  }
  const joint = new Float64Array((rows * (rows - 1)) / 2);
  let pair = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = i + 1; j < rows; j++) {
      joint[pair++] = Math.max(LEAST, (full[i * rows + j]! + full[j * rows + i]!) / (2 * rows));
    }
  }
  return joint;
}

/**
 * Turns the squared distances from one point into the probabilities of its neighbors, by a search for the width of the
 * Gaussian. Where more points coincide with it than the entropy allows, these share the probability.
 *
 * @param row squared distances, changed in place
 * @param entropy the logarithm of the perplexity
 */
function conditionalProbabilities(row: Float64Array, self: number, entropy: number): void {
  // Distances beyond the nearest are all that matters; so the largest term of the sum is 1 and cannot vanish.
  let nearest = Number.POSITIVE_INFINITY;
  for (let j = 0; j < row.length; j++) if (j !== self) nearest = Math.min(nearest, row[j]!);
  let [low, high, precision] = [0, Number.POSITIVE_INFINITY, 1];
  const distances = row.slice();
  for (let attempt = 0; attempt < 200; attempt++) {
    let [sum, weighted] = [0, 0];
    for (let j = 0; j < row.length; j++) {
      const beyond = distances[j]! - nearest;
      const value = j === self ? 0 : Math.exp(-beyond * precision);
      row[j] = value;
      sum += value;
      weighted += beyond * value;
    }
    for (let j = 0; j < row.length; j++) row[j]! /= sum;
    const excess = Math.log(sum) + (precision * weighted) / sum - entropy;
    if (Math.abs(excess) < 1e-10) return;
    if (excess > 0) low = precision;
    else high = precision;
    precision = high === Number.POSITIVE_INFINITY ? 2 * precision : (low + high) / 2;
    if (precision === low || precision === high || precision === Number.POSITIVE_INFINITY) return;
  }
}

/**
 * Gradient of KL(P ‖ Q) by the positions, with P times `exaggeration`.
 *
 * @param similarities of {@link jointProbabilities}
 * @param positions [rows, 2]
 * @param gradient [rows, 2], written
 */
export function divergenceGradient(
  similarities: Float64Array,
  positions: Float64Array,
  gradient: Float64Array,
  exaggeration: number,
): void {
  const rows = positions.length / 2;
  const repulsion = new Float64Array(2 * rows);
  gradient.fill(0);
  let total = 0;
  let pair = 0;
  for (let i = 0; i < rows; i++) {
    const [x, y] = [positions[2 * i]!, positions[2 * i + 1]!];
    let [pullX, pullY, pushX, pushY] = [0, 0, 0, 0];
    for (let j = 2 * i + 2; j < 2 * rows; j += 2) {
      const dx = x - positions[j]!;
      const dy = y - positions[j + 1]!;
      const weight = 1 / (1 + dx * dx + dy * dy);
      const pull = similarities[pair++]! * weight;
      const push = weight * weight;
      total += weight;
      pullX += pull * dx;
      pullY += pull * dy;
      pushX += push * dx;
      pushY += push * dy;
      gradient[j]! -= pull * dx;
      gradient[j + 1]! -= pull * dy;
      repulsion[j]! -= push * dx;
      repulsion[j + 1]! -= push * dy;
    }
    gradient[2 * i]! += pullX;
    gradient[2 * i + 1]! += pullY;
    repulsion[2 * i]! += pushX;
    repulsion[2 * i + 1]! += pushY;
  }
  for (let i = 0; i < gradient.length; i++) {
    gradient[i] = 4 * (exaggeration * gradient[i]! - repulsion[i]! / (2 * total));
  }
}

/** KL(P ‖ Q) in nats over all pairs in both orders. */
export function klDivergence(similarities: Float64Array, positions: Float64Array): number {
  const rows = positions.length / 2;
  const weights = new Float64Array(similarities.length);
  let [total, pair] = [0, 0];
  for (let i = 0; i < rows; i++) {
    for (let j = i + 1; j < rows; j++) {
      const dx = positions[2 * i]! - positions[2 * j]!;
      const dy = positions[2 * i + 1]! - positions[2 * j + 1]!;
      const weight = 1 / (1 + dx * dx + dy * dy);
      weights[pair++] = weight;
      total += 2 * weight;
    }
  }
  let sum = 0;
  for (const [k, p] of similarities.entries()) sum += 2 * p * Math.log(p / Math.max(LEAST, weights[k]! / total));
  return sum;
}

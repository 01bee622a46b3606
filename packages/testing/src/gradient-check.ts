/** Finite differences, and the check of any gradient against them by callbacks. */
import { expectClose, type Tolerance } from './compare';

/** A real function of a flat vector. It must not keep or change the vector. */
export type ScalarFunction = (x: Float64Array) => number;

/**
 * Central differences (f(x+ε) − f(x−ε)) / 2ε for the listed coordinates of `x` (all of them by default), in that order.
 * The error is about ε² plus rounding / ε, so 1e-5 suits float64 functions of magnitude around 1.
 */
export function finiteDifference(
  f: ScalarFunction,
  x: Float64Array,
  indices?: ArrayLike<number>,
  epsilon = 1e-5,
): Float64Array {
  const point = x.slice();
  const count = indices ? indices.length : x.length;
  const result = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    const index = indices ? indices[n]! : n;
    const original = point[index];
    if (original === undefined) throw new RangeError(`finiteDifference: no coordinate ${index} in ${x.length} values`);
    point[index] = original + epsilon;
    const above = f(point);
    point[index] = original - epsilon;
    const below = f(point);
    point[index] = original;
    result[n] = (above - below) / (2 * epsilon);
  }
  return result;
}

export interface GradientCheck extends Tolerance {
  /** The function whose gradient is claimed. */
  value: ScalarFunction;
  /** The claimed gradient at `at`, one entry per coordinate. */
  gradient: ArrayLike<number>;
  /** The point. */
  at: Float64Array;
  /** Coordinates to compare; all by default. */
  indices?: ArrayLike<number>;
  /** Step of the central difference; default 1e-5. */
  epsilon?: number;
}

/**
 * Throws, naming the coordinate and both values, unless the claimed gradient agrees with central differences of `value`
 * (defaults: relative 1e-6, absolute 1e-8, for float64 gradients; loosen for f32 ones). A gradient that is zero
 * everywhere is refused: it would pass for a function that ignores its argument.
 */
export function checkGradient(check: GradientCheck): void {
  const { value, gradient, at, indices, epsilon, label = 'gradient', relative = 1e-6, absolute = 1e-8 } = check;
  if (gradient.length !== at.length) {
    throw new Error(`${label}: ${gradient.length} gradient entries for ${at.length} coordinates`);
  }
  const expected = finiteDifference(value, at, indices, epsilon);
  if (expected.every((entry) => entry === 0)) {
    throw new Error(`${label}: the function does not depend on any checked coordinate, so nothing is checked`);
  }
  const claimed = indices ? Float64Array.from(indices, (index) => gradient[index]!) : gradient;
  expectClose(claimed, expected, { relative, absolute, label });
}

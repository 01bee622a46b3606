/** Comparison of results with their reference, with errors that say where and by how much. */
import { type Reference, showShape, type Values, valuesOf } from './reference';

/** When two numbers count as equal: |actual − expected| ≤ absolute + relative·|expected|. */
export interface Tolerance {
  /** Allowed difference as a fraction of |expected|; default 1e-5. */
  relative?: number;
  /** Allowed difference near zero; default 1e-6. */
  absolute?: number;
  /** What is compared, for the message. */
  label?: string;
}

function requireSameLength(actual: ArrayLike<number>, expected: ArrayLike<number>, label: string): void {
  if (actual.length !== expected.length) {
    throw new Error(`${label}: ${actual.length} values, expected ${expected.length}`);
  }
}

/** Largest |actual − expected|; NaN when either side holds a NaN that the other does not. Throws on other lengths. */
export function maxAbsoluteDifference(actual: Values, expected: Values): number {
  const a = valuesOf(actual);
  const e = valuesOf(expected);
  requireSameLength(a, e, 'maxAbsoluteDifference');
  let largest = 0;
  for (let i = 0; i < e.length; i++) {
    if (Object.is(a[i], e[i])) continue;
    const difference = Math.abs(a[i]! - e[i]!);
    if (Number.isNaN(difference)) return Number.NaN;
    if (difference > largest) largest = difference;
  }
  return largest;
}

/** ‖actual − expected‖₂ / ‖expected‖₂ over all elements; the plain norm of the difference when `expected` is zero. */
export function relativeError(actual: Values, expected: Values): number {
  const a = valuesOf(actual);
  const e = valuesOf(expected);
  requireSameLength(a, e, 'relativeError');
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < e.length; i++) {
    difference += (a[i]! - e[i]!) ** 2;
    norm += e[i]! ** 2;
  }
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}

/** The flat index as `[i, j, …]` under a shape. */
export function unravel(index: number, shape: readonly number[]): number[] {
  const position = new Array<number>(shape.length);
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    position[axis] = rest % size;
    rest = Math.floor(rest / size);
  }
  return position;
}

/**
 * Throws unless every element of `actual` is within the tolerance of `expected` (equal infinities and matching NaNs
 * pass). The message names the worst element's index, both values, the shape and how many elements are off.
 */
export function expectClose(actual: Values, expected: Values, tolerance: Tolerance = {}): void {
  const { relative = 1e-5, absolute = 1e-6, label = 'values' } = tolerance;
  const a = valuesOf(actual);
  const e = valuesOf(expected);
  const shape = 'shape' in expected ? (expected as Reference).shape : [e.length];
  if ('shape' in actual && 'shape' in expected && showShape((actual as Reference).shape) !== showShape(shape)) {
    throw new Error(`${label}: shape ${showShape((actual as Reference).shape)}, expected ${showShape(shape)}`);
  }
  requireSameLength(a, e, `${label} of shape ${showShape(shape)}`);
  let failures = 0;
  let worst = -1;
  let worstExcess = -1;
  for (let i = 0; i < e.length; i++) {
    if (Object.is(a[i], e[i]) || a[i] === e[i]) continue;
    const difference = Math.abs(a[i]! - e[i]!);
    const allowed = absolute + relative * Math.abs(e[i]!);
    // Written so that a NaN on either side, or an infinite expectation, fails.
    if (Number.isFinite(allowed) && difference <= allowed) continue;
    failures++;
    const excess = Number.isFinite(difference) ? difference / allowed : Number.POSITIVE_INFINITY;
    if (excess > worstExcess) {
      worstExcess = excess;
      worst = i;
    }
  }
  if (failures === 0) return;
  throw new Error(
    `${label}: ${failures} of ${e.length} values are off; worst at index ${worst} ${showShape(unravel(worst, shape))} ` +
      `of shape ${showShape(shape)}: got ${a[worst]}, expected ${e[worst]} ` +
      `(difference ${Math.abs(a[worst]! - e[worst]!)}, relative ${relative}, absolute ${absolute})`,
  );
}

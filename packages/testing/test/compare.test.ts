// The comparison and the gradient check must themselves be able to fail, and say where.
import { describe, expect, it } from 'vitest';
import {
  checkGradient,
  expectClose,
  finiteDifference,
  maxAbsoluteDifference,
  reference,
  relativeError,
  reshape,
  strideRevealing,
} from '../src/index';

describe('expectClose', () => {
  const expected = reference([2, 3], [1, 2, 3, 4, 5, 6]);

  it('accepts values inside the tolerance, equal infinities and matching NaNs', () => {
    expectClose([1, 2, 3, 4.00001, 5, 6], expected, { relative: 1e-5 });
    expectClose([Number.POSITIVE_INFINITY, Number.NaN], [Number.POSITIVE_INFINITY, Number.NaN]);
  });

  it('names the worst index, both values and the shape', () => {
    const check = () => expectClose([1, 2, 3.5, 4, 5, 7], expected, { label: 'matmul' });
    expect(check).toThrow(
      /^matmul: 2 of 6 values are off; worst at index 5 \[1, 2\] of shape \[2, 3\]: got 7, expected 6/,
    );
  });

  it('refuses NaN, infinity, another length and another shape', () => {
    expect(() => expectClose([1, 2, 3, Number.NaN, 5, 6], expected)).toThrow('index 3 [1, 0]');
    expect(() => expectClose([1], [Number.POSITIVE_INFINITY])).toThrow('index 0');
    expect(() => expectClose([Number.POSITIVE_INFINITY], [1])).toThrow('index 0');
    expect(() => expectClose([1, 2], expected)).toThrow('2 values, expected 6');
    expect(() => expectClose(reshape(expected, [3, 2]), expected)).toThrow('shape [3, 2], expected [2, 3]');
  });

  it('measures differences', () => {
    expect(maxAbsoluteDifference([1, 5], [2, 3])).toBe(2);
    expect(maxAbsoluteDifference([Number.NaN], [1])).toBeNaN();
    expect(relativeError([3, 4], [0, 5])).toBeCloseTo(Math.sqrt(10) / 5, 12);
    expect(relativeError([3, 4], [0, 0])).toBe(5);
  });
});

describe('finite differences', () => {
  const f = (x: Float64Array) => x[0]! ** 3 + x[0]! * x[1]!;
  const at = Float64Array.of(2, -1);

  it('gives derivatives and leaves the point alone', () => {
    expectClose(finiteDifference(f, at), [11, 2], { relative: 1e-9 });
    expectClose(finiteDifference(f, at, [1]), [2], { relative: 1e-9 });
    expect(at).toEqual(Float64Array.of(2, -1));
  });

  it('accepts a right gradient and refuses a wrong one', () => {
    checkGradient({ value: f, gradient: [11, 2], at });
    checkGradient({ value: f, gradient: [0, 2], at, indices: [1] });
    expect(() => checkGradient({ value: f, gradient: [11, 2.001], at, label: 'cubic' })).toThrow('cubic: 1 of 2');
  });

  it('refuses a function that depends on nothing', () => {
    expect(() => checkGradient({ value: () => 3, gradient: [0, 0], at })).toThrow('does not depend');
  });
});

it('strideRevealing values differ from their transposed and shifted selves', () => {
  for (const [rows, columns] of [
    [4, 4],
    [8, 8],
    [7, 14],
    [16, 3],
  ] as const) {
    const { data } = strideRevealing([rows, columns]);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column + 1 < columns; column++) {
        expect(data[row * columns + column]).not.toBe(data[row * columns + column + 1]);
        if (row + 1 < rows) expect(data[row * columns + column]).not.toBe(data[(row + 1) * columns + column]);
      }
    }
  }
});

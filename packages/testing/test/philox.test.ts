// The generator against the known-answer vectors of its authors' Random123 (kat_vectors).
import { expect, it } from 'vitest';
import { philox4x32, randomIntegers, randomNormal, randomUniform, sum, uniformFloat } from '../src/index';

it.each([
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
] as const)('philox4x32-10 of counter %j under key %j', (counter, key, expected) => {
  expect(philox4x32(counter, key)).toEqual(expected);
});

it('maps words to [0, 1) exactly in f32', () => {
  expect(uniformFloat(0)).toBe(0);
  expect(uniformFloat(0x80000000)).toBe(0.5);
  expect(uniformFloat(0xffffffff)).toBe(1 - 2 ** -24);
  expect(Math.fround(uniformFloat(0xffffffff))).toBe(uniformFloat(0xffffffff));
});

it('draws repeatable values with the right moments, rounded to f32', () => {
  const values = randomNormal([20000], 7);
  const mean = sum(values) / 20000;
  const variance = values.data.reduce((total, x) => total + (x - mean) ** 2, 0) / 20000;
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(variance - 1)).toBeLessThan(0.04);
  expect(randomNormal([3], 7).data).toEqual(values.data.slice(0, 3));
  expect(randomNormal([3], 8).data).not.toEqual(values.data.slice(0, 3));
  expect(values.data.every((x) => Math.fround(x) === x)).toBe(true);
  const uniform = randomUniform([5000], 1, -2, 3).data;
  expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-2);
  expect(Math.max(...uniform)).toBeLessThan(3);
  expect(Math.abs(uniform.reduce((a, b) => a + b) / 5000 - 0.5)).toBeLessThan(0.1);
  expect(new Set(randomIntegers(200, 5, 3))).toEqual(new Set([0, 1, 2, 3, 4]));
});

/** 16-bit float conversions, every bit pattern of them. */
import { InputError } from '@crossgate/core';
import { describe, expect, test } from 'vitest';
import {
  bfloat16ToFloat32,
  bytesFromFloats,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  floatsFromBytes,
  halfBits,
} from '../src/files';

const every = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** The value of a half by its definition. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** Patterns for which something does not hold; collected, because 65,536 expectations are slow. */
const exceptions = (holds: (bits: number) => boolean) => [...every].filter((bits) => !holds(bits));

describe('halves', () => {
  test('every pattern widens to its defined value', () => {
    const wide = float16ToFloat32(every);
    expect(exceptions((bits) => Object.is(wide[bits], halfValue(bits)))).toEqual([]);
  });

  test('every number narrows back to its pattern, and NaN to a NaN', () => {
    const back = float32ToFloat16(float16ToFloat32(every));
    expect(exceptions((bits) => Number.isNaN(halfValue(bits)) || halfBits(halfValue(bits)) === bits)).toEqual([]);
    const same = (bits: number) =>
      Number.isNaN(halfValue(bits)) ? Number.isNaN(halfValue(back[bits]!)) : back[bits] === bits;
    expect(exceptions(same)).toEqual([]);
  });

  test('rounds to nearest, ties to even, at every step between neighbours', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x7bff; bits++) {
      const low = halfValue(bits);
      const high = halfValue(bits + 1);
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const [tie, below, above] = float32ToFloat16(
        Float32Array.of(middle, middle - (high - low) / 8, middle + (high - low) / 8),
      );
      if (tie !== even || below !== bits || above !== bits + 1) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
    expect([...float32ToFloat16(Float32Array.of(65519.996, 65520, -1e9, 1e-9))]).toEqual([0x7bff, 0x7c00, 0xfc00, 0]);
  });
});

describe('bfloat16', () => {
  test('every pattern is the upper half of its f32, and comes back', () => {
    const wide = bfloat16ToFloat32(every);
    const bits = new Uint32Array(wide.buffer);
    expect(exceptions((pattern) => bits[pattern] === pattern * 65536)).toEqual([]);
    const back = float32ToBfloat16(wide);
    const again = bfloat16ToFloat32(back);
    const same = (pattern: number) =>
      Number.isNaN(wide[pattern]) ? Number.isNaN(again[pattern]) : back[pattern] === pattern;
    expect(exceptions(same)).toEqual([]);
  });

  test('rounds ties to even', () => {
    const bits = Uint32Array.of(0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x7f7fffff, 0x7f800001);
    const narrowed = float32ToBfloat16(new Float32Array(bits.buffer));
    expect([...narrowed]).toEqual([0x3f80, 0x3f82, 0x3f81, 0x3f80, 0x7f80, 0x7fc0]);
  });
});

test('floats come from bytes at any offset, and go back', () => {
  const values = Float32Array.of(1.5, -2, 0.15625);
  for (const dtype of ['F32', 'F16', 'BF16'] as const) {
    const bytes = bytesFromFloats(dtype, values);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect([...floatsFromBytes(dtype, shifted.subarray(1))]).toEqual([...values]);
    expect(() => floatsFromBytes(dtype, bytes.subarray(1))).toThrow(InputError);
  }
});

/** Exact conversions between 32-bit floats and the 16-bit formats that weights are stored in. */

import { InputError } from './input-error';

/** Formats of stored floats that convert to f32 without loss: f32 itself, IEEE half and bfloat16. */
export type FloatDtype = 'F32' | 'F16' | 'BF16';

/** Whether a safetensors dtype is one that {@link floatsFromBytes} reads. */
export function isFloatDtype(dtype: string): dtype is FloatDtype {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

/** Bytes per element of each {@link FloatDtype}. */
export const floatDtypeBytes: Readonly<Record<FloatDtype, number>> = { F32: 4, F16: 2, BF16: 2 };

/**
 * One IEEE half (as its 16 bits) as the bits of the f32 of equal value; infinities, NaN payloads and subnormals kept.
 */
function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  let mantissa = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  // Subnormal: shift the leading one into the implicit place, lowering the exponent by as much.
  let shifted = 113;
  while ((mantissa & 0x400) === 0) {
    mantissa <<= 1;
    shifted -= 1;
  }
  return sign | (shifted << 23) | ((mantissa & 0x3ff) << 13);
}

let halfTable: Uint32Array | undefined;

/** All 65,536 halves, built once on first use: a look-up is several times faster than the branches above. */
function halfLookup(): Uint32Array {
  halfTable ??= Uint32Array.from({ length: 65536 }, (_, half) => halfToFloatBits(half));
  return halfTable;
}

/** Converts IEEE halves, given as their bits, to f32. Exact. */
export function float16ToFloat32(source: Uint16Array): Float32Array<ArrayBuffer> {
  const table = halfLookup();
  const bits = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) bits[i] = table[source[i]!]!;
  return new Float32Array(bits.buffer);
}

/** Converts bfloat16 values, given as their bits, to f32. Exact. */
export function bfloat16ToFloat32(source: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** Rounds f32 to the bits of bfloat16 values, to nearest, ties to even. NaN stays NaN. */
export function float32ToBfloat16(source: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(new Float32Array(source).buffer);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    // Rounding up a NaN could carry it into infinity: keep its upper half and set the quiet bit.
    if ((value & 0x7fffffff) > 0x7f800000) out[i] = (value >>> 16) | 0x40;
    else out[i] = (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return out;
}

/**
 * Rounds f32 to the bits of IEEE halves, to nearest, ties to even. From 65,520 on values become infinite; NaN stays
 * NaN.
 */
export function float32ToFloat16(source: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(new Float32Array(source).buffer);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) out[i] = floatBitsToHalf(bits[i]!);
  return out;
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The bits of the IEEE half nearest to one number, which is rounded to f32 first; see {@link float32ToFloat16}. */
export function halfBits(value: number): number {
  scratch[0] = value;
  return floatBitsToHalf(scratchBits[0]!);
}

function floatBitsToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  // 65,520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Normal halves: rebias the exponent and round in one addition; a carry moves into the exponent, as it should.
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  // At most half of the smallest subnormal, 2^-25, rounds to zero.
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

/**
 * Converts stored floats, little-endian, to f32. The result never shares memory with `bytes`.
 *
 * @throws InputError when the bytes are no whole number of values.
 */
export function floatsFromBytes(dtype: FloatDtype, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const width = floatDtypeBytes[dtype];
  if (bytes.byteLength % width !== 0) {
    throw new InputError(`${bytes.byteLength} bytes do not hold a whole number of ${dtype} values.`);
  }
  if (dtype === 'F32') return new Float32Array(new Uint8Array(bytes).buffer);
  // Views need an even offset, which a slice of a file need not have.
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  const bits = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  return dtype === 'F16' ? float16ToFloat32(bits) : bfloat16ToFloat32(bits);
}

/** Converts f32 values to stored floats, little-endian, rounded to nearest, ties to even. */
export function bytesFromFloats(dtype: FloatDtype, values: Float32Array): Uint8Array<ArrayBuffer> {
  if (dtype === 'F16') return new Uint8Array(float32ToFloat16(values).buffer);
  if (dtype === 'BF16') return new Uint8Array(float32ToBfloat16(values).buffer);
  return new Uint8Array(new Float32Array(values).buffer);
}

/** Exact conversions between 32-bit floats and the 16-bit formats that weights are stored in. */
import { float16ToFloat32, float32ToFloat16 } from '@crossgate/core';
import { InputError } from './input-error';

export { float16ToFloat32, float32ToFloat16, halfBits } from '@crossgate/core';

/** Formats of stored floats that convert to f32 without loss: f32 itself, IEEE half and bfloat16. */
export type FloatDtype = 'F32' | 'F16' | 'BF16';

/** Whether a safetensors dtype is one that {@link floatsFromBytes} reads. */
export function isFloatDtype(dtype: string): dtype is FloatDtype {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

/** Bytes per element of each {@link FloatDtype}. */
export const floatDtypeBytes: Readonly<Record<FloatDtype, number>> = { F32: 4, F16: 2, BF16: 2 };

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

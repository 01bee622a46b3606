/** Rows of f32 as blocks of 32 integers with a half as scale, in the bytes of ggml's Q8_0 and Q4_0. */
import { halfBits, InputError } from '@crossgate/tensor';
import { isLinearWeight, isTokenWeight } from '../config';
import { halfTable, type StoredType, storedTypes } from './dequantize';

/** Bits per value of matrices that are quantized here. */
export type QuantizedBits = 4 | 8;

/** The stored type with this number of bits per value. */
export function quantizedType(bits: QuantizedBits): StoredType {
  return storedTypes.get(bits === 8 ? 'Q8_0' : 'Q4_0')!;
}

/** Bits of a stored type that is used as it is; undefined for other types. */
export function bitsOfType(dtype: string): QuantizedBits | undefined {
  return dtype === 'Q8_0' ? 8 : dtype === 'Q4_0' ? 4 : undefined;
}

/**
 * Bits per value of a weight when linear layers get `bits`; undefined for vectors. Embeddings and head always get 8:
 * the input and output of a model are commonly kept finer than its layers.
 */
export function bitsOfWeight(name: string, bits: QuantizedBits): QuantizedBits | undefined {
  if (isTokenWeight(name)) return 8;
  return isLinearWeight(name) ? bits : undefined;
}

/**
 * Quantizes whole rows. A row whose length is no multiple of 32 is padded with zeros.
 *
 * 8 bits: scale = largest absolute value / 127. 4 bits: of the five scales at which the value with the largest absolute
 * value is −8, −7.4, −6.8, 7 or 7.6 steps, the one with the smallest squared error. Quants are rounded against the
 * scale as it is stored.
 *
 * @param values [rows, columns].
 * @returns [rows, blocks per row, 34 or 18 bytes].
 * @throws {InputError} for values that are not finite, or too large for a scale in f16.
 */
export function quantizeRows(bits: QuantizedBits, values: Float32Array, columns: number): Uint8Array<ArrayBuffer> {
  const { blockSize, blockBytes } = quantizedType(bits);
  const blocksPerRow = Math.ceil(columns / blockSize);
  const blocks = (values.length / columns) * blocksPerRow;
  const out = new Uint8Array(blocks * blockBytes);
  const block = new Float64Array(blockSize);
  const halfValues = halfTable();
  for (let index = 0, at = 0; index < blocks; index++, at += blockBytes) {
    const first = Math.floor(index / blocksPerRow) * columns + (index % blocksPerRow) * blockSize;
    const length = Math.min(blockSize, columns - (index % blocksPerRow) * blockSize);
    for (let j = 0; j < blockSize; j++) block[j] = j < length ? values[first + j]! : 0;
    const half = bits === 8 ? halfBits(Math.abs(extreme(block)) / 127) : scaleOf4(block);
    out[at] = half & 255;
    out[at + 1] = half >> 8;
    const scale = halfValues[half]!;
    const inverse = scale === 0 ? 0 : 1 / scale;
    if (bits === 8) for (let j = 0; j < 32; j++) out[at + 2 + j] = nearest(block[j]! * inverse, 127);
    else {
      for (let j = 0; j < 16; j++) {
        out[at + 2 + j] = (nearest(block[j]! * inverse, 7) + 8) | ((nearest(block[j + 16]! * inverse, 7) + 8) << 4);
      }
    }
  }
  return out;
}

/** The integer nearest to a number, ties upwards, limited to −most − 1 … most. */
function nearest(value: number, most: number): number {
  return Math.max(-most - 1, Math.min(most, Math.floor(value + 0.5)));
}

/** The value with the largest absolute value. */
function extreme(block: Float64Array): number {
  let most = 0;
  for (let j = 0; j < 32; j++) {
    const value = block[j]!;
    if (!(Math.abs(value) < 65_504 * 7)) throw new InputError(`a value is ${value}, which cannot be quantized`);
    if (Math.abs(value) > Math.abs(most)) most = value;
  }
  return most;
}

/** Quants that the largest value may become: −8 reaches furthest, smaller ones resolve the other values better. */
const divisors4 = [-8, -7.4, -6.8, 7, 7.6] as const;

function scaleOf4(block: Float64Array): number {
  const most = extreme(block);
  let best = halfBits(most / divisors4[0]);
  let least = Infinity;
  if (most === 0) return best;
  const halfValues = halfTable();
  for (const divisor of divisors4) {
    const candidate = halfBits(most / divisor);
    const scale = halfValues[candidate]!;
    if (scale === 0) continue;
    const inverse = 1 / scale;
    let error = 0;
    for (let j = 0; j < 32; j++) {
      const rest = block[j]! - scale * nearest(block[j]! * inverse, 7);
      error += rest * rest;
    }
    if (error < least) {
      best = candidate;
      least = error;
    }
  }
  return best;
}

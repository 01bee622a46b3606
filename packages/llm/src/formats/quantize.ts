/** Rows of f32 as blocks of 32 integers with a half as scale, in the bytes of ggml's Q8_0 and Q4_0. */
import { halfBits, InputError } from '@crossgate/tensor';
import { isLinearWeight, isTokenWeight } from '../config';
import { halfTable, type StoredType, storedTypes } from './dequantize';

export type QuantizedBits = 4 | 8;

/** The stored type of so many bits a value. */
export function quantizedType(bits: QuantizedBits): StoredType {
  return storedTypes.get(bits === 8 ? 'Q8_0' : 'Q4_0')!;
}

/** The bits of a stored type that is used as it is, or undefined. */
export function bitsOfType(dtype: string): QuantizedBits | undefined {
  return dtype === 'Q8_0' ? 8 : dtype === 'Q4_0' ? 4 : undefined;
}

/**
 * The bits that a weight gets when linear layers get so many; undefined for vectors. Embeddings and head always get 8, as what
 * enters and leaves the model is commonly kept finer than what is between.
 */
export function bitsOfWeight(name: string, bits: QuantizedBits): QuantizedBits | undefined {
  if (isTokenWeight(name)) return 8;
  return isLinearWeight(name) ? bits : undefined;
}

/**
 * Quantises whole rows. A row whose length is no multiple of 32 is filled up with zeros.
 *
 * 8 bits: scale = largest size / 127. 4 bits: the value of largest size becomes −8 or 7, whichever of a few scales near it
 * leaves the smaller squared error. Quants are rounded against the scale as it is stored.
 *
 * @returns [rows, blocks per row, 34 or 18 bytes].
 * @throws {InputError} for values that are not finite, or beyond what a half's scale can reach.
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

/** The integer next to a number, ties upwards, from −most − 1 to most. */
function nearest(value: number, most: number): number {
  return Math.max(-most - 1, Math.min(most, Math.floor(value + 0.5)));
}

/** The value of largest size. */
function extreme(block: Float64Array): number {
  let most = 0;
  for (let j = 0; j < 32; j++) {
    const value = block[j]!;
    if (!(Math.abs(value) < 65_504 * 7)) throw new InputError(`a value is ${value}, which cannot be quantised`);
    if (Math.abs(value) > Math.abs(most)) most = value;
  }
  return most;
}

/** Multiples of the largest value that a quant may stand for: −8 reaches furthest, smaller ones resolve the others better. */
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

/** Rows of f32 as blocks of 32 integers with a half as scale, in the bytes of ggml's Q8_0 and Q4_0. */
import { float16ToFloat32, float32ToFloat16, InputError } from '@crossgate/tensor';
import { type StoredType, storedTypes } from './dequantize';

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
  const block = new Float32Array(blockSize);
  const choose = bits === 8 ? scaleOf8 : scaleOf4;
  for (let index = 0, at = 0; index < blocks; index++, at += blockBytes) {
    const first = Math.floor(index / blocksPerRow) * columns + (index % blocksPerRow) * blockSize;
    const end = Math.min(first + blockSize, (Math.floor(index / blocksPerRow) + 1) * columns);
    block.fill(0);
    block.set(values.subarray(first, end));
    const [bitsOfScale, scale] = choose(block);
    out[at] = bitsOfScale & 255;
    out[at + 1] = bitsOfScale >> 8;
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let j = 0; j < blockBytes - 2; j++) {
      out[at + 2 + j] =
        bits === 8
          ? nearest(block[j]! * inverse, 127)
          : (nearest(block[j]! * inverse, 7) + 8) | ((nearest(block[j + 16]! * inverse, 7) + 8) << 4);
    }
  }
  return out;
}

/** The integer next to a number, from −most − 1 to most. */
function nearest(value: number, most: number): number {
  return Math.max(-most - 1, Math.min(most, Math.round(value)));
}

const halves = new Uint16Array(1);
const single = new Float32Array(1);

/** A scale as a half: its bits and its value. */
function toHalf(scale: number): readonly [number, number] {
  single[0] = scale;
  halves[0] = float32ToFloat16(single)[0]!;
  return [halves[0], float16ToFloat32(halves)[0]!];
}

/** The value of largest size. */
function extreme(block: Float32Array): number {
  let most = 0;
  for (const value of block) {
    if (!(Math.abs(value) < 65_504 * 7)) throw new InputError(`a value is ${value}, which cannot be quantised`);
    if (Math.abs(value) > Math.abs(most)) most = value;
  }
  return most;
}

function scaleOf8(block: Float32Array): readonly [number, number] {
  return toHalf(Math.abs(extreme(block)) / 127);
}

/** Multiples of the largest value that a quant may stand for: −8 reaches furthest, smaller ones resolve the others better. */
const divisors4 = [-8, -7.4, -6.8, 7, 7.6] as const;

function scaleOf4(block: Float32Array): readonly [number, number] {
  const most = extreme(block);
  let best = toHalf(most / divisors4[0]);
  let least = Infinity;
  if (most === 0) return best;
  for (const divisor of divisors4) {
    const candidate = toHalf(most / divisor);
    const scale = candidate[1];
    if (scale === 0) continue;
    let error = 0;
    for (const value of block) error += (value - scale * nearest(value / scale, 7)) ** 2;
    if (error < least) [best, least] = [candidate, error];
  }
  return best;
}

/** Blocks taken apart, as the kernels bind them: quants, and scales as halves. `bytes` holds whole blocks. */
export function splitBlocks(
  bits: QuantizedBits,
  bytes: Uint8Array,
): { readonly quants: Uint16Array<ArrayBuffer>; readonly scales: Uint16Array<ArrayBuffer> } {
  const { blockBytes } = quantizedType(bits);
  // Blocks are whole pairs of bytes; views of pairs need an even offset, which a slice of a file need not have.
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  const pairs = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  const stride = blockBytes / 2;
  const count = pairs.length / stride;
  const quants = new Uint16Array(count * (stride - 1));
  const scales = new Uint16Array(count);
  for (let block = 0, from = 0, to = 0; block < count; block++) {
    scales[block] = pairs[from++]!;
    for (let j = 1; j < stride; j++) quants[to++] = pairs[from++]!;
  }
  return { quants, scales };
}

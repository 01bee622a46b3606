/**
 * Stored weights as f32: floats are widened, blocks are dequantized as in ggml (ggml-quants.c), bit for bit.
 *
 * Scales are halves (11 significant bits) and quants are small integers, so every product but Q6_K's last is exact in
 * f32. The only rounding is the store into the Float32Array, whatever the order of the factors.
 */
import { InputError } from '@crossgate/core';
import { type FloatDtype, float16ToFloat32, floatsFromBytes } from '@crossgate/tensor';

/** How a type of weights is stored, and how it is read. */
export interface StoredType {
  /** Its name in GGUF and safetensors, such as `F16` or `Q4_K`. */
  readonly name: string;
  /** Number of values per block, 1 for floats. A row is a whole number of blocks. */
  readonly blockSize: number;
  /** Number of bytes per block. */
  readonly blockBytes: number;
  /** Reads whole blocks as f32. @throws InputError for bytes that are no whole number of blocks. */
  decode(bytes: Uint8Array): Float32Array<ArrayBuffer>;
}

let halves: Float32Array | undefined;

/** The value of every half, by its 16 bits; computed on first use. */
export function halfTable(): Float32Array {
  halves ??= float16ToFloat32(Uint16Array.from({ length: 65536 }, (_, bits) => bits));
  return halves;
}

/** Reads a little-endian half. */
type ReadHalf = (bytes: Uint8Array, at: number) => number;

function float(name: FloatDtype, blockBytes: number): StoredType {
  return { name, blockSize: 1, blockBytes, decode: (bytes) => floatsFromBytes(name, bytes) };
}

/** A type of blocks. `block` reads the block at byte `at` and writes its values from `to` on. */
function blocks(
  name: string,
  blockSize: number,
  blockBytes: number,
  block: (bytes: Uint8Array, at: number, out: Float32Array, to: number, half: ReadHalf) => void,
): StoredType {
  const decode = (bytes: Uint8Array) => {
    if (bytes.byteLength % blockBytes !== 0) {
      throw new InputError(`${bytes.byteLength} bytes do not hold a whole number of ${name} blocks.`);
    }
    const table = halfTable();
    const half: ReadHalf = (source, at) => table[source[at]! | (source[at + 1]! << 8)]!;
    const out = new Float32Array((bytes.byteLength / blockBytes) * blockSize);
    for (let at = 0, to = 0; at < bytes.byteLength; at += blockBytes, to += blockSize) block(bytes, at, out, to, half);
    return out;
  };
  return { name, blockSize, blockBytes, decode };
}

/**
 * 4 and 5 bits in blocks of 32. The nibbles of byte j are elements j and j + 16; the fifth bits are 4 bytes of their
 * own.
 */
function smallBlocks(name: string, bits: 4 | 5, hasMinimum: boolean): StoredType {
  const highAt = hasMinimum ? 4 : 2;
  const quantsAt = highAt + (bits === 5 ? 4 : 0);
  // Without a minimum, quants are signed around the middle.
  const middle = hasMinimum ? 0 : 1 << (bits - 1);
  return blocks(name, 32, quantsAt + 16, (bytes, at, out, to, half) => {
    const scale = half(bytes, at);
    const minimum = hasMinimum ? half(bytes, at + 2) : 0;
    for (let j = 0; j < 16; j++) {
      const byte = bytes[at + quantsAt + j]!;
      let low = byte & 15;
      let high = byte >> 4;
      if (bits === 5) {
        low |= ((bytes[at + highAt + (j >> 3)]! >> (j & 7)) & 1) << 4;
        high |= ((bytes[at + highAt + 2 + (j >> 3)]! >> (j & 7)) & 1) << 4;
      }
      if (hasMinimum) {
        out[to + j] = scale * low + minimum;
        out[to + j + 16] = scale * high + minimum;
      } else {
        out[to + j] = scale * (low - middle);
        out[to + j + 16] = scale * (high - middle);
      }
    }
  });
}

/** 4 and 5 bits in blocks of 256: eight runs of 32, each with a scale and a minimum of 6 bits, packed in 12 bytes. */
function superBlocks(name: string, bits: 4 | 5): StoredType {
  const highAt = 16;
  const quantsAt = bits === 5 ? 48 : 16;
  return blocks(name, 256, quantsAt + 128, (bytes, at, out, to, half) => {
    const scale = half(bytes, at);
    const minimum = half(bytes, at + 2);
    for (let run = 0; run < 8; run++) {
      const packed = at + 4 + (run & 3);
      const [a, b, c] = [bytes[packed]!, bytes[packed + 4]!, bytes[packed + 8]!];
      const runScale = scale * (run < 4 ? a & 63 : (c & 15) | ((a >> 2) & 48));
      const runMinimum = minimum * (run < 4 ? b & 63 : (c >> 4) | ((b >> 2) & 48));
      const quants = at + quantsAt + (run >> 1) * 32;
      const shift = (run & 1) * 4;
      for (let j = 0; j < 32; j++) {
        let quant = (bytes[quants + j]! >> shift) & 15;
        if (bits === 5) quant |= ((bytes[at + highAt + j]! >> run) & 1) << 4;
        out[to + run * 32 + j] = runScale * quant - runMinimum;
      }
    }
  });
}

/** 6 bits in blocks of 256: two halves of 128, sixteen scales of 8 bits, and the block's scale at the end. */
const q6k = blocks('Q6_K', 256, 210, (bytes, at, out, to, half) => {
  const scale = half(bytes, at + 208);
  for (let run = 0; run < 8; run++) {
    const [side, quarter] = [run >> 2, run & 3];
    const low = at + side * 64 + (quarter & 1) * 32;
    const high = at + 128 + side * 32;
    const lowShift = (quarter >> 1) * 4;
    for (let j = 0; j < 32; j++) {
      const quant = (((bytes[low + j]! >> lowShift) & 15) | (((bytes[high + j]! >> (2 * quarter)) & 3) << 4)) - 32;
      const runScale = (bytes[at + 192 + run * 2 + (j >> 4)]! << 24) >> 24;
      out[to + run * 32 + j] = scale * runScale * quant;
    }
  }
});

/** 8 bits in blocks of 32. */
const q80 = blocks('Q8_0', 32, 34, (bytes, at, out, to, half) => {
  const scale = half(bytes, at);
  for (let j = 0; j < 32; j++) out[to + j] = scale * ((bytes[at + 2 + j]! << 24) >> 24);
});

/** Every type that can be read, by name. */
export const storedTypes: ReadonlyMap<string, StoredType> = new Map(
  [
    float('F32', 4),
    float('F16', 2),
    float('BF16', 2),
    q80,
    smallBlocks('Q4_0', 4, false),
    smallBlocks('Q4_1', 4, true),
    smallBlocks('Q5_0', 5, false),
    smallBlocks('Q5_1', 5, true),
    superBlocks('Q4_K', 4),
    superBlocks('Q5_K', 5),
    q6k,
  ].map((type) => [type.name, type]),
);

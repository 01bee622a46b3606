/**
 * Weights as ggml stores them, read value by value in float64 from its definitions (ggml-quants.c), and random ones.
 */
import { halfValue } from './quantized';

interface StoredLayout {
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Where halves lie in a block: scale, minimum. */
  readonly halves: readonly number[];
  /** Value i of the block that begins at byte `at`. */
  readonly value: (bytes: Uint8Array, at: number, i: number) => number;
}

const half = (bytes: Uint8Array, at: number): number => halfValue(bytes[at]! | (bytes[at + 1]! << 8));
const signed = (byte: number): number => (byte << 24) >> 24;

/** Blocks of 32 in 4 or 5 bits. */
function small(bits: 4 | 5, hasMinimum: boolean): StoredLayout {
  const highAt = hasMinimum ? 4 : 2;
  const quantsAt = bits === 5 ? highAt + 4 : highAt;
  return {
    blockSize: 32,
    blockBytes: quantsAt + 16,
    halves: hasMinimum ? [0, 2] : [0],
    value: (bytes, at, i) => {
      const nibble = (bytes[at + quantsAt + (i % 16)]! >> (i < 16 ? 0 : 4)) & 15;
      const fifth = bits === 5 ? (bytes[at + highAt + (i >> 3)]! >> (i & 7)) & 1 : 0;
      const quant = nibble + 16 * fifth;
      return hasMinimum ? half(bytes, at) * quant + half(bytes, at + 2) : half(bytes, at) * (quant - 2 ** (bits - 1));
    },
  };
}

/** The 6 bits of a run of Q4_K or Q5_K by which the scale (offset 0) or the minimum (4) of its block is multiplied. */
function stepOf(bytes: Uint8Array, at: number, run: number, offset: 0 | 4): number {
  return run < 4
    ? bytes[at + 4 + offset + run]! & 63
    : ((bytes[at + 8 + run]! >> offset) & 15) | ((bytes[at + offset + run]! >> 6) << 4);
}

/** Blocks of 256 in 4 or 5 bits, eight runs with scale and minimum of 6 bits. */
function large(bits: 4 | 5): StoredLayout {
  const quantsAt = bits === 5 ? 48 : 16;
  return {
    blockSize: 256,
    blockBytes: quantsAt + 128,
    halves: [0, 2],
    value: (bytes, at, i) => {
      const run = i >> 5;
      const nibble = (bytes[at + quantsAt + 32 * (run >> 1) + (i & 31)]! >> (4 * (run & 1))) & 15;
      const fifth = bits === 5 ? (bytes[at + 16 + (i & 31)]! >> run) & 1 : 0;
      const [scale, minimum] = [
        half(bytes, at) * stepOf(bytes, at, run, 0),
        half(bytes, at + 2) * stepOf(bytes, at, run, 4),
      ];
      return scale * (nibble + 16 * fifth) - minimum;
    },
  };
}

const floats = (value: StoredLayout['value']): StoredLayout => ({ blockSize: 1, blockBytes: 2, halves: [0], value });

const layouts: Readonly<Record<string, StoredLayout>> = {
  F16: floats((bytes, at) => half(bytes, at)),
  BF16: floats((bytes, at) => new Float32Array(Uint32Array.of((bytes[at]! << 16) | (bytes[at + 1]! << 24)).buffer)[0]!),
  Q8_0: {
    blockSize: 32,
    blockBytes: 34,
    halves: [0],
    value: (bytes, at, i) => half(bytes, at) * signed(bytes[at + 2 + i]!),
  },
  Q4_0: small(4, false),
  Q4_1: small(4, true),
  Q5_0: small(5, false),
  Q5_1: small(5, true),
  Q4_K: large(4),
  Q5_K: large(5),
  Q6_K: {
    blockSize: 256,
    blockBytes: 210,
    halves: [208],
    value: (bytes, at, i) => {
      const [side, within] = [i >> 7, i & 127];
      const low = (bytes[at + 64 * side + (within & 63)]! >> (within < 64 ? 0 : 4)) & 15;
      const high = (bytes[at + 128 + 32 * side + (within & 31)]! >> (2 * (within >> 5))) & 3;
      return half(bytes, at + 208) * signed(bytes[at + 192 + (i >> 4)]!) * (low + 16 * high - 32);
    },
  },
};

/** Random blocks of a type, with scales of 2⁻⁸ to 2⁻⁴ in size, subnormal ones and zero among them. */
export function randomStored(type: string, blocks: number, seed: number): Uint8Array<ArrayBuffer> {
  const { blockBytes, halves } = layouts[type]!;
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  const bytes = Uint8Array.from({ length: blocks * blockBytes }, next);
  for (let block = 0; block < blocks; block++) {
    for (const at of halves) {
      const place = block * blockBytes + at + 1;
      // The upper byte holds the sign, the exponent and two bits of the mantissa.
      bytes[place] = (bytes[place]! & 0x83) | (type === 'BF16' ? 0x3c : block % 7 === 3 ? 0 : (7 + (next() & 3)) << 2);
    }
  }
  return bytes;
}

/** What stored bytes stand for, in float64. @throws RangeError for an unknown type. */
export function storedValues(type: string, bytes: Uint8Array): Float64Array {
  const layout = layouts[type];
  if (!layout) throw new RangeError(`there is no stored type ${type}`);
  const { blockSize, blockBytes, value } = layout;
  return Float64Array.from({ length: (bytes.length / blockBytes) * blockSize }, (_, i) =>
    value(bytes, Math.floor(i / blockSize) * blockBytes, i % blockSize),
  );
}

/** Blocks as the kernels bind them: without their scales, but for Q4_1 and Q5_1, which stay whole. */
export interface SplitBlocks {
  readonly quants: Uint8Array<ArrayBuffer>;
  /**
   * Halves as they are, filled up to whole words; of K types f32, and bytes: of Q6_K's 16 runs, else of scale and
   * minimum of 8.
   */
  readonly scales: Uint8Array<ArrayBuffer>;
}

/** Takes blocks of a quantized type apart, byte by byte. */
export function splitStored(type: string, bytes: Uint8Array): SplitBlocks {
  const { blockSize, blockBytes, halves } = layouts[type]!;
  if (blockSize === 32 && halves.length === 2) return { quants: new Uint8Array(bytes), scales: new Uint8Array(0) };
  const quantBytes = type === 'Q6_K' ? 192 : blockBytes - (blockSize === 256 ? 16 : 2);
  const quantsAt = type === 'Q6_K' ? 0 : blockBytes - quantBytes;
  const [quants, scales]: [number[], number[]] = [[], []];
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const byte = (i: number) => bytes[at + i]!;
    for (let i = 0; i < quantBytes; i++) quants.push(byte(quantsAt + i));
    if (blockSize === 256) {
      scales.push(...new Uint8Array(Float32Array.from(halves, (place) => half(bytes, at + place)).buffer));
      if (type === 'Q6_K') for (let i = 0; i < 16; i++) scales.push(byte(192 + i));
      else for (let run = 0; run < 8; run++) scales.push(stepOf(bytes, at, run, 0), stepOf(bytes, at, run, 4));
    } else for (const place of halves) scales.push(byte(place), byte(place + 1));
  }
  while (scales.length % 4 !== 0) scales.push(0);
  return { quants: Uint8Array.from(quants), scales: Uint8Array.from(scales) };
}

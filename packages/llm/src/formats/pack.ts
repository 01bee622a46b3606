/** Takes stored blocks apart into what the kernels bind: quants in words, and scales. */
import { type QuantizedMatrixFormat, quantizedLayout } from '@crossgate/tensor';
import { halfTable, storedTypes } from './dequantize';

interface StoredBlocks extends QuantizedMatrixFormat {
  /**
   * Where the quants of a block begin, in pairs of bytes. They follow one another in the order that the kernels read.
   */
  readonly quantsAt: number;
}

const formats = {
  Q8_0: { bits: 8, scaling: 'scale', quantsAt: 1 },
  Q4_0: { bits: 4, scaling: 'scale', quantsAt: 1 },
  Q4_1: { bits: 4, scaling: 'line', quantsAt: 0 },
  Q5_0: { bits: 5, scaling: 'scale', quantsAt: 1 },
  Q5_1: { bits: 5, scaling: 'line', quantsAt: 0 },
  Q4_K: { bits: 4, scaling: 'super-line', quantsAt: 8 },
  Q5_K: { bits: 5, scaling: 'super-line', quantsAt: 8 },
  Q6_K: { bits: 6, scaling: 'super-scale', quantsAt: 0 },
} as const satisfies Record<string, StoredBlocks>;

/** A stored type whose blocks the device keeps, with the same values bit for bit. */
export type PackedType = keyof typeof formats;

/** Whether the device keeps the blocks of a stored type. */
export function isPackedType(dtype: string): dtype is PackedType {
  return Object.hasOwn(formats, dtype);
}

/** Bits and scales of such a type, as the kernels read it. */
export function packedFormat(type: PackedType): QuantizedMatrixFormat {
  return formats[type];
}

/** The same scales in each of the ways in which they are written. */
interface Scales {
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;
}

/** Takes the blocks of weights apart, one weight after another, and reuses its memory. */
export class BlockPacker {
  #stored = new Uint32Array(0);
  #quants = new Uint32Array(0);
  #scales = new ArrayBuffer(0);
  #scaleBytes = 0;

  /**
   * The scales of all blocks since {@link begin}, valid until the next one. Two may share a word, so they are written
   * when all are there.
   */
  get scales(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#scales, 0, this.#scaleBytes);
  }

  /** Begins a weight whose scales take at most this many bytes. */
  begin(scaleBytes: number): void {
    if (this.#scales.byteLength < scaleBytes) this.#scales = new ArrayBuffer(4 * Math.ceil(scaleBytes / 4));
    this.#scaleBytes = 0;
  }

  /**
   * Adds blocks to the weight.
   * @returns their quants, valid until the next call
   */
  add(type: PackedType, bytes: Uint8Array): Uint8Array | Uint32Array {
    const { blockSize, blockBytes } = storedTypes.get(type)!;
    const { bits, scaling } = formats[type];
    // These are on the device as they are stored.
    if (scaling === 'line') return bytes;
    const count = bytes.length / blockBytes;
    const { quantWordsPerRow: length, scaleWordsPerRow } = quantizedLayout(count * blockSize, bits, scaling);
    if (this.#quants.length < length) this.#quants = new Uint32Array(length);
    const at = this.#scaleBytes;
    this.#scaleBytes += 4 * scaleWordsPerRow;
    const whole = at % 4 === 0 ? Math.floor(scaleWordsPerRow) : 0;
    takeApart(formats[type], count, blockBytes / 2, this.#words(bytes), this.#quants, {
      halves: new Uint16Array(this.#scales, at, 2 * scaleWordsPerRow),
      // Scales of halves may begin within a word, and are never written by words.
      words: new Uint32Array(this.#scales, whole && at, whole),
      floats: new Float32Array(this.#scales, whole && at, whole),
    });
    return this.#quants.subarray(0, length);
  }

  /** Bytes as words: in place if they can be viewed so, else copied. Half a word at the end is padded with anything. */
  #words(bytes: Uint8Array): Uint32Array {
    const length = Math.ceil(bytes.length / 4);
    if (bytes.byteOffset % 4 === 0 && bytes.byteOffset + 4 * length <= bytes.buffer.byteLength) {
      return new Uint32Array(bytes.buffer, bytes.byteOffset, length);
    }
    if (this.#stored.length < length) this.#stored = new Uint32Array(length);
    new Uint8Array(this.#stored.buffer).set(bytes);
    return this.#stored.subarray(0, length);
  }
}

// The functions below run once for every few bytes of a model. Four words at a time take half the time of a loop over
// words, and destructuring is several times as slow.

/** @param stride pairs of bytes from block to block, which may begin within a word */
function takeApart(
  { bits, scaling, quantsAt }: StoredBlocks,
  count: number,
  stride: number,
  words: Uint32Array,
  quants: Uint32Array,
  scales: Scales,
): void {
  const pairs = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length);
  const { halves } = scales;
  const blockWords = scaling === 'scale' ? bits : 8 * bits;
  // Five words are four and the first of them once more.
  const rest = blockWords % 4;
  for (let block = 0, pair = 0, to = 0; block < count; block++, pair += stride) {
    if (scaling === 'scale') halves[block] = pairs[pair]!;
    else if (scaling === 'super-line') superLine(words, pair >> 1, scales, 6 * block);
    else superScale(words, pairs, pair + 96, scales, 5 * block);
    let from = pair + quantsAt;
    if (rest === 1) {
      quants[to++] = pairs[from]! | (pairs[from + 1]! << 16);
      from += 2;
    }
    for (const end = to + blockWords - rest; to < end; to += 4, from += 8) copy4(words, from, quants, to);
  }
}

/** Copies four words that begin at any pair of bytes. */
function copy4(from: Uint32Array, pair: number, to: Uint32Array, at: number): void {
  const first = pair >> 1;
  if ((pair & 1) === 0) {
    to[at] = from[first]!;
    to[at + 1] = from[first + 1]!;
    to[at + 2] = from[first + 2]!;
    to[at + 3] = from[first + 3]!;
  } else {
    to[at] = (from[first]! >>> 16) | (from[first + 1]! << 16);
    to[at + 1] = (from[first + 1]! >>> 16) | (from[first + 2]! << 16);
    to[at + 2] = (from[first + 2]! >>> 16) | (from[first + 3]! << 16);
    to[at + 3] = (from[first + 3]! >>> 16) | (from[first + 4]! << 16);
  }
}

/** Q6_K: sixteen signed bytes, then the scale of the block. */
function superScale(words: Uint32Array, pairs: Uint16Array, pair: number, scales: Scales, to: number): void {
  scales.floats[to] = halfTable()[pairs[pair + 8]!]!;
  copy4(words, pair, scales.words, to + 1);
}

/**
 * Q4_K and Q5_K: steps of 6 bits. Those of four runs are low bits of bytes; those of the other four are split between
 * the high bits and nibbles.
 */
function superLine(words: Uint32Array, from: number, scales: Scales, to: number): void {
  const table = halfTable();
  scales.floats[to] = table[words[from]! & 0xffff]!;
  scales.floats[to + 1] = table[words[from]! >>> 16]!;
  const a = words[from + 1]!;
  const b = words[from + 2]!;
  const c = words[from + 3]!;
  const low4 = 0x0f0f0f0f;
  writePairs(scales.words, to + 2, a & 0x3f3f3f3f, b & 0x3f3f3f3f);
  writePairs(
    scales.words,
    to + 4,
    (c & low4) | ((a >>> 2) & 0x30303030),
    ((c >>> 4) & low4) | ((b >>> 2) & 0x30303030),
  );
}

/** Writes two words of bytes as pairs: the first byte of each, the second of each, … */
function writePairs(to: Uint32Array, at: number, first: number, second: number): void {
  to[at] = (first & 0xff) | ((second & 0xff) << 8) | ((first & 0xff00) << 8) | ((second & 0xff00) << 16);
  to[at + 1] = ((first >>> 16) & 0xff) | ((second >>> 8) & 0xff00) | ((first >>> 8) & 0xff0000) | (second & 0xff000000);
}

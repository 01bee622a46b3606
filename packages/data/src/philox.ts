/** Philox4x32-10, a counter-based random generator: any position of any stream is reached without state. */

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers, by 16-bit halves. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle2 = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(middle2 / 0x10000)) >>> 0;
}

/**
 * Philox4x32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * @param counter four unsigned 32-bit words
 * @param key two unsigned 32-bit words
 * @returns four unsigned 32-bit words
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0) >>> 0;
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * A stream of random numbers named by a seed and two stream numbers, for example a purpose and an epoch.
 * Equal names give equal numbers on every machine; different names give independent ones.
 */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #stream: readonly [number, number];
  #block: [number, number, number, number] = [0, 0, 0, 0];
  #blockIndex = 0;
  #used = 4;

  /**
   * @param seed non-negative safe integer
   * @param purpose stream number, unsigned 32-bit
   * @param index second stream number, unsigned 32-bit
   * @throws RangeError if an argument is not an integer of that range
   */
  constructor(seed: number, purpose = 0, index = 0) {
    requireInteger('seed', seed, Number.MAX_SAFE_INTEGER);
    requireInteger('purpose', purpose, 0xffffffff);
    requireInteger('index', index, 0xffffffff);
    this.#key = [seed >>> 0, Math.floor(seed / 0x100000000) >>> 0];
    this.#stream = [purpose, index];
  }

  /** The next unsigned 32-bit integer. */
  uint32(): number {
    if (this.#used === 4) {
      const index = this.#blockIndex++;
      this.#block = philox4x32([index >>> 0, Math.floor(index / 0x100000000), ...this.#stream], this.#key);
      this.#used = 0;
    }
    return this.#block[this.#used++] as number;
  }

  /** The next integer in [0, bound), without bias. `bound` lies in 1 … 2³². */
  below(bound: number): number {
    // Values past the last whole multiple of `bound` would favor the small results: draw again.
    const limit = 0x100000000 - (0x100000000 % bound);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % bound;
    }
  }
}

/** Throws a RangeError unless `value` is an integer in [0, maximum]. */
export function requireInteger(name: string, value: number, maximum: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > maximum) {
    throw new RangeError(`${name} must be an integer from 0 to ${maximum}, got ${value}`);
  }
}

/** Streams of random numbers, each named by a seed and two numbers. */
import { InputError, philox4x32 } from '@crossgate/core';

/**
 * A stream of Philox4x32-10 random numbers (Salmon et al. 2011), named by a seed and two numbers, such as a purpose and
 * an epoch. Equal names give equal numbers on every machine; different names give independent numbers.
 */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #stream: readonly [number, number];
  #block: [number, number, number, number] = [0, 0, 0, 0];
  #blockIndex = 0;
  #used = 4;

  /**
   * @param seed non-negative safe integer.
   * @param purpose first number of the stream, an unsigned 32-bit integer. Default 0.
   * @param index second number of the stream, an unsigned 32-bit integer. Default 0.
   * @throws InputError for an argument that is no integer of its range.
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

  /** The next uniform integer in 0 … bound − 1, without bias. @param bound in 1 … 2³². */
  below(bound: number): number {
    // Values past the last whole multiple of `bound` would favor the small results: draw again.
    const limit = 0x100000000 - (0x100000000 % bound);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % bound;
    }
  }
}

/** Throws an InputError unless `value` is an integer in [0, maximum]. */
export function requireInteger(name: string, value: number, maximum: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > maximum) {
    throw new InputError(`${name} must be an integer from 0 to ${maximum}, got ${value}`);
  }
}

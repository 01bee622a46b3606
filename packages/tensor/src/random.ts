// Seeded random numbers by counter (Philox4x32-10, Salmon et al. 2011): number n of a stream is a function of n alone.

import { philox4x32 } from '@crossgate/core';

/** Second word of the key, so that our streams differ from other users of the same seed. "CROS". */
const keySalt = 0x43524f53;

/** A stream of Philox4x32-10 random numbers (Salmon et al. 2011) on the host, for initial values and draws. */
export class RandomStream {
  #index = 0;
  #words: readonly number[] = [];

  /**
   * @param seed of the run, of which the lower 32 bits count.
   * @param stream name of the stream. Each name has its own numbers, so a new use of random numbers does not change the
   * others.
   */
  constructor(
    private readonly seed: number,
    stream: string,
  ) {
    // FNV-1a: the stream's name as a number.
    let hash = 0x811c9dc5;
    for (let i = 0; i < stream.length; i++) hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
    this.#stream = hash >>> 0;
  }

  readonly #stream: number;

  /** The next integer, uniform in 0 … 2³² − 1. */
  integer(): number {
    const lane = this.#index % 4;
    if (lane === 0) {
      this.#words = philox4x32([Math.floor(this.#index / 4), 0, this.#stream, 1], [this.seed >>> 0, keySalt]);
    }
    this.#index++;
    return this.#words[lane]!;
  }

  /** The next number, uniform in [0, 1): one of 2²⁴ equally spaced values. */
  uniform(): number {
    return (this.integer() >>> 8) * 2 ** -24;
  }

  /** The next `count` numbers, uniform in [low, high). */
  uniforms(count: number, low: number, high: number): Float32Array {
    return Float32Array.from({ length: count }, () => low + (high - low) * this.uniform());
  }

  /** The next `count` numbers, normal with mean 0 and standard deviation `deviation` (Box & Muller 1958). */
  normals(count: number, deviation = 1): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - this.uniform()));
      const angle = 2 * Math.PI * this.uniform();
      values[i] = radius * Math.cos(angle);
      if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
    }
    return values;
  }

  /**
   * The next `count` initial values of a linear layer with `fanIn` inputs, uniform in ±1/√fanIn: PyTorch's default,
   * which is the initialization of He et al. (2015) with a = √5.
   */
  kaimingUniform(count: number, fanIn: number): Float32Array {
    const bound = 1 / Math.sqrt(fanIn);
    return this.uniforms(count, -bound, bound);
  }
}

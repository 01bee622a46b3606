// Seeded random numbers by counter (Philox4x32-10, Salmon et al. 2011): number n of a stream is a function of n alone.

import { philox4x32 } from '@crossgate/core';

/** Second word of the key, so that our streams differ from other users of the same seed. "CROS". */
const keySalt = 0x43524f53;

/** A stream of random numbers, for initial values on the host. */
export class RandomStream {
  #index = 0;
  #words: readonly number[] = [];

  /**
   * @param seed of the run; @param stream name of what is drawn, so that adding a consumer does not shift the others.
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

  /** A 32-bit integer. */
  integer(): number {
    const lane = this.#index % 4;
    if (lane === 0) {
      this.#words = philox4x32([Math.floor(this.#index / 4), 0, this.#stream, 1], [this.seed >>> 0, keySalt]);
    }
    this.#index++;
    return this.#words[lane]!;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return (this.integer() >>> 8) * 2 ** -24;
  }

  /** Uniform in [low, high). */
  uniforms(count: number, low: number, high: number): Float32Array {
    return Float32Array.from({ length: count }, () => low + (high - low) * this.uniform());
  }

  /** Normal with mean 0 and the given standard deviation (Box–Muller). */
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

  /** Kaiming-uniform with a = √5, torch's default for linear layers: uniform in ±1/√fanIn. */
  kaimingUniform(count: number, fanIn: number): Float32Array {
    const bound = 1 / Math.sqrt(fanIn);
    return this.uniforms(count, -bound, bound);
  }
}

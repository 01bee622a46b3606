// A seeded generator of random numbers, the same on every machine.

import { InputError } from '@crossgate/core';

/** A source of uniform whole numbers. */
export interface Random {
  /** A uniform whole number in 0 … limit − 1, without modulo bias. @throws InputError for a limit outside 1 … 2³². */
  below(limit: number): number;
}

/**
 * A generator whose numbers depend on the seed alone: xoshiro128** (Blackman & Vigna 2018) with a state that splitmix32
 * derives from the seed. Its period is 2¹²⁸ − 1.
 *
 * @param seed a whole number, of which the lower 32 bits count.
 * @throws InputError for a seed that is no whole number.
 */
export function seededRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed)) throw new InputError(`seed must be a whole number, got ${seed}`);
  let mixed = seed >>> 0;
  const splitmix = (): number => {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let word = mixed ^ (mixed >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word ^= word >>> 15;
    word = Math.imul(word, 0x735a2d97);
    return (word ^ (word >>> 15)) >>> 0;
  };
  const rotate = (word: number, by: number) => (word << by) | (word >>> (32 - by));
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let d = splitmix();
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  return {
    below(limit) {
      if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 32) {
        throw new InputError(`limit must be a whole number in 1 … 2^32, got ${limit}`);
      }
      // Words from the last, incomplete run of `limit` values are drawn again.
      const end = 2 ** 32 - (2 ** 32 % limit);
      for (;;) {
        const word = next();
        if (word < end) return word % limit;
      }
    },
  };
}

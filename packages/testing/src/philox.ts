/**
 * Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 */

/** Four unsigned 32-bit words. */
export type Words4 = [number, number, number, number];

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
// The Weyl increments of the key: golden ratio and sqrt(3) - 1.
const keyStep0 = 0x9e3779b9;
const keyStep1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned words, by 16-bit halves (a double holds only 53 bits). */
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
 * The block of four random words at `counter` under `key` (`[seed low, seed high]`), ten rounds.
 * Words are unsigned 32-bit integers; a pure function, so any element of a stream can be drawn alone.
 */
export function philox4x32(counter: readonly [number, number, number, number], key: readonly [number, number]): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiplier0, c0 >>> 0);
    const low0 = Math.imul(multiplier0, c0) >>> 0;
    const high1 = multiplyHigh(multiplier1, c2 >>> 0);
    const low1 = Math.imul(multiplier1, c2) >>> 0;
    const next0 = (high1 ^ c1 ^ k0) >>> 0;
    const next2 = (high0 ^ c3 ^ k1) >>> 0;
    c0 = next0;
    c1 = low1;
    c2 = next2;
    c3 = low0;
    k0 = (k0 + keyStep0) >>> 0;
    k1 = (k1 + keyStep1) >>> 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The float in [0, 1) that a random word stands for: its upper 24 bits, exact in f32. */
export function uniformFloat(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

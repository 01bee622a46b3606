/**
 * The permutation of `shuffle` on the host: which row stands at a position, for those who need to know without asking
 * the device.
 */
import { InputError } from '@crossgate/gpu';

/** Keys of a permutation: as many as it has rounds. */
export const shuffleRounds = 8;

/** Widths of the two halves of a number below `rows`. @throws InputError for no rows, or 2³¹ and more. */
export function shuffleBits(rows: number): { readonly left: number; readonly right: number } {
  if (!Number.isInteger(rows) || rows < 1 || rows > 0x7fffffff) {
    throw new InputError(`shuffle: ${rows} rows; from 1 to 2³¹ − 1 can be put in order`);
  }
  const bits = Math.max(1, 32 - Math.clz32(rows - 1));
  return { left: bits >> 1, right: bits - (bits >> 1) };
}

function mix(value: number): number {
  let x = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/**
 * The row at a position of the order that `shuffle` gives.
 *
 * @param position from 0 to rows − 1.
 * @param keys {@link shuffleRounds} random 32-bit numbers; each set of them is another order.
 */
export function shuffledRow(position: number, rows: number, keys: readonly number[]): number {
  const bits = shuffleBits(rows);
  const [leftMask, rightMask] = [(1 << bits.left) - 1, (1 << bits.right) - 1];
  let row = position;
  do {
    let left = row >>> bits.right;
    let right = row & rightMask;
    for (let round = 0; round < shuffleRounds; round += 2) {
      left ^= mix(right ^ keys[round]!) & leftMask;
      right ^= mix(left ^ keys[round + 1]!) & rightMask;
    }
    row = (left << bits.right) | right;
  } while (row >= rows);
  return row;
}

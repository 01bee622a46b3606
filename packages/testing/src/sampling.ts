/** Batches of rows and the best of a list, done plainly: what sampling and ranking kernels are held against. */
import { philox4x32 } from './philox';

/** The finalizer of MurmurHash3. */
function murmurFinalizer(value: bigint): bigint {
  const word = 0xffffffffn;
  let x = value;
  x = ((x ^ (x >> 16n)) * 0x85ebca6bn) & word;
  x = ((x ^ (x >> 13n)) * 0xc2b2ae35n) & word;
  return x ^ (x >> 16n);
}

/** The whole order of 0 … rows − 1 by a Feistel network with cycle walking, one round per key. */
export function feistelOrder(rows: number, keys: readonly number[]): number[] {
  const bits = Math.max(1, Math.ceil(Math.log2(rows)));
  const widths = [BigInt(Math.floor(bits / 2)), BigInt(Math.ceil(bits / 2))] as const;
  const encipher = (value: bigint): bigint => {
    const halves: [bigint, bigint] = [value >> widths[1], value & ((1n << widths[1]) - 1n)];
    keys.forEach((key, round) => {
      const own = (round % 2) as 0 | 1;
      const other = halves[own === 0 ? 1 : 0];
      halves[own] ^= murmurFinalizer(other ^ BigInt(key >>> 0)) & ((1n << widths[own]) - 1n);
    });
    return (halves[0] << widths[1]) | halves[1];
  };
  return Array.from({ length: rows }, (_, position) => {
    let value = encipher(BigInt(position));
    while (value >= BigInt(rows)) value = encipher(value);
    return Number(value);
  });
}

/**
 * The item drawn for one row: the first of `attempts` draws from `candidates` that is not in `positives`, else one draw
 * among those that are not; the last of the attempts where there are none.
 *
 * @param position of the row in the epoch; with `epoch` and `seed` all that the draws depend on.
 */
export function drawNegative(
  position: number,
  { epoch, seed, attempts }: { readonly epoch: number; readonly seed: number; readonly attempts: number },
  candidates: readonly number[],
  positives: ReadonlySet<number>,
): number {
  let item = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const words = philox4x32([position, Math.floor(attempt / 4), epoch, 1], [seed, 0x43524f53]);
    const word = BigInt(words[(attempt % 4) as 0 | 1 | 2 | 3]);
    item = candidates[Number((word * BigInt(candidates.length)) >> 32n)]!;
    if (!positives.has(item)) return item;
  }
  const left = candidates.filter((candidate) => !positives.has(candidate));
  const [word] = philox4x32([position, attempts, epoch, 1], [seed, 0x43524f53]);
  return left.length === 0 ? item : left[Number((BigInt(word) * BigInt(left.length)) >> 32n)]!;
}

/** Indices of the k largest scores among those allowed, best first; the lower index wins ties. */
export function largest(scores: ArrayLike<number>, k: number, allowed: (index: number) => boolean): number[] {
  return Array.from(scores, (_, index) => index)
    .filter(allowed)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, k);
}

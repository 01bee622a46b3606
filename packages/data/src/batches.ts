/** Seeded row orders, samples and batches: a function of (rows, seed, epoch) alone. */
import { RandomStream, requireInteger } from './random-stream';

// Stream numbers keep a shuffle and a sample of the same seed independent of one another.
const shuffleStream = 1;
const sampleStream = 2;

function identity(rows: number): Int32Array {
  requireInteger('rows', rows, 0x7fffffff);
  const order = new Int32Array(rows);
  for (let row = 0; row < rows; row++) order[row] = row;
  return order;
}

/**
 * A uniformly random order of the rows of one epoch (Fisher–Yates on a Philox stream).
 *
 * @param rows number of rows, or the row numbers themselves (left unchanged)
 * @param seed non-negative safe integer
 * @param epoch from 0; each epoch has its own order
 */
export function shuffledRows(rows: number | Int32Array, seed: number, epoch: number): Int32Array {
  const order = typeof rows === 'number' ? identity(rows) : rows.slice();
  const random = new RandomStream(seed, shuffleStream, epoch);
  for (let last = order.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const value = order[last] as number;
    order[last] = order[other] as number;
    order[other] = value;
  }
  return order;
}

/**
 * A seeded sample without replacement, in ascending order; every row when `count` ≥ `rows`.
 *
 * @param rows number of rows to choose from
 * @param count number of rows wanted
 * @param seed non-negative safe integer
 */
export function sampleRows(rows: number, count: number, seed: number): Int32Array {
  requireInteger('count', count, Number.MAX_SAFE_INTEGER);
  const order = identity(rows);
  if (count >= rows) return order;
  const random = new RandomStream(seed, sampleStream);
  for (let first = 0; first < count; first++) {
    const other = first + random.below(rows - first);
    const value = order[first] as number;
    order[first] = order[other] as number;
    order[other] = value;
  }
  return order.slice(0, count).sort();
}

/** Cuts a row order into consecutive batches of `size`; the last is shorter unless `dropLast`. Views, not copies. */
export function* batchRows(
  order: Int32Array,
  size: number,
  options: { dropLast?: boolean } = {},
): Generator<Int32Array, void, undefined> {
  if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`batch size must be at least 1, got ${size}`);
  for (let start = 0; start < order.length; start += size) {
    if (options.dropLast && start + size > order.length) return;
    yield order.subarray(start, Math.min(start + size, order.length));
  }
}

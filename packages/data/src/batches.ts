/** Seeded row orders, samples and batches: a function of (rows, seed, epoch) alone. */
import { InputError } from '@crossgate/core';
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
 * A uniformly random order of the rows for one epoch, by a Fisher–Yates shuffle with Philox random numbers. The same
 * arguments give the same order on every machine.
 *
 * @param rows number of rows, or the row numbers themselves, which are not changed.
 * @param seed non-negative safe integer.
 * @param epoch from 0; each epoch has its own order.
 * @returns row numbers, one per row.
 * @throws InputError for an argument that is no integer of its range.
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
 * A uniform sample of rows without replacement. The same arguments give the same sample on every machine.
 *
 * @param rows number of rows to choose from.
 * @param count number of rows wanted.
 * @param seed non-negative safe integer.
 * @returns row numbers in ascending order; all rows when `count` ≥ `rows`.
 * @throws InputError for an argument that is no integer of its range.
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

/**
 * Cuts an order of rows into consecutive batches. Batches are views on `order`, not copies.
 *
 * @param order row numbers, [rows].
 * @param size rows per batch, at least 1.
 * @throws InputError for a size that is no positive whole number.
 */
export function* batchRows(
  order: Int32Array,
  size: number,
  options: {
    /** Leaves out a last batch that is shorter than `size`. Default false. */
    dropLast?: boolean;
  } = {},
): Generator<Int32Array, void, undefined> {
  if (!Number.isSafeInteger(size) || size < 1) throw new InputError(`batch size must be at least 1, got ${size}`);
  for (let start = 0; start < order.length; start += size) {
    if (options.dropLast && start + size > order.length) return;
    yield order.subarray(start, Math.min(start + size, order.length));
  }
}

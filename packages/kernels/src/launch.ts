/** Checks of several launcher arguments at once. */
import type { BufferSlice } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { requireElements } from './slices';

export { elements as part } from './slices';

/** @throws InputError unless every value is a whole number ≥ 0. */
export function requireCounts(kernel: string, counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isSafeInteger(value) || value < 0) throw new InputError(`${kernel}: ${name} is ${value}, not a count`);
  }
}

/**
 * Checks that slices hold what the shapes ask for.
 *
 * @param expected per name the slice (absent ones are skipped) and its number of 32-bit elements.
 * @throws InputError naming the slice, its bytes and the bytes needed.
 */
export function requireSlices(
  kernel: string,
  expected: Readonly<Record<string, readonly [slice: BufferSlice | undefined, elements: number]>>,
): void {
  for (const [name, [slice, count]] of Object.entries(expected)) {
    if (slice) requireElements(kernel, name, slice, count);
  }
}

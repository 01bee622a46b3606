/** Checks of launcher arguments, and the division of rows into dispatches that fit one binding. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';

/**
 * Requires a slice to hold at least `count` 32-bit elements.
 *
 * @throws InputError with both sizes.
 */
export function requireElements(kernel: string, name: string, slice: BufferSlice, count: number): void {
  if (slice.size < 4 * count) {
    throw new InputError(`${kernel}: "${name}" holds ${slice.size} bytes, ${4 * count} are needed for its shape`);
  }
}

/**
 * Requires every number to be a positive integer.
 *
 * @throws InputError naming the first that is not.
 */
export function requireSizes(kernel: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || size <= 0) {
      throw new InputError(`${kernel}: ${name} is ${size}, a positive integer is needed`);
    }
  }
}

/** Elements [first, first + count) of a slice of 32-bit elements. */
export function elements(slice: BufferSlice, first: number, count: number): BufferSlice {
  return { storage: slice.storage, offset: slice.offset + 4 * first, size: 4 * count };
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/** Rows that must stay together for the next ones to start at an offset that may be bound. */
function rowUnit({ capabilities }: Pick<Device, 'capabilities'>, columns: readonly number[]): number {
  const { minStorageBufferOffsetAlignment: alignment } = capabilities.limits;
  // Per alignment unit of each buffer; powers of two, so the largest is a multiple of the others.
  return Math.max(...columns.map((c) => alignment / greatestCommonDivisor(alignment, 4 * c)));
}

/**
 * The most rows that one binding takes when a buffer is divided by rows; 0 when it cannot be.
 *
 * @param columns elements (4 bytes each) per row, for every buffer that is divided.
 */
export function rowsPerBinding(device: Pick<Device, 'capabilities'>, columns: readonly number[]): number {
  const unit = rowUnit(device, columns);
  const { maxStorageBufferBindingSize } = device.capabilities.limits;
  return Math.floor(maxStorageBufferBindingSize / (4 * Math.max(...columns)) / unit) * unit;
}

/**
 * Splits `rows` into ranges whose slices fit one binding and start at offsets that may be bound.
 *
 * @param columns elements (4 bytes each) per row, for every buffer that is divided by rows.
 * @throws InputError when not even the smallest range fits.
 */
export function rowRanges(
  kernel: string,
  device: Pick<Device, 'capabilities'>,
  rows: number,
  columns: readonly number[],
): { first: number; count: number }[] {
  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  const widest = 4 * Math.max(...columns);
  if (rows * widest <= limit) return [{ first: 0, count: rows }];
  const most = rowsPerBinding(device, columns);
  if (most === 0) {
    throw new InputError(
      `${kernel}: ${rowUnit(device, columns)} rows of ${widest} bytes exceed one binding of ${limit} bytes`,
    );
  }
  const ranges: { first: number; count: number }[] = [];
  for (let first = 0; first < rows; first += most) ranges.push({ first, count: Math.min(most, rows - first) });
  return ranges;
}

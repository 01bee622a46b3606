/** How rows lie on the device when several batches of them are made at once. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { requireElements, requireSizes } from './slices';

/** Arrays [batches, stride] of 32-bit elements: batch b is elements b · stride … b · stride + batchSize − 1. */
export interface BatchLayout {
  /** Number of batches, at least 1. */
  readonly batches: number;
  /** Rows of a full batch, at least 1. */
  readonly batchSize: number;
  /** Elements from one batch to the next, more than `batchSize`; see {@link batchStride}. */
  readonly stride: number;
}

/**
 * The least stride of a {@link BatchLayout}, in elements: the distance at which every batch can be bound by itself and
 * has room for one element more than its rows.
 */
export function batchStride(device: Pick<Device, 'capabilities'>, batchSize: number): number {
  const unit = Math.max(1, device.capabilities.limits.minStorageBufferOffsetAlignment / 4);
  return unit * Math.ceil((batchSize + 1) / unit);
}

/** Requires slices to hold batches. @throws InputError for a layout that cannot be, and for a slice smaller than it. */
export function requireBatches(
  kernel: string,
  { batches, batchSize, stride }: BatchLayout,
  slices: Readonly<Record<string, BufferSlice>>,
): void {
  requireSizes(kernel, { batches, batchSize, stride });
  if (stride <= batchSize) {
    throw new InputError(`${kernel}: stride ${stride} leaves no room behind batches of ${batchSize}`);
  }
  for (const [name, slice] of Object.entries(slices)) requireElements(kernel, name, slice, batches * stride);
}

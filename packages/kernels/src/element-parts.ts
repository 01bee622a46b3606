/** What elementwise launchers share: checks of their slices, and parts that fit one binding. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { planElements, spreadValues } from './plan';
import { elements, requireElements, requireSizes, rowRanges } from './slices';

/** A part of an elementwise operation, and what its dispatch is made of. */
interface ElementPart<Names extends string> {
  /** The part of each slice. */
  readonly bindings: Readonly<Record<Names, BufferSlice>>;
  /** Elements of the part, or vectors of four. */
  readonly values: number;
  /** Values of `elementConstants`. */
  readonly constants: ReturnType<typeof spreadValues>['constants'];
  readonly workgroups: number;
}

/**
 * Divides an operation over `count` elements of 32 bits of each slice into parts that can be bound.
 *
 * @throws InputError when `count` is no positive integer or a slice is smaller.
 */
export function elementParts<Names extends string>(
  operation: string,
  device: Device,
  count: number,
  slices: Readonly<Record<Names, BufferSlice>>,
): ElementPart<Names>[] {
  requireSizes(operation, { count });
  const entries = Object.entries(slices) as [Names, BufferSlice][];
  for (const [name, slice] of entries) requireElements(operation, name, slice, count);
  return rowRanges(operation, device, count, [1]).map((range) => {
    const plan = planElements(range, device.capabilities);
    const parts = entries.map(([name, slice]) => [name, elements(slice, range.first, range.count)] as const);
    return {
      bindings: Object.fromEntries(parts) as Record<Names, BufferSlice>,
      values: plan.values,
      ...spreadValues(plan, plan.vector),
    };
  });
}

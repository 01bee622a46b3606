// Frozen weights of 8 or 4 bits a value, and the operand that matrix products take of either kind of weight.
import type { BufferSlice, Device } from '@crossgate/gpu';
import type { QuantizedBits, QuantizedMatrix } from '@crossgate/kernels';
import { quantizedLayout } from '@crossgate/kernels';
import { allOrNothing } from './parameters';
import { Tensor } from './tensor';

/**
 * The frozen weight [outputs, inputs] of a linear layer in blocks of 32 integers with an f16 scale each, as
 * `QuantizedMatrix` of `@crossgate/kernels` lays them out. Gradients flow through it to the layer's input, never to itself.
 */
export class QuantizedWeight implements QuantizedMatrix {
  readonly requiresGrad = false;

  constructor(
    readonly device: Device,
    readonly shape: readonly [number, number],
    readonly bits: QuantizedBits,
    readonly quants: BufferSlice,
    readonly scales: BufferSlice,
  ) {}
}

/** What a linear layer multiplies by. */
export type LinearWeight = Tensor | QuantizedWeight;

/** Persistent memory for a quantised weight, with undefined contents. @throws OutOfMemoryError; nothing stays allocated then. */
export function persistentQuantized(
  device: Device,
  shape: readonly [number, number],
  bits: QuantizedBits,
  purpose: string,
): QuantizedWeight {
  const [rows, columns] = shape;
  const { quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, bits);
  return allOrNothing(device, (allocate) => {
    const quants = allocate(4 * rows * quantWordsPerRow, purpose);
    return new QuantizedWeight(device, shape, bits, quants, allocate(4 * Math.ceil(rows * scaleWordsPerRow), purpose));
  });
}

/** Frees a weight of either kind at once. */
export function releaseWeight(weight: LinearWeight): void {
  const { memory } = weight.device;
  for (const slice of weight instanceof Tensor ? [weight.slice] : [weight.quants, weight.scales]) memory.free(slice);
}

/** What a matrix product binds. */
export function weightOperand(weight: LinearWeight): BufferSlice | QuantizedMatrix {
  return weight instanceof Tensor ? weight.slice : weight;
}

// Frozen weights of 16, 8 or 4 bits a value, and the operand that matrix products take of either kind of weight.
import type { BufferSlice, Device } from '@crossgate/gpu';
import type { HalfMatrix, NarrowMatrix, QuantizedBits, QuantizedMatrix, QuantizedScaling } from '@crossgate/kernels';
import { halfPaddedColumns, quantizedLayout } from '@crossgate/kernels';
import { allOrNothing } from './parameters';
import { Tensor } from './tensor';

/**
 * The frozen weight [outputs, inputs] of a linear layer in integers with scales that neighbors share, as
 * `QuantizedMatrix` of `@crossgate/kernels` lays them out. Gradients flow through it to the layer's input, never to itself.
 */
export class QuantizedWeight implements QuantizedMatrix {
  readonly requiresGrad = false;

  constructor(
    readonly device: Device,
    readonly shape: readonly [number, number],
    readonly bits: QuantizedBits,
    readonly quants: BufferSlice,
    readonly scales: BufferSlice | undefined,
    readonly scaling: QuantizedScaling = 'scale',
  ) {}
}

/** The frozen weight [outputs, inputs] of a linear layer in 16 bits a value, as `HalfMatrix` of `@crossgate/kernels`. */
export class HalfWeight implements HalfMatrix {
  readonly requiresGrad = false;
  readonly bits = 16;

  constructor(
    readonly device: Device,
    readonly shape: readonly [number, number],
    readonly bfloat: boolean,
    readonly values: BufferSlice,
  ) {}
}

/** What a linear layer multiplies by. */
export type LinearWeight = Tensor | QuantizedWeight | HalfWeight;

/** Persistent memory for a weight of 16 bits a value, with undefined contents. @throws OutOfMemoryError */
export function persistentHalf(
  device: Device,
  shape: readonly [number, number],
  bfloat: boolean,
  purpose: string,
): HalfWeight {
  const [rows, columns] = shape;
  return new HalfWeight(
    device,
    shape,
    bfloat,
    device.memory.persistent(2 * rows * halfPaddedColumns(columns), purpose),
  );
}

/** Persistent memory for a quantised weight, with undefined contents. @throws OutOfMemoryError; nothing stays allocated then. */
export function persistentQuantized(
  device: Device,
  shape: readonly [number, number],
  bits: QuantizedBits,
  purpose: string,
  scaling: QuantizedScaling = 'scale',
): QuantizedWeight {
  const [rows, columns] = shape;
  const { quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, bits, scaling);
  return allOrNothing(device, (allocate) => {
    const quants = allocate(4 * rows * quantWordsPerRow, purpose);
    const scales = scaleWordsPerRow > 0 ? allocate(4 * Math.ceil(rows * scaleWordsPerRow), purpose) : undefined;
    return new QuantizedWeight(device, shape, bits, quants, scales, scaling);
  });
}

function slicesOf(weight: LinearWeight): readonly BufferSlice[] {
  if (weight instanceof QuantizedWeight) return weight.scales ? [weight.quants, weight.scales] : [weight.quants];
  return [weight instanceof Tensor ? weight.slice : weight.values];
}

/** Bytes of a weight of any kind on the device. */
export function bytesOfWeight(weight: LinearWeight): number {
  return slicesOf(weight).reduce((sum, { size }) => sum + size, 0);
}

/** Frees a weight of any kind at once. */
export function releaseWeight(weight: LinearWeight): void {
  for (const slice of slicesOf(weight)) weight.device.memory.free(slice);
}

/** What a matrix product binds. */
export function weightOperand(weight: LinearWeight): BufferSlice | NarrowMatrix {
  return weight instanceof Tensor ? weight.slice : weight;
}

// Frozen weights of 16, 8 or 4 bits a value, and the operand that matrix products take of either kind of weight.
import type { BufferSlice, Device } from '@crossgate/gpu';
import type { HalfMatrix, NarrowMatrix, QuantizedBits, QuantizedMatrix, QuantizedScaling } from '@crossgate/kernels';
import { halfPaddedColumns, quantizedLayout } from '@crossgate/kernels';
import { allOrNothing } from './parameters';
import { Tensor } from './tensor';

/**
 * A frozen weight [outputs, inputs] of a linear layer, stored as integers of 4 to 8 bits with a scale per block of
 * neighbors, in the layout of `QuantizedMatrix` of `@crossgate/kernels`. Gradients flow through it to the layer's
 * input, never to the weight itself.
 */
export class QuantizedWeight implements QuantizedMatrix {
  /** Always false: the weight is frozen. */
  readonly requiresGrad = false;

  /** Describes memory that exists already; to allocate some, use {@link persistentQuantized}. */
  constructor(
    /** The device that holds the weight. */
    readonly device: Device,
    /** [outputs, inputs]. */
    readonly shape: readonly [number, number],
    /** Bits per value. */
    readonly bits: QuantizedBits,
    /** The integers, packed into 32-bit words row by row, as `quantizedLayout` says. */
    readonly quants: BufferSlice,
    /** The scales of the blocks; undefined for the scaling `line`, whose scales lie among the integers. */
    readonly scales: BufferSlice | undefined,
    /** How integers and scales make a value. */
    readonly scaling: QuantizedScaling = 'scale',
  ) {}
}

/** A frozen weight [outputs, inputs] of a linear layer in 16 bits per value: `HalfMatrix` of `@crossgate/kernels`. */
export class HalfWeight implements HalfMatrix {
  /** Always false: the weight is frozen. */
  readonly requiresGrad = false;
  /** Bits per value. */
  readonly bits = 16;

  /** Describes memory that exists already; to allocate some, use {@link persistentHalf}. */
  constructor(
    /** The device that holds the weight. */
    readonly device: Device,
    /** [outputs, inputs]. */
    readonly shape: readonly [number, number],
    /** True for bfloat16, false for IEEE half. */
    readonly bfloat: boolean,
    /** The values, two per 32-bit word, each row padded to `halfPaddedColumns(inputs)` values. */
    readonly values: BufferSlice,
  ) {}
}

/** A linear layer's weight [outputs, inputs]: f32, frozen or trained, or frozen in fewer bits. */
export type LinearWeight = Tensor | QuantizedWeight | HalfWeight;

/**
 * Persistent memory for a weight in 16 bits per value, with undefined contents. Free it with {@link releaseWeight}.
 *
 * @param shape [outputs, inputs]; @param bfloat true for bfloat16, false for IEEE half.
 * @param purpose the name under which `device.memory.report()` counts its bytes.
 * @throws OutOfMemoryError with the sizes.
 */
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

/**
 * Persistent memory for a quantized weight, with undefined contents. Free it with {@link releaseWeight}.
 *
 * @param shape [outputs, inputs]; @param bits per value; @param scaling how integers and scales make a value.
 * @param purpose the name under which `device.memory.report()` counts its bytes.
 * @throws OutOfMemoryError with the sizes; nothing stays allocated then.
 */
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

/** Bytes that a weight of any kind takes on the device. */
export function bytesOfWeight(weight: LinearWeight): number {
  return slicesOf(weight).reduce((sum, { size }) => sum + size, 0);
}

/** Frees a weight of any kind at once. */
export function releaseWeight(weight: LinearWeight): void {
  for (const slice of slicesOf(weight)) weight.device.memory.free(slice);
}

/** The form in which the kernels' matrix products take a weight of any kind. */
export function weightOperand(weight: LinearWeight): BufferSlice | NarrowMatrix {
  return weight instanceof Tensor ? weight.slice : weight;
}

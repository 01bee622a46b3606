// A tensor: a typed, shaped handle on a range of GPU memory.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { type DType, dtypeOf, type HostValues } from './dtype';

export type { DType, HostValues } from './dtype';

export type Shape = readonly number[];

let nextId = 1;

/** Number of elements of a shape. */
export function shapeSize(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/**
 * Row-major values on the device. A tensor does not own its memory: step tensors belong to the scope in which they
 * were made and to the tape nodes that saved them, parameters to their group.
 */
export class Tensor {
  readonly id = nextId++;
  /** Whether gradients flow to this tensor. Set by the tape for results, by the group for parameters. */
  requiresGrad = false;

  constructor(
    readonly device: Device,
    readonly slice: BufferSlice,
    readonly shape: Shape,
    readonly dtype: DType = 'f32',
  ) {}

  /** Number of elements. */
  get size(): number {
    return shapeSize(this.shape);
  }

  /** Product of all dimensions but the last. */
  get rows(): number {
    return this.size / Math.max(1, this.columns);
  }

  /** The last dimension. */
  get columns(): number {
    return this.shape.at(-1) ?? 1;
  }

  /** Waits for the device and copies the values to the host. */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    if (this.dtype !== 'f32')
      throw new InputError(`read() gives f32; this tensor is ${this.dtype}, use readIntegers()`);
    return new Float32Array(await this.device.recorder.read(this.slice));
  }

  /** As {@link read}, for u32 and i32. @throws InputError for f32. */
  async readIntegers(): Promise<Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>> {
    if (this.dtype === 'f32') throw new InputError('readIntegers() gives u32 or i32; this tensor is f32, use read()');
    const bytes = await this.device.recorder.read(this.slice);
    return this.dtype === 'u32' ? new Uint32Array(bytes) : new Int32Array(bytes);
  }
}

/** A step tensor with undefined contents. @throws InputError outside a step. */
export function empty(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return new Tensor(device, device.memory.allocate(4 * shapeSize(shape)), shape, dtype);
}

/** A step tensor of zeros. */
export function zeros(device: Device, shape: Shape): Tensor {
  const tensor = empty(device, shape);
  device.recorder.clear(tensor.slice);
  return tensor;
}

function checkCount(operation: string, shape: Shape, { length }: HostValues): void {
  if (length === shapeSize(shape)) return;
  throw new InputError(`${operation}: ${length} values do not fill the shape [${shape.join(', ')}]`);
}

/** A step tensor with the given values. @throws InputError when their number does not fit the shape. */
export function fromHost(device: Device, shape: Shape, values: HostValues): Tensor {
  const dtype = dtypeOf('fromHost', values);
  checkCount('fromHost', shape, values);
  const tensor = empty(device, shape, dtype);
  device.recorder.write(tensor.slice, values);
  return tensor;
}

/** A persistent tensor that takes no part in training: frozen weights, data sets. Release with {@link releasePersistent}. */
export function persistent(device: Device, shape: Shape, purpose: string, values?: HostValues): Tensor {
  const dtype = values ? dtypeOf('persistent', values) : 'f32';
  if (values) checkCount('persistent', shape, values);
  const tensor = new Tensor(device, device.memory.persistent(4 * shapeSize(shape), purpose), shape, dtype);
  if (values) device.recorder.write(tensor.slice, values);
  return tensor;
}

/** Frees a persistent tensor at once. */
export function releasePersistent(tensor: Tensor): void {
  tensor.device.memory.free(tensor.slice);
}

/** Checks a shape; −1 stands for any length. @throws InputError naming the operation and both shapes. */
export function expectShape(operation: string, name: string, tensor: Pick<Tensor, 'shape'>, expected: Shape): void {
  const fits =
    tensor.shape.length === expected.length &&
    expected.every((length, i) => length === -1 || length === tensor.shape[i]);
  if (!fits) {
    const wanted = expected.map((length) => (length === -1 ? '?' : length)).join(', ');
    throw new InputError(`${operation}: ${name} has shape [${tensor.shape.join(', ')}], expected [${wanted}]`);
  }
}

/**
 * What {@link expectTensor} checks: a tensor, or a frozen weight in fewer bits. Such a weight has no dtype, since every
 * operation that takes one reads all of its formats.
 */
export type Operand = Pick<Tensor, 'shape'> & { readonly dtype?: DType };

/**
 * Checks an operand's dtype and, where `shape` is given, its shape; −1 stands for any length.
 *
 * @throws InputError naming the operation, the operand, what it is and what is expected.
 */
export function expectTensor(operation: string, name: string, tensor: Operand, dtype: DType, shape?: Shape): void {
  if (tensor.dtype !== undefined && tensor.dtype !== dtype) {
    throw new InputError(`${operation}: ${name} has dtype ${tensor.dtype}, expected ${dtype}`);
  }
  if (shape !== undefined) expectShape(operation, name, tensor, shape);
}

/** Runs `body` in a memory scope of its own: everything it makes is returned, except its result and what a tape saved. */
export function tidy<T extends Tensor | readonly Tensor[] | undefined>(device: Device, body: () => T): T {
  const scope = device.memory.openScope();
  let result: T;
  try {
    result = body();
  } catch (error) {
    // The exception may have left scopes open inside this one.
    device.memory.closeDownTo(scope);
    throw error;
  }
  const kept: readonly Tensor[] = result === undefined ? [] : result instanceof Tensor ? [result] : result;
  scope.close(kept.map(({ slice }) => slice.storage));
  return result;
}

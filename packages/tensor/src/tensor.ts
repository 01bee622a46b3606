// A tensor: a typed, shaped handle on a range of GPU memory.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { type DType, dtypeOf, type HostValues } from './dtype';

export type { DType, HostValues } from './dtype';

/** Lengths of a tensor's dimensions, outermost first. `[]` is a single value. */
export type Shape = readonly number[];

let nextId = 1;

/** Number of elements of a shape: the product of its lengths, 1 for `[]`. */
export function shapeSize(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/**
 * Row-major values on the device. A tensor does not own its memory. A step tensor's memory belongs to the scope in
 * which it was made and to the tape entries that saved it; a parameter's memory belongs to its group.
 */
export class Tensor {
  /** Distinguishes tensors of this process, also those that share memory. */
  readonly id = nextId++;
  /** Whether gradients flow to this tensor. The tape sets it for results, the group for parameters. */
  requiresGrad = false;
  /** Number of elements. */
  readonly size: number;

  /**
   * Describes memory that exists already; to allocate some, use {@link empty}, {@link fromHost} or {@link persistent}.
   */
  constructor(
    /** The device that holds the values. */
    readonly device: Device,
    /** Where the values lie: 4 bytes per element, without gaps. */
    readonly slice: BufferSlice,
    /** Lengths of the dimensions, outermost first. */
    readonly shape: Shape,
    /** Type of the elements. Operations refuse a tensor of another type than they read. */
    readonly dtype: DType = 'f32',
  ) {
    this.size = shapeSize(shape);
  }

  /** Product of all dimensions but the last. */
  get rows(): number {
    return this.size / Math.max(1, this.columns);
  }

  /** The last dimension. */
  get columns(): number {
    return this.shape.at(-1) ?? 1;
  }

  /**
   * Waits for the device and copies the values to the host, row-major.
   *
   * @throws InputError for a dtype other than f32; DeviceLostError when the device fails meanwhile.
   */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    if (this.dtype !== 'f32')
      throw new InputError(`read() gives f32; this tensor is ${this.dtype}, use readIntegers()`);
    return new Float32Array(await this.device.recorder.read(this.slice));
  }

  /** As {@link read}, for u32 (a `Uint32Array`) and i32 (an `Int32Array`). @throws InputError for f32. */
  async readIntegers(): Promise<Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>> {
    if (this.dtype === 'f32') throw new InputError('readIntegers() gives u32 or i32; this tensor is f32, use read()');
    const bytes = await this.device.recorder.read(this.slice);
    return this.dtype === 'u32' ? new Uint32Array(bytes) : new Int32Array(bytes);
  }
}

/** A step tensor with undefined contents. @throws InputError outside a step; OutOfMemoryError with the sizes. */
export function empty(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return new Tensor(device, device.memory.allocate(4 * shapeSize(shape)), shape, dtype);
}

/** A step tensor of f32 zeros. @throws as {@link empty}. */
export function zeros(device: Device, shape: Shape): Tensor {
  const tensor = empty(device, shape);
  device.recorder.clear(tensor.slice);
  return tensor;
}

function checkCount(operation: string, shape: Shape, { length }: HostValues): void {
  if (length === shapeSize(shape)) return;
  throw new InputError(`${operation}: ${length} values do not fill the shape [${shape.join(', ')}]`);
}

/**
 * Uploads values into a step tensor, whose dtype follows from the class of the array.
 *
 * @param values row-major.
 * @throws InputError when their number does not fit the shape, for arrays of another class, and outside a step;
 * OutOfMemoryError with the sizes.
 */
export function fromHost(device: Device, shape: Shape, values: HostValues): Tensor {
  const dtype = dtypeOf('fromHost', values);
  checkCount('fromHost', shape, values);
  const tensor = empty(device, shape, dtype);
  device.recorder.write(tensor.slice, values);
  return tensor;
}

/**
 * A tensor that outlives steps and is not trained, such as frozen weights or a data set. Free it with
 * {@link releasePersistent}.
 *
 * @param purpose the name under which `device.memory.report()` counts its bytes.
 * @param values row-major; they decide the dtype. Without them the contents are undefined f32.
 * @throws InputError as {@link fromHost}; OutOfMemoryError with the sizes. Nothing stays allocated then.
 */
export function persistent(device: Device, shape: Shape, purpose: string, values?: HostValues): Tensor {
  const dtype = values ? dtypeOf('persistent', values) : 'f32';
  if (values) checkCount('persistent', shape, values);
  const tensor = new Tensor(device, device.memory.persistent(4 * shapeSize(shape), purpose), shape, dtype);
  if (values) device.recorder.write(tensor.slice, values);
  return tensor;
}

/**
 * An f32 tensor that outlives steps but comes and goes all the time, such as a cache: its buffer is of the pool of step
 * buffers, to which {@link releasePersistent} returns it. Its contents are undefined.
 *
 * @param purpose the name under which `device.memory.report()` counts its bytes meanwhile.
 * @throws OutOfMemoryError with the sizes.
 */
export function borrowed(device: Device, shape: Shape, purpose: string): Tensor {
  return new Tensor(device, device.memory.borrow(4 * shapeSize(shape), purpose), shape, 'f32');
}

/** Frees the memory of a tensor made by {@link persistent} or {@link borrowed} at once. */
export function releasePersistent(tensor: Tensor): void {
  tensor.device.memory.free(tensor.slice);
}

/** Checks a shape; −1 stands for any length. @throws InputError naming the operation, the operand and both shapes. */
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

/**
 * Runs `body` in a memory scope of its own. At its end the memory of all step tensors made in it returns to the pool,
 * except that of its result and of tensors saved by a tape.
 *
 * @returns the result of `body`, which now belongs to the enclosing scope.
 * @throws whatever `body` throws, with the scope closed.
 */
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

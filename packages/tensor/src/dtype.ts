// Element types of tensors, and the arrays that hold such elements on the host.
import { InputError } from '@crossgate/gpu';

/** Type of a tensor's elements, 4 bytes each: a float, an unsigned or a signed integer of 32 bits. */
export type DType = 'f32' | 'u32' | 'i32';

/**
 * Values on the host, row-major. Their class says the dtype: `Float32Array` f32, `Uint32Array` u32, `Int32Array` i32.
 */
export type HostValues = Float32Array | Uint32Array | Int32Array;

/** The dtype of values on the host. @throws InputError naming the operation, for arrays of any other class. */
export function dtypeOf(operation: string, values: HostValues): DType {
  if (values instanceof Float32Array) return 'f32';
  if (values instanceof Uint32Array) return 'u32';
  if (values instanceof Int32Array) return 'i32';
  throw new InputError(
    `${operation}: values is of type ${classOf(values)}, expected Float32Array, Uint32Array or Int32Array`,
  );
}

/**
 * Checks values for f32 elements.
 *
 * @param subject what is wrong, for the message.
 * @throws InputError for other arrays.
 */
export function expectFloats(subject: string, values: Float32Array): void {
  if (values instanceof Float32Array) return;
  throw new InputError(`${subject} is of type ${classOf(values)}, expected Float32Array`);
}

/** Name of a value's class: `Float64Array`, `Array`. */
function classOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

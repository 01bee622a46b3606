/** Row-major float64 arrays: what every kernel's result is held against. */
import { philox4x32, uniformFloat } from './philox';

/** A dense row-major float64 array; `data.length` is the product of `shape` (a scalar has shape `[]`). */
export interface Reference {
  shape: number[];
  data: Float64Array;
}

/** Anything whose numbers can be read in order: a `Reference`, a typed array or a plain list. */
export type Values = Reference | ArrayLike<number>;

/** The numbers of `values` in row-major order, without a copy. */
export function valuesOf(values: Values): ArrayLike<number> {
  return 'data' in values && 'shape' in values ? values.data : (values as ArrayLike<number>);
}

/** Number of elements of a shape; 1 for `[]`. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Makes a reference array of `shape` from its values in row-major order, or from a function of the flat index.
 * Without a source it is filled with zeros. Throws when the number of values does not fit the shape.
 */
export function reference(
  shape: readonly number[],
  source?: ArrayLike<number> | ((index: number) => number),
): Reference {
  const size = elementCount(shape);
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`shape ${showShape(shape)} is not a valid shape`);
  const data = new Float64Array(size);
  if (typeof source === 'function') {
    for (let i = 0; i < size; i++) data[i] = source(i);
  } else if (source) {
    if (source.length !== size) {
      throw new RangeError(`shape ${showShape(shape)} needs ${size} values, got ${source.length}`);
    }
    data.set(source);
  }
  return { shape: [...shape], data };
}

/** Zeros of a shape. */
export function zeros(shape: readonly number[]): Reference {
  return reference(shape);
}

/** An independent copy. */
export function copyOf(array: Reference): Reference {
  return { shape: [...array.shape], data: array.data.slice() };
}

/** The same numbers under another shape; shares the data. Throws when the sizes differ. */
export function reshape(array: Reference, shape: readonly number[]): Reference {
  if (elementCount(shape) !== array.data.length) {
    throw new RangeError(`cannot view ${showShape(array.shape)} as ${showShape(shape)}`);
  }
  return { shape: [...shape], data: array.data };
}

/** The values rounded to f32, as a GPU buffer wants them. */
export function toFloat32(array: Reference): Float32Array<ArrayBuffer> {
  return new Float32Array(array.data);
}

/**
 * Standard normal values (times `scale`), repeatable by seed, each already rounded to f32: a kernel that is given them
 * as f32 sees exactly what the reference sees, so a difference is the kernel's own.
 */
export function randomNormal(shape: readonly number[], seed: number, scale = 1): Reference {
  return reference(shape, (index) => {
    const block = philox4x32([index, 0, 0, 0], [seed >>> 0, 0x6e6f726d]);
    const radius = Math.sqrt(-2 * Math.log(1 - uniformFloat(block[0])));
    return Math.fround(scale * radius * Math.cos(2 * Math.PI * uniformFloat(block[1])));
  });
}

/** Uniform values in [low, high), repeatable by seed and rounded to f32. */
export function randomUniform(shape: readonly number[], seed: number, low = 0, high = 1): Reference {
  return reference(shape, (index) => {
    const block = philox4x32([index, 0, 0, 0], [seed >>> 0, 0x756e6966]);
    return Math.fround(low + (high - low) * uniformFloat(block[0]));
  });
}

/** Uniform integers in [0, bound), repeatable by seed. */
export function randomIntegers(count: number, bound: number, seed: number): Int32Array {
  return Int32Array.from({ length: count }, (_, index) => {
    const block = philox4x32([index, 0, 0, 0], [seed >>> 0, 0x696e7473]);
    return Math.floor(uniformFloat(block[0]) * bound);
  });
}

/**
 * Values in [-1, 1] that betray wrong strides: no two neighbours along any axis are alike and no axis is a constant
 * step, so a transposed, shifted or repeated read gives another result. They are multiples of 2^-11: exact in f16, and
 * the product of two is exact in f32.
 */
export function strideRevealing(shape: readonly number[], seed = 0): Reference {
  const golden = 0.6180339887498949;
  return reference(shape, (index) => {
    const turn = ((index + 1) * golden + (index % 7) * 0.137 + seed * 0.2718281828) % 1;
    return Math.round((2 * turn - 1) * 2048) / 2048;
  });
}

/** `[rows, columns]` of an array whose last axis is the row. Throws on a scalar. */
export function rowsAndColumns(array: Reference, label: string): [rows: number, columns: number] {
  const columns = array.shape.at(-1);
  if (columns === undefined) throw new RangeError(`${label} must have at least one axis`);
  return [columns === 0 ? 0 : array.data.length / columns, columns];
}

/** Throws unless `array` has exactly this shape; -1 accepts any size of that axis. */
export function requireShape(array: Reference, shape: readonly number[], label: string): void {
  const fits =
    array.shape.length === shape.length && shape.every((size, axis) => size === -1 || size === array.shape[axis]);
  if (!fits) throw new RangeError(`${label} has shape ${showShape(array.shape)}, expected ${showShape(shape)}`);
}

/** `[2, 3]` */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

// Element by element: sums, products and activations.
import { addScaled, binary, fill, unary, unaryBackward } from '@crossgate/kernels';
import { record } from '../tape';
import { empty, expectShape, expectTensor, Tensor } from '../tensor';

/** a + b, element by element. f32 of equal shapes. @throws InputError for another dtype or shape. */
export function add(a: Tensor, b: Tensor): Tensor {
  expectTensor('add', 'a', a, 'f32');
  expectTensor('add', 'b', b, 'f32', a.shape);
  const out = empty(a.device, a.shape);
  binary(a.device, { operation: 'add', a: a.slice, b: b.slice, out: out.slice, count: a.size });
  record('add', [a, b], [out], [], ([gradient], into) => {
    into.give(a, gradient!);
    into.give(b, gradient!);
  });
  return out;
}

/** a − b, element by element. f32 of equal shapes. @throws InputError for another dtype or shape. */
export function subtract(a: Tensor, b: Tensor): Tensor {
  expectTensor('subtract', 'a', a, 'f32');
  expectTensor('subtract', 'b', b, 'f32', a.shape);
  const { device } = a;
  const out = empty(device, a.shape);
  binary(device, { operation: 'subtract', a: a.slice, b: b.slice, out: out.slice, count: a.size });
  record('subtract', [a, b], [out], [], ([gradient], into) => {
    into.give(a, gradient!);
    if (into.needs(b)) into.give(b, scaled(gradient!, -1));
  });
  return out;
}

/** a ⊙ b, element by element. f32 of equal shapes. @throws InputError for another dtype or shape. */
export function multiply(a: Tensor, b: Tensor): Tensor {
  expectTensor('multiply', 'a', a, 'f32');
  expectTensor('multiply', 'b', b, 'f32', a.shape);
  const { device, size: count } = a;
  const out = empty(device, a.shape);
  binary(device, { operation: 'multiply', a: a.slice, b: b.slice, out: out.slice, count });
  record('multiply', [a, b], [out], [a, b], ([gradient], into) => {
    for (const [input, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!into.needs(input)) continue;
      const product = empty(device, a.shape);
      binary(device, {
        operation: 'multiply',
        a: gradient!.slice,
        b: into.saved(other).slice,
        out: product.slice,
        count,
      });
      into.give(input, product);
    }
  });
  return out;
}

/** factor · x, for f32 of any shape. @throws InputError for another dtype. */
export function scale(x: Tensor, factor: number): Tensor {
  expectTensor('scale', 'x', x, 'f32');
  const out = scaled(x, factor);
  record('scale', [x], [out], [], ([gradient], into) => into.give(x, scaled(gradient!, factor)));
  return out;
}

function scaled(x: Tensor, factor: number): Tensor {
  const out = empty(x.device, x.shape);
  fill(x.device, { out: out.slice, count: x.size, value: 0 });
  addScaled(x.device, { x: x.slice, out: out.slice, count: x.size, alpha: factor });
  return out;
}

function activation(operation: 'relu' | 'sigmoid' | 'tanh' | 'silu'): (x: Tensor) => Tensor {
  return (x) => {
    const { device, size: count } = x;
    expectTensor(operation, 'x', x, 'f32');
    const out = empty(device, x.shape);
    unary(device, { operation, x: x.slice, out: out.slice, count });
    record(operation, [x], [out], [x], ([gradient], into) => {
      const { slice, accumulate } = into.target(x);
      const args = { operation, x: into.saved(x).slice, gradOut: gradient!.slice, count, accumulate };
      unaryBackward(device, { ...args, gradX: slice });
    });
    return out;
  };
}

/** max(0, x), element by element. f32 of any shape. @throws InputError for another dtype. */
export const relu = activation('relu');
/** 1 / (1 + e^−x), element by element. f32 of any shape. @throws InputError for another dtype. */
export const sigmoid = activation('sigmoid');
/** (e^x − e^−x) / (e^x + e^−x), element by element. f32 of any shape. @throws InputError for another dtype. */
export const tanh = activation('tanh');
/** x · sigmoid(x), element by element (also "swish"). f32 of any shape. @throws InputError for another dtype. */
export const silu = activation('silu');

/**
 * The same values in another shape. The result shares the memory of `x`: nothing is copied.
 *
 * @param x of any dtype; @param shape of as many elements.
 * @throws InputError for a shape of another size.
 */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  const out = new Tensor(x.device, x.slice, shape, x.dtype);
  if (out.size !== x.size) expectShape('reshape', 'x', x, shape);
  record('reshape', [x], [out], [], ([gradient], into) => {
    into.give(x, new Tensor(x.device, gradient!.slice, x.shape));
  });
  return out;
}

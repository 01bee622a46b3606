// Linear layers: y = x · Wᵀ (+ b), and the general product of two matrices.
import { InputError } from '@crossgate/gpu';
import { columnSum, matmul as launchMatmul } from '@crossgate/kernels';
import type { Precision } from '../precision';
import { type LinearWeight, weightOperand } from '../quantized';
import { type Backward, record } from '../tape';
import { empty, expectTensor, Tensor } from '../tensor';

/** How {@link linear} computes. */
export interface LinearOptions {
  /**
   * In which type values are multiplied, here and in the backward pass; sums, and all tensors, are f32. `f16` needs a
   * device with matrix units, see `usablePrecision`, and in training a loss scale, see `LossScaler`. Default `f32`.
   */
  readonly precision?: Precision;
}

/**
 * A linear layer: y = x · weightᵀ + bias.
 *
 * @param x f32 [..., inputs]; @param weight f32 [outputs, inputs], or frozen in fewer bits; @param bias f32 [outputs].
 * @returns f32 [..., outputs].
 * @throws InputError for another dtype or shape, and for a precision that the device lacks.
 */
export function linear(
  x: Tensor,
  weight: LinearWeight,
  bias?: Tensor,
  { precision = 'f32' }: LinearOptions = {},
): Tensor {
  const { device, rows } = x;
  const [outputs = 0, inputs = 0] = weight.shape;
  expectTensor('linear', 'x', x, 'f32');
  expectTensor('linear', 'weight', weight, 'f32', [-1, x.columns]);
  if (bias) expectTensor('linear', 'bias', bias, 'f32', [outputs]);
  const out = empty(device, [...x.shape.slice(0, -1), outputs]);
  launchMatmul(device, {
    precision,
    a: x.slice,
    b: weightOperand(weight),
    out: out.slice,
    m: rows,
    n: outputs,
    k: inputs,
    transposeB: true,
    ...(bias && { bias: bias.slice }),
  });
  // The weight's gradient needs x, the input's gradient needs the weight; persistent tensors cost nothing to save.
  const weights = weight instanceof Tensor ? [weight] : [];
  const saved = weight.requiresGrad ? [x] : [];
  const backward: Backward = ([gradient], into) => {
    const gradOut = gradient!.slice;
    if (into.needs(x)) {
      const { slice, accumulate } = into.target(x);
      launchMatmul(device, {
        precision,
        a: gradOut,
        b: weightOperand(weight),
        out: slice,
        m: rows,
        n: inputs,
        k: outputs,
        accumulate,
      });
    }
    if (weight instanceof Tensor && into.needs(weight)) {
      const { slice, accumulate } = into.target(weight);
      launchMatmul(device, {
        precision,
        a: gradOut,
        b: into.saved(x).slice,
        out: slice,
        m: outputs,
        n: inputs,
        k: rows,
        transposeA: true,
        accumulate,
      });
    }
    if (bias && into.needs(bias)) {
      const { slice, accumulate } = into.target(bias);
      columnSum(device, { x: gradOut, out: slice, rows, columns: outputs, accumulate });
    }
  };
  record('linear', [x, ...weights, ...(bias ? [bias] : [])], [out], saved, backward, { exact: weights });
  return out;
}

/** Which operands of {@link matmul} are transposed. */
export interface MatmulOptions {
  /** Whether `a` is [k, m] and enters as its transpose. Default false: [m, k]. */
  readonly transposeA?: boolean;
  /** Whether `b` is [n, k] and enters as its transpose. Default false: [k, n]. */
  readonly transposeB?: boolean;
}

/**
 * The product of two f32 matrices, each optionally transposed: op(a) [m, k] · op(b) [k, n].
 *
 * @returns f32 [m, n].
 * @throws InputError for another dtype, for operands that are no matrices, and for inner dimensions that differ.
 */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions = {}): Tensor {
  const { device } = a;
  expectTensor('matmul', 'a', a, 'f32', [-1, -1]);
  expectTensor('matmul', 'b', b, 'f32', [-1, -1]);
  const [m, k] = (transposeA ? [a.shape[1], a.shape[0]] : a.shape) as [number, number];
  const [k2, n] = (transposeB ? [b.shape[1], b.shape[0]] : b.shape) as [number, number];
  if (k !== k2) throw new InputError(`matmul: inner dimensions differ, ${k} and ${k2}`);
  const out = empty(device, [m, n]);
  launchMatmul(device, { a: a.slice, b: b.slice, out: out.slice, m, n, k, transposeA, transposeB });
  record('matmul', [a, b], [out], [a, b], ([gradient], into) => {
    const g = gradient!.slice;
    if (into.needs(a)) {
      const { slice, accumulate } = into.target(a);
      // dA = g · op(b)ᵀ, or its transpose when a was used transposed.
      launchMatmul(
        device,
        transposeA
          ? {
              a: into.saved(b).slice,
              b: g,
              out: slice,
              m: k,
              n: m,
              k: n,
              transposeA: transposeB,
              transposeB: true,
              accumulate,
            }
          : { a: g, b: into.saved(b).slice, out: slice, m, n: k, k: n, transposeB: !transposeB, accumulate },
      );
    }
    if (into.needs(b)) {
      const { slice, accumulate } = into.target(b);
      launchMatmul(
        device,
        transposeB
          ? {
              a: g,
              b: into.saved(a).slice,
              out: slice,
              m: n,
              n: k,
              k: m,
              transposeA: true,
              transposeB: transposeA,
              accumulate,
            }
          : { a: into.saved(a).slice, b: g, out: slice, m: k, n, k: m, transposeA: !transposeA, accumulate },
      );
    }
  });
  return out;
}

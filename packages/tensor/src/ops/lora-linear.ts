// A linear layer with a low-rank update: y = x · Wᵀ + s · (dropout(x) · Aᵀ) · Bᵀ (Hu et al. 2021, LoRA, eq. 3).
import { matmul as launchMatmul, type MatmulArguments, type ProductDropout } from '@crossgate/kernels';
import { type LinearWeight, weightOperand } from '../quantized';
import { record } from '../tape';
import { empty, expectTensor, Tensor } from '../tensor';
import type { DropoutState } from './dropout';
import type { LinearOptions } from './linear';

/** The low-rank update of {@link loraLinear}. */
export interface LoraOptions extends LinearOptions {
  /** f32 [rank, inputs]: A, the first factor. */
  readonly a: Tensor;
  /** f32 [outputs, rank]: B, the second factor. */
  readonly b: Tensor;
  /** Factor s of the update: alpha / rank in the paper. */
  readonly scale: number;
  /**
   * Dropout on the update's input; the frozen layer's input is not dropped. Undefined or probability 0 turns it off.
   */
  readonly dropout?: DropoutState | undefined;
}

/** Of what a product of {@link loraLinear} drops elements, if the layer has dropout. */
interface Dropping {
  readonly dropping?: ProductDropout['of'];
}

/**
 * A linear layer with a low-rank update (Hu et al. 2021, LoRA, eq. 3):
 * y = x · weightᵀ + bias + scale · (dropout(x) · aᵀ) · bᵀ. The update is added in place, so it needs no tensor of the
 * output's size. No gradient flows to the bias.
 *
 * @param x f32 [rows, inputs]; @param weight f32 [outputs, inputs], frozen or trained, or frozen in fewer bits;
 * @param bias f32 [outputs].
 * @returns f32 [rows, outputs].
 * @throws InputError for another dtype or shape, for a dropout probability out of range, and for a precision that the
 * device lacks.
 */
export function loraLinear(x: Tensor, weight: LinearWeight, lora: LoraOptions, bias?: Tensor): Tensor {
  const { device, rows, columns: inputs } = x;
  const { a, b, scale, dropout, precision = 'f32' } = lora;
  const [outputs = 0] = weight.shape;
  const [rank = 0] = a.shape;
  expectTensor('loraLinear', 'x', x, 'f32');
  expectTensor('loraLinear', 'weight', weight, 'f32', [outputs, inputs]);
  expectTensor('loraLinear', 'a', a, 'f32', [rank, inputs]);
  expectTensor('loraLinear', 'b', b, 'f32', [outputs, rank]);
  if (bias) expectTensor('loraLinear', 'bias', bias, 'f32', [outputs]);
  const mask = dropout && dropout.probability !== 0 ? dropout : undefined;
  /** A product of two tensors, of which dropout may leave elements out. */
  const matmul = ({ dropping, ...product }: Omit<MatmulArguments, 'dropout'> & Dropping) =>
    launchMatmul(device, { precision, ...product, dropout: mask && dropping && { of: dropping, ...mask } });
  const out = empty(device, [...x.shape.slice(0, -1), outputs]);
  const hidden = empty(device, [rows, rank]);
  matmul({
    a: x.slice,
    b: a.slice,
    out: hidden.slice,
    m: rows,
    n: rank,
    k: inputs,
    transposeB: true,
    dropping: 'a',
  });
  matmul({
    a: x.slice,
    b: weightOperand(weight),
    out: out.slice,
    m: rows,
    n: outputs,
    k: inputs,
    transposeB: true,
    bias: bias?.slice,
    update: { a: hidden.slice, b: b.slice, rank, transposeB: true, alpha: scale },
  });
  const weights = weight instanceof Tensor ? [weight] : [];
  const training = a.requiresGrad || b.requiresGrad;
  record(
    'loraLinear',
    [x, ...weights, a, b],
    [out],
    training || weight.requiresGrad ? [x, hidden] : [],
    ([gradient], into) => {
      const gradOut = gradient!.slice;
      const gradHidden = empty(device, [rows, rank]);
      matmul({ a: gradOut, b: b.slice, out: gradHidden.slice, m: rows, n: rank, k: outputs, alpha: scale });
      if (into.needs(b)) {
        const { slice, accumulate } = into.target(b);
        matmul({
          a: gradOut,
          b: into.saved(hidden).slice,
          out: slice,
          m: outputs,
          n: rank,
          k: rows,
          transposeA: true,
          alpha: scale,
          accumulate,
        });
      }
      if (into.needs(a)) {
        const { slice, accumulate } = into.target(a);
        // The dropped input is made again from its counter rather than kept.
        matmul({
          a: gradHidden.slice,
          b: into.saved(x).slice,
          out: slice,
          m: rank,
          n: inputs,
          k: rows,
          transposeA: true,
          accumulate,
          dropping: 'b',
        });
      }
      if (weight instanceof Tensor && into.needs(weight)) {
        const { slice, accumulate } = into.target(weight);
        matmul({
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
      if (!into.needs(x)) return;
      const { slice, accumulate } = into.target(x);
      matmul({
        a: gradOut,
        b: weightOperand(weight),
        out: slice,
        m: rows,
        n: inputs,
        k: outputs,
        accumulate,
        update: { a: gradHidden.slice, b: a.slice, rank },
        dropping: 'update',
      });
    },
    { exact: [...weights, a, b] },
  );
  return out;
}

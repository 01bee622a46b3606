// The operations of a transformer block: RMSNorm, LayerNorm, rotary positions, packed causal attention, SwiGLU.

import { InputError } from '@crossgate/gpu';
import * as kernels from '@crossgate/kernels';
import { attentionPrecision, type Precision } from '../precision';
import { activeTape, type Backward, record } from '../tape';
import { empty, expectTensor, type Tensor } from '../tensor';

export { ropeFrequencies, ropeTable, ropeTableOf } from '@crossgate/kernels';

/**
 * Root mean square normalization of each row: x / √(mean(x²) + ε) ⊙ weight (Zhang & Sennrich 2019).
 *
 * @param x f32 [..., columns]; @param weight f32 [columns]; @param epsilon ε, such as 1e-5.
 * @returns f32 of the shape of `x`.
 * @throws InputError for another dtype or shape.
 */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  const { device, rows, columns } = x;
  expectTensor('rmsNorm', 'x', x, 'f32');
  expectTensor('rmsNorm', 'weight', weight, 'f32', [columns]);
  const out = empty(device, x.shape);
  kernels.rmsNorm(device, { x: x.slice, weight: weight.slice, out: out.slice, rows, columns, epsilon });
  const backward: Backward = ([gradient], into) => {
    const gradX = empty(device, x.shape);
    const soFar = into.soFar(x);
    const weightTarget = into.needs(weight) ? into.target(weight) : undefined;
    kernels.rmsNormBackward(device, {
      x: into.saved(x).slice,
      weight: weight.slice,
      gradOut: gradient!.slice,
      gradSum: soFar?.slice,
      gradX: gradX.slice,
      ...(weightTarget && { gradWeight: weightTarget.slice, accumulateWeight: weightTarget.accumulate }),
      rows,
      columns,
      epsilon,
    });
    if (soFar) into.replace(x, gradX);
    else into.give(x, gradX);
  };
  record('rmsNorm', [x, weight], [out], [x], backward, { exact: [weight] });
  return out;
}

/**
 * The sum x + y, and {@link rmsNorm} of it, in one pass: what stands between two parts of a transformer block.
 *
 * @param x f32 [..., columns]; @param y f32 of the shape of `x`; @param weight f32 [columns]; @param epsilon ε.
 * @returns the sum and its norm, f32 of the shape of `x`.
 * @throws InputError for another dtype or shape.
 */
export function addRmsNorm(x: Tensor, y: Tensor, weight: Tensor, epsilon: number): readonly [Tensor, Tensor] {
  const { device, rows, columns } = x;
  expectTensor('addRmsNorm', 'x', x, 'f32');
  expectTensor('addRmsNorm', 'y', y, 'f32', x.shape);
  expectTensor('addRmsNorm', 'weight', weight, 'f32', [columns]);
  const [sum, out] = [empty(device, x.shape), empty(device, x.shape)];
  const shape = { weight: weight.slice, rows, columns, epsilon };
  kernels.addRmsNorm(device, { x: x.slice, y: y.slice, sum: sum.slice, out: out.slice, ...shape });
  const backward: Backward = ([gradSum, gradOut], into) => {
    let gradient = gradSum;
    if (gradOut) {
      gradient = empty(device, x.shape);
      const weightTarget = into.needs(weight) ? into.target(weight) : undefined;
      kernels.rmsNormBackward(device, {
        x: into.saved(sum).slice,
        gradOut: gradOut.slice,
        gradSum: gradSum?.slice,
        gradX: gradient.slice,
        ...(weightTarget && { gradWeight: weightTarget.slice, accumulateWeight: weightTarget.accumulate }),
        ...shape,
      });
    }
    into.give(x, gradient!);
    into.give(y, gradient!);
  };
  return record('addRmsNorm', [x, y, weight], [sum, out] as const, [sum], backward, { exact: [weight] });
}

/**
 * Layer normalization of each row: (x − mean) / √(variance + ε) ⊙ weight + bias (Ba, Kiros & Hinton 2016).
 *
 * @param x f32 [..., columns]; @param weight f32 [columns]; @param bias f32 [columns]; @param epsilon ε, such as 1e-5.
 * @returns f32 of the shape of `x`.
 * @throws InputError for another dtype or shape.
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor {
  const { device, rows, columns } = x;
  expectTensor('layerNorm', 'x', x, 'f32');
  expectTensor('layerNorm', 'weight', weight, 'f32', [columns]);
  expectTensor('layerNorm', 'bias', bias, 'f32', [columns]);
  const out = empty(device, x.shape);
  kernels.layerNorm(device, {
    x: x.slice,
    weight: weight.slice,
    bias: bias.slice,
    out: out.slice,
    rows,
    columns,
    epsilon,
  });
  const backward: Backward = ([gradient], into) => {
    const gradX = empty(device, x.shape);
    const weightTarget = into.needs(weight) ? into.target(weight) : undefined;
    const biasTarget = into.needs(bias) ? into.target(bias) : undefined;
    kernels.layerNormBackward(device, {
      x: into.saved(x).slice,
      weight: weight.slice,
      gradOut: gradient!.slice,
      gradX: gradX.slice,
      ...(weightTarget && { gradWeight: weightTarget.slice, accumulateWeight: weightTarget.accumulate }),
      ...(biasTarget && { gradBias: biasTarget.slice, accumulateBias: biasTarget.accumulate }),
      rows,
      columns,
      epsilon,
    });
    into.give(x, gradX);
  };
  record('layerNorm', [x, weight, bias], [out], [x], backward, { exact: [weight] });
  return out;
}

/** A batch of sequences, one after the other without padding: which token belongs to which sequence. */
export interface PackedSequences {
  /** u32 [sequences + 1]: the first token of each sequence, and the number of all tokens. */
  readonly offsets: Tensor;
  /** u32 [tokens]: the sequence of each token: its tokens begin at offsets[s] and end before offsets[s + 1]. */
  readonly sequenceOfToken: Tensor;
  /** u32 [tokens]: the position of each token in its sequence, from 0; tokens in a cache count. */
  readonly positions: Tensor;
  /** Number of tokens of all sequences together. */
  readonly tokens: number;
}

/** Heads and angles of {@link rope}. */
export interface RotaryOptions extends Pick<AttentionOptions, 'heads' | 'keyValueHeads' | 'headDim'> {
  /** f32 [positions, headDim]: cosines and sines of every position that occurs, as {@link ropeTable} computes them. */
  readonly table: Tensor;
}

/**
 * Rotary position embedding (Su et al. 2021) of queries and keys: rotates components i and i + headDim/2 of every head by
 * position · frequency_i.
 *
 * @param query f32 [tokens, heads · headDim]; @param key f32 [tokens, keyValueHeads · headDim].
 * @returns both, rotated.
 * @throws InputError for another dtype or shape, and for an odd `headDim`. Positions beyond the table are not detected.
 */
export function rope(
  query: Tensor,
  key: Tensor,
  sequences: PackedSequences,
  { heads, keyValueHeads, headDim, table }: RotaryOptions,
): readonly [Tensor, Tensor] {
  const { device } = query;
  const { tokens, positions } = sequences;
  expectTensor('rope', 'query', query, 'f32', [tokens, heads * headDim]);
  expectTensor('rope', 'key', key, 'f32', [tokens, keyValueHeads * headDim]);
  expectTensor('rope', 'positions', positions, 'u32', [tokens]);
  expectTensor('rope', 'table', table, 'f32', [-1, headDim]);
  /** One or both, in one dispatch. */
  const rotate = (sources: readonly { readonly x: Tensor; readonly heads: number }[], inverse: boolean): Tensor[] => {
    const rotated = sources.map(({ x }) => empty(device, x.shape));
    const [first, second] = sources.map((of, i) => ({ x: of.x.slice, out: rotated[i]!.slice, heads: of.heads }));
    const angles = { positions: positions.slice, table: table.slice, tokens, headDim, inverse };
    if (first) kernels.rope(device, { ...first, ...angles, second });
    return rotated;
  };
  const both = [
    { x: query, heads },
    { x: key, heads: keyValueHeads },
  ];
  const outputs = rotate(both, false) as [Tensor, Tensor];
  const backward: Backward = (gradients, into) => {
    const reached = both.flatMap(({ x, heads: count }, i) => {
      const gradient = gradients[i];
      return gradient ? [{ input: x, x: gradient, heads: count }] : [];
    });
    // A rotation's transpose is its inverse.
    const rotated = rotate(reached, true);
    for (const [i, { input }] of reached.entries()) into.give(input, rotated[i]!);
  };
  return record('rope', [query, key], outputs, [], backward, { exact: [positions] });
}

/** Heads of {@link attention}. */
export interface AttentionOptions {
  /** Number of query heads; a multiple of `keyValueHeads`. */
  readonly heads: number;
  /** Number of key and value heads. Each serves heads / keyValueHeads query heads (Ainslie et al. 2023, GQA). */
  readonly keyValueHeads: number;
  /** Number of components of a head. */
  readonly headDim: number;
  /**
   * In which type {@link attention} multiplies. Default `f32`; `f16` where matrix units can, and f32 elsewhere, also where
   * `usablePrecision` found that they compute it wrongly. Behind a cache it is f32.
   */
  readonly precision?: Precision;
}

/**
 * Causal attention with grouped heads (Vaswani et al. 2017): softmax(q · kᵀ / √headDim) · v, where each token attends
 * to itself and the tokens before it in its sequence.
 *
 * @param query f32 [tokens, heads · headDim]; @param key f32 [tokens, keyValueHeads · headDim]; @param value as `key`.
 * @returns f32 of the shape of `query`.
 * @throws InputError for another dtype or shape, for `heads` that are no multiple of `keyValueHeads`, and for a
 * `headDim` above 256.
 */
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  sequences: PackedSequences,
  { heads, keyValueHeads, headDim, precision = 'f32' }: AttentionOptions,
): Tensor {
  const { device } = query;
  const { tokens, offsets, sequenceOfToken } = sequences;
  expectTensor('attention', 'query', query, 'f32', [tokens, heads * headDim]);
  expectTensor('attention', 'key', key, 'f32', [tokens, keyValueHeads * headDim]);
  expectTensor('attention', 'value', value, 'f32', [tokens, keyValueHeads * headDim]);
  expectTensor('attention', 'offsets', offsets, 'u32', [-1]);
  expectTensor('attention', 'sequenceOfToken', sequenceOfToken, 'u32', [tokens]);
  const out = empty(device, query.shape);
  const logSumExp = empty(device, [tokens, heads]);
  const common = {
    query: query.slice,
    key: key.slice,
    value: value.slice,
    offsets: offsets.slice,
    sequenceOfToken: sequenceOfToken.slice,
    out: out.slice,
    logSumExp: logSumExp.slice,
    tokens,
    heads,
    keyValueHeads,
    headDim,
    scale: 1 / Math.sqrt(headDim),
    precision: attentionPrecision(device, precision, headDim),
  };
  kernels.attention(device, common);
  // A rounding of log-sum-exp would be one of every probability's exponent.
  const exact = [logSumExp, offsets, sequenceOfToken];
  const backward: Backward = ([gradient], into) => {
    const [gradQuery, gradKey, gradValue] = [query, key, value].map(({ shape }) => empty(device, shape)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    kernels.attentionBackward(device, {
      ...common,
      query: into.saved(query).slice,
      key: into.saved(key).slice,
      value: into.saved(value).slice,
      out: into.saved(out).slice,
      gradOut: gradient!.slice,
      gradQuery: gradQuery.slice,
      gradKey: gradKey.slice,
      gradValue: gradValue.slice,
    });
    into.give(query, gradQuery);
    into.give(key, gradKey);
    into.give(value, gradValue);
  };
  record('attention', [query, key, value], [out], [query, key, value, out], backward, { exact });
  return out;
}

/** Keys and values of tokens before the batch, for {@link attentionCached}. */
export interface CachedTokens {
  /** f32 [at least `length`, keyValueHeads · headDim]. */
  readonly key: Tensor;
  /** f32 [at least `length`, keyValueHeads · headDim]. */
  readonly value: Tensor;
  /** Number of cached tokens, at least 1. */
  readonly length: number;
  /** Number of positions that a token attends to, its own included. Undefined: all. */
  readonly window?: number | undefined;
}

/**
 * {@link attention} of sequences that all continue the cached tokens: each token also attends to those. Not
 * differentiable.
 *
 * @param query f32 [tokens, heads · headDim]; @param key f32 [tokens, keyValueHeads · headDim]; @param value as `key`.
 * @returns f32 of the shape of `query`.
 * @throws InputError as {@link attention} does, for an empty cache, and where a tape would record a gradient through
 * it.
 */
export function attentionCached(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  sequences: PackedSequences,
  cached: CachedTokens,
  { heads, keyValueHeads, headDim }: Omit<AttentionOptions, 'precision'>,
): Tensor {
  const { device } = query;
  const { tokens, offsets, sequenceOfToken } = sequences;
  if (activeTape() && [query, key, value].some(({ requiresGrad }) => requiresGrad)) {
    throw new InputError('attentionCached has no gradient: compute without a cache while training');
  }
  const width = keyValueHeads * headDim;
  expectTensor('attentionCached', 'query', query, 'f32', [tokens, heads * headDim]);
  expectTensor('attentionCached', 'key', key, 'f32', [tokens, width]);
  expectTensor('attentionCached', 'value', value, 'f32', [tokens, width]);
  expectTensor('attentionCached', 'cached key', cached.key, 'f32', [-1, width]);
  expectTensor('attentionCached', 'cached value', cached.value, 'f32', [-1, width]);
  expectTensor('attentionCached', 'offsets', offsets, 'u32', [-1]);
  expectTensor('attentionCached', 'sequenceOfToken', sequenceOfToken, 'u32', [tokens]);
  const out = empty(device, query.shape);
  kernels.attentionCached(device, {
    query: query.slice,
    key: key.slice,
    value: value.slice,
    cachedKey: cached.key.slice,
    cachedValue: cached.value.slice,
    cacheLength: cached.length,
    window: cached.window,
    offsets: offsets.slice,
    sequenceOfToken: sequenceOfToken.slice,
    out: out.slice,
    ...{ tokens, heads, keyValueHeads, headDim, scale: 1 / Math.sqrt(headDim) },
  });
  return out;
}

/**
 * The gated activation silu(gate) ⊙ up (Shazeer 2020, "GLU Variants Improve Transformer").
 *
 * @param gate f32 of any shape; @param up f32 of the same shape.
 * @returns f32 of that shape.
 * @throws InputError for another dtype or shape.
 */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  const { device, size: count } = gate;
  expectTensor('swiglu', 'gate', gate, 'f32');
  expectTensor('swiglu', 'up', up, 'f32', gate.shape);
  const out = empty(device, gate.shape);
  kernels.swiglu(device, { gate: gate.slice, up: up.slice, out: out.slice, count });
  record('swiglu', [gate, up], [out], [gate, up], ([gradient], into) => {
    const [gradGate, gradUp] = [empty(device, gate.shape), empty(device, gate.shape)];
    kernels.swigluBackward(device, {
      gate: into.saved(gate).slice,
      up: into.saved(up).slice,
      gradOut: gradient!.slice,
      gradGate: gradGate.slice,
      gradUp: gradUp.slice,
      count,
    });
    into.give(gate, gradGate);
    into.give(up, gradUp);
  });
  return out;
}

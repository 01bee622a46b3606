/** Causal attention over packed sequences with grouped heads, in float64. */
import { type Reference, requireShape, zeros } from './reference';
import { logSumExpOf } from './softmax';

export interface AttentionInputs {
  /** [T, heads, headDim] */
  q: Reference;
  /**
   * [T, keyValueHeads, headDim]; heads is a multiple of keyValueHeads, query head h reads h / (heads/keyValueHeads).
   */
  k: Reference;
  /** [T, keyValueHeads, headDim] */
  v: Reference;
  /** Starts of the packed sequences and the end: `[0, n1, n1+n2, …, T]`. No token sees another sequence. */
  offsets: ArrayLike<number>;
  /** Factor of the scores; 1/√headDim by default. */
  scale?: number;
  /** A token sees itself and the window − 1 tokens before it; all before it by default. */
  window?: number;
}

interface Layout {
  heads: number;
  keyValueHeads: number;
  headDim: number;
  scale: number;
}

function layoutOf({ q, k, v, offsets, scale }: AttentionInputs): Layout {
  requireShape(q, [-1, -1, -1], 'attention q');
  const [tokens, heads, headDim] = q.shape as [number, number, number];
  requireShape(k, [tokens, -1, headDim], 'attention k');
  requireShape(v, k.shape, 'attention v');
  const keyValueHeads = k.shape[1]!;
  if (heads % keyValueHeads !== 0) {
    throw new RangeError(`attention: ${heads} heads are not a multiple of ${keyValueHeads} key/value heads`);
  }
  if (offsets.length < 1 || offsets[0] !== 0 || offsets[offsets.length - 1] !== tokens) {
    throw new RangeError(`attention: offsets [${Array.from(offsets)}] must run from 0 to ${tokens}`);
  }
  for (let s = 1; s < offsets.length; s++) {
    if (offsets[s]! < offsets[s - 1]!) throw new RangeError(`attention: offsets fall at ${s}`);
  }
  return { heads, keyValueHeads, headDim, scale: scale ?? 1 / Math.sqrt(headDim) };
}

/** Calls `visit` once per (query token, head) with the first key it sees and the scaled scores of those. */
function forEachQuery(
  inputs: AttentionInputs,
  layout: Layout,
  visit: (token: number, head: number, firstKey: number, scores: Float64Array) => void,
): void {
  const { q, k, offsets, window = Number.POSITIVE_INFINITY } = inputs;
  const { heads, keyValueHeads, headDim, scale } = layout;
  const group = heads / keyValueHeads;
  for (let s = 0; s + 1 < offsets.length; s++) {
    for (let token = offsets[s]!; token < offsets[s + 1]!; token++) {
      const start = Math.max(offsets[s]!, token - window + 1);
      for (let head = 0; head < heads; head++) {
        const keyHead = Math.floor(head / group);
        const scores = new Float64Array(token - start + 1);
        for (let key = start; key <= token; key++) {
          let dot = 0;
          for (let d = 0; d < headDim; d++) {
            dot +=
              q.data[(token * heads + head) * headDim + d]! * k.data[(key * keyValueHeads + keyHead) * headDim + d]!;
          }
          scores[key - start] = dot * scale;
        }
        visit(token, head, start, scores);
      }
    }
  }
}

/** softmax(scale · q·kᵀ + causal mask) · v: output [T, heads, headDim] and each query's log-sum-exp [T, heads]. */
export function attention(inputs: AttentionInputs): { output: Reference; logSumExp: Reference } {
  const layout = layoutOf(inputs);
  const { heads, keyValueHeads, headDim } = layout;
  const output = zeros(inputs.q.shape);
  const normalizers = zeros([inputs.q.shape[0]!, heads]);
  const group = heads / keyValueHeads;
  forEachQuery(inputs, layout, (token, head, start, scores) => {
    const normalizer = logSumExpOf(scores);
    normalizers.data[token * heads + head] = normalizer;
    const out = (token * heads + head) * headDim;
    scores.forEach((score, offset) => {
      const probability = Math.exp(score - normalizer);
      const value = ((start + offset) * keyValueHeads + Math.floor(head / group)) * headDim;
      for (let d = 0; d < headDim; d++) output.data[out + d]! += probability * inputs.v.data[value + d]!;
    });
  });
  return { output, logSumExp: normalizers };
}

/** Gradients of `attention`'s output with respect to q, k and v, shaped as they are. */
export function attentionBackward(
  inputs: AttentionInputs,
  gradient: Reference,
): { q: Reference; k: Reference; v: Reference } {
  const layout = layoutOf(inputs);
  const { heads, keyValueHeads, headDim, scale } = layout;
  requireShape(gradient, inputs.q.shape, 'attention gradient');
  const q = zeros(inputs.q.shape);
  const k = zeros(inputs.k.shape);
  const v = zeros(inputs.v.shape);
  const group = heads / keyValueHeads;
  forEachQuery(inputs, layout, (token, head, start, scores) => {
    const normalizer = logSumExpOf(scores);
    const query = (token * heads + head) * headDim;
    const rowOf = (offset: number) => ((start + offset) * keyValueHeads + Math.floor(head / group)) * headDim;
    const probabilities = scores.map((score) => Math.exp(score - normalizer));
    // dP_j = g·v_j, and dS_j = P_j (dP_j − Σ P dP).
    const probabilityGradients = scores.map((_, offset) => {
      const value = rowOf(offset);
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += gradient.data[query + d]! * inputs.v.data[value + d]!;
      return dot;
    });
    const projection = probabilities.reduce((total, p, offset) => total + p * probabilityGradients[offset]!, 0);
    probabilities.forEach((probability, offset) => {
      const row = rowOf(offset);
      const scoreGradient = probability * (probabilityGradients[offset]! - projection) * scale;
      for (let d = 0; d < headDim; d++) {
        v.data[row + d]! += probability * gradient.data[query + d]!;
        k.data[row + d]! += scoreGradient * inputs.q.data[query + d]!;
        q.data[query + d]! += scoreGradient * inputs.k.data[row + d]!;
      }
    });
  });
  return { q, k, v };
}

/** Rotary position embedding, half rotation as in Hugging Face's LLaMA, in float64. */
import { type Reference, requireShape, zeros } from './reference';

/** Position inside its own sequence of every packed token: offsets `[0, 2, 5]` → 0 1 0 1 2. */
export function packedPositions(offsets: ArrayLike<number>): Int32Array {
  const positions = new Int32Array(offsets[offsets.length - 1] ?? 0);
  for (let s = 0; s + 1 < offsets.length; s++) {
    for (let token = offsets[s]!; token < offsets[s + 1]!; token++) positions[token] = token - offsets[s]!;
  }
  return positions;
}

/**
 * Scaling of rotary frequencies, as Hugging Face's `rope_scaling` states it; `factors` is GGUF's `rope_freqs.weight`.
 */
export type ReferenceRopeScaling =
  | { type: 'linear'; factor: number }
  | {
      type: 'llama3';
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      originalMaxPositions: number;
    }
  | { type: 'factors'; factors: readonly number[] }
  | {
      type: 'yarn';
      factor: number;
      originalMaxPositions: number;
      betaFast: number;
      betaSlow: number;
      truncate: boolean;
      attentionFactor: number;
    }
  /** By the length of each sequence: beyond `maxPositions` the base grows. */
  | { type: 'dynamic'; factor: number; maxPositions: number };

/** Hugging Face's `modeling_rope_utils`, step by step: angle per position of pair `pair`. */
function frequencyOf(
  pair: number,
  headDim: number,
  theta: number,
  scaling: ReferenceRopeScaling | undefined,
  length: number,
): number {
  const frequency = theta ** ((-2 * pair) / headDim);
  if (!scaling) return frequency;
  if (scaling.type === 'dynamic') {
    const { factor, maxPositions } = scaling;
    const longest = Math.max(length, maxPositions);
    const base = theta * ((factor * longest) / maxPositions - (factor - 1)) ** (headDim / (headDim - 2));
    return base ** ((-2 * pair) / headDim);
  }
  if (scaling.type === 'yarn') {
    const { factor, originalMaxPositions, betaFast, betaSlow, truncate } = scaling;
    const correction = (rotations: number) =>
      (headDim * Math.log(originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
    let [low, high] = [correction(betaFast), correction(betaSlow)];
    if (truncate) [low, high] = [Math.floor(low), Math.ceil(high)];
    [low, high] = [Math.max(low, 0), Math.min(high, headDim - 1)];
    if (low === high) high += 0.001;
    const extrapolation = 1 - Math.min(Math.max((pair - low) / (high - low), 0), 1);
    return (frequency / factor) * (1 - extrapolation) + frequency * extrapolation;
  }
  if (scaling.type === 'linear') return frequency / scaling.factor;
  if (scaling.type === 'factors') return frequency / scaling.factors[pair]!;
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength > originalMaxPositions / lowFrequencyFactor) return frequency / factor;
  if (wavelength < originalMaxPositions / highFrequencyFactor) return frequency;
  const smooth = (originalMaxPositions / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

function rotate(
  x: Reference,
  positions: ArrayLike<number>,
  theta: number,
  direction: 1 | -1,
  scaling?: ReferenceRopeScaling,
): Reference {
  requireShape(x, [positions.length, -1, -1], 'rope input');
  const [tokens, heads, headDim] = x.shape as [number, number, number];
  if (headDim % 2 !== 0) throw new RangeError(`rope: headDim ${headDim} is odd`);
  const half = headDim / 2;
  const y = zeros(x.shape);
  const scale = scaling?.type === 'yarn' ? scaling.attentionFactor : 1;
  let frequencies: number[] = [];
  for (let token = 0; token < tokens; token++) {
    if (token === 0 || positions[token]! <= positions[token - 1]!) {
      let last = token;
      while (last + 1 < tokens && positions[last + 1]! > positions[last]!) last++;
      const length = positions[last]! + 1;
      frequencies = Array.from({ length: half }, (_, pair) => frequencyOf(pair, headDim, theta, scaling, length));
    }
    for (let pair = 0; pair < half; pair++) {
      const angle = direction * positions[token]! * frequencies[pair]!;
      const cosine = scale * Math.cos(angle);
      const sine = scale * Math.sin(angle);
      for (let head = 0; head < heads; head++) {
        const at = (token * heads + head) * headDim + pair;
        const first = x.data[at]!;
        const second = x.data[at + half]!;
        y.data[at] = first * cosine - second * sine;
        y.data[at + half] = second * cosine + first * sine;
      }
    }
  }
  return y;
}

/**
 * Rotates components (i, i + headDim/2) of every head of x [T, heads, headDim] by positions[t] · theta^(−2i/headDim)
 * (Su et al., "RoFormer", 2021; half rotation).
 */
export function rope(
  x: Reference,
  positions: ArrayLike<number>,
  theta = 10000,
  scaling?: ReferenceRopeScaling,
): Reference {
  return rotate(x, positions, theta, 1, scaling);
}

/** Gradient with respect to the input of `rope`: the inverse rotation. */
export function ropeBackward(
  gradient: Reference,
  positions: ArrayLike<number>,
  theta = 10000,
  scaling?: ReferenceRopeScaling,
): Reference {
  return rotate(gradient, positions, theta, -1, scaling);
}

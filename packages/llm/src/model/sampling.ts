// Chooses the next token: the likeliest, or one drawn from what temperature, top-k and top-p leave.
import { InputError } from '@crossgate/gpu';

/** How a token is drawn. */
export interface SamplingOptions {
  /** 0 (default) takes the likeliest token. Above 0, tokens are drawn from softmax(logits / temperature). */
  readonly temperature?: number;
  /** Draws among this many likeliest tokens, at least 1. Default: all. */
  readonly topK?: number;
  /** Draws among the fewest likeliest tokens whose probabilities sum to at least this, in (0, 1]. Default 1: all. */
  readonly topP?: number;
}

/** Checks settings. @throws InputError naming the option that is out of range. */
export function checkSampling({ temperature = 0, topK, topP = 1 }: SamplingOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature))) {
    throw new InputError(`temperature is ${temperature}, expected a number of at least 0`);
  }
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw new InputError(`topK is ${topK}, expected a whole number of at least 1`);
  }
  if (!(topP > 0 && topP <= 1)) throw new InputError(`topP is ${topP}, expected a number above 0 and at most 1`);
}

/**
 * Draws a token as Hugging Face does: first temperature, then top-k, then top-p among those. Ties go to the lower id.
 *
 * @param logits [vocabSize].
 * @param uniform in [0, 1); the same number gives the same token. Not used at temperature 0.
 * @throws InputError for an option out of range, and when the greatest logit is not finite.
 */
export function sampleToken(logits: ArrayLike<number>, options: SamplingOptions, uniform: number): number {
  checkSampling(options);
  const { temperature = 0, topK, topP = 1 } = options;
  let likeliest = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token]! > logits[likeliest]!) likeliest = token;
  const greatest = logits[likeliest]!;
  if (!Number.isFinite(greatest))
    throw new InputError(`the greatest logit is ${greatest}; the model's output is broken`, { code: 'model.output' });
  if (temperature === 0) return likeliest;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - greatest) / temperature));
  if (topK !== undefined || topP < 1) keepLikeliest(weights, topK ?? weights.length, topP);
  let remaining = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  for (let token = 0; token < weights.length; token++) {
    remaining -= weights[token]!;
    if (remaining < 0) return token;
  }
  // Rounding may leave a rest at the very end.
  return weights.findLastIndex((weight) => weight > 0);
}

/** Zeroes the weights of all tokens that top-k and top-p rule out. */
function keepLikeliest(weights: Float64Array, topK: number, topP: number): void {
  const order = Uint32Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const first = order.subarray(0, topK);
  const wanted = topP * first.reduce((sum, token) => sum + weights[token]!, 0);
  let [sum, kept] = [0, 0];
  while (kept < first.length && (kept === 0 || sum < wanted)) sum += weights[first[kept++]!]!;
  for (const token of order.subarray(kept)) weights[token] = 0;
}

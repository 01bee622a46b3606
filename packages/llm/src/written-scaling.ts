/** Rotary scaling as config.json has it. */
import type { LlamaConfig } from './config';
import { type RopeScaling, rotaryFrequencies } from './rotary';
import { writtenYarn } from './yarn';

type Llama3 = Extract<RopeScaling, { readonly type: 'llama3' }>;

/**
 * The value of `rope_scaling` for a model.
 *
 * GGUF files keep the factors of the frequencies alone. Where they are those of LLaMA 3.1's rule, the rule is written;
 * others as a LongRoPE whose factors are the same for every length, which transformers computes as they are.
 */
export function writtenScaling(config: LlamaConfig): Record<string, unknown> | null {
  const scaling = config.ropeScaling;
  if (scaling === undefined) return null;
  if (scaling.type === 'linear' || scaling.type === 'dynamic') {
    return { rope_type: scaling.type, factor: scaling.factor };
  }
  if (scaling.type === 'yarn') return writtenYarn(scaling);
  const rule = scaling.type === 'llama3' ? scaling : ruleOf(config, scaling.factors);
  if (rule) {
    return {
      rope_type: 'llama3',
      factor: rule.factor,
      low_freq_factor: rule.lowFrequencyFactor,
      high_freq_factor: rule.highFrequencyFactor,
      original_max_position_embeddings: rule.originalMaxPositions,
    };
  }
  const { factors } = scaling as Extract<RopeScaling, { readonly type: 'factors' }>;
  return {
    rope_type: 'longrope',
    factor: 1,
    attention_factor: 1,
    short_factor: factors,
    long_factor: factors,
    original_max_position_embeddings: config.maxPositions,
  };
}

/** How far factors may lie from those of a rule: they are stored in f32, and are 1 divided by a sum of f32. */
const tolerance = 1e-6;

/**
 * The rule of LLaMA 3.1 that gives these factors; undefined where none does. A pair's frequency is kept by a share
 * that is a line in its turns within the original context. Two pairs that are kept in part give the line; that the low
 * end lies at one turn is the convention, since a context twice as long with ends twice as high is the same rule.
 */
function ruleOf(config: LlamaConfig, factors: readonly number[]): Llama3 | undefined {
  const factor = factors.at(-1)!;
  const plain = rotaryFrequencies({ headDim: config.headDim, ropeTheta: config.ropeTheta });
  const partly = factors.flatMap((own, i) => {
    if (own <= 1 || own >= factor) return [];
    return [{ frequency: plain[i]!, share: (1 / own - 1 / factor) / (1 - 1 / factor) }];
  });
  const [first, last] = [partly[0], partly.at(-1)];
  // LLaMA 3's own rule comes first, and is all that is tried with fewer pairs than two in between.
  const candidates = [{ high: 4, original: 8192 }];
  if (first && last && first !== last) {
    const slope = (first.share - last.share) / (first.frequency - last.frequency);
    const low = slope * first.frequency - first.share;
    const fitted = { high: 1 + 1 / low, original: (slope / low) * 2 * Math.PI };
    candidates.push({ high: Math.round(fitted.high), original: Math.round(fitted.original) }, fitted);
  }
  return candidates
    .map(
      ({ high, original }): Llama3 => ({
        ...{ type: 'llama3', factor, lowFrequencyFactor: 1, highFrequencyFactor: high, originalMaxPositions: original },
      }),
    )
    .find((rule) => {
      if (!(factor > 1 && rule.highFrequencyFactor > 1 && rule.originalMaxPositions > 0)) return false;
      const scaled = rotaryFrequencies({ headDim: config.headDim, ropeTheta: config.ropeTheta, ropeScaling: rule });
      return factors.every((own, i) => Math.abs(plain[i]! / scaled[i]! / own - 1) < tolerance);
    });
}

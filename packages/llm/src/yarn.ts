/** YaRN (Peng et al. 2023): rotary frequencies for longer contexts, and queries and keys that are scaled for them. */
import type { KeyReader } from './key-reader';

/** What YaRN is given. */
export interface YarnScaling {
  /** Tells it from the other kinds of scaling. */
  readonly type: 'yarn';
  /** How many times longer the context is than the original one. */
  readonly factor: number;
  /** Context length that the model was first trained with. */
  readonly originalMaxPositions: number;
  /** Turns within the original context from which a pair keeps its frequency; 32. */
  readonly betaFast: number;
  /** Turns within it up to which a pair's frequency is divided by the factor; 1. Between the two it is blended. */
  readonly betaSlow: number;
  /** The blend begins and ends at whole pairs. */
  readonly truncate: boolean;
  /** What rotated queries and keys are multiplied with. */
  readonly attentionFactor: number;
}

/** The scale that YaRN's authors fitted. */
const fitted = (factor: number, weight = 1) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);

/**
 * Frequencies of pairs under YaRN, as Hugging Face computes them.
 * @param plain frequencies without scaling, [headDim / 2]
 * @param theta their base
 */
export function yarnFrequencies(plain: Float64Array, theta: number, scaling: YarnScaling): Float64Array {
  const { factor, originalMaxPositions, betaFast, betaSlow, truncate } = scaling;
  const width = 2 * plain.length;
  /** The pair, as a fraction, that makes so many turns within the original context. */
  const pairOf = (turns: number) =>
    (width * Math.log(originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [pairOf(betaFast), pairOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const high = Math.min(truncate ? Math.ceil(slow) : slow, width - 1);
  const span = low === high ? 0.001 : high - low;
  return plain.map((frequency, pair) => {
    const divided = Math.min(1, Math.max(0, (pair - low) / span));
    return frequency * (1 - divided + divided / factor);
  });
}

/**
 * YaRN in a config.json.
 * @param inner the object that asks for it
 * @throws {InputError} naming the key
 */
export function yarnFromHuggingFace(inner: KeyReader, maxPositions: number): YarnScaling {
  const original = inner.positive('original_max_position_embeddings', maxPositions);
  const factor = inner.positive('factor', original === maxPositions ? undefined : maxPositions / original);
  const [scale, all] = ['mscale', 'mscale_all_dim'].map((key) => Number(inner.value(key) ?? 0));
  const usual = scale && all ? fitted(factor, scale) / fitted(factor, all) : fitted(factor);
  return checked(inner, {
    type: 'yarn',
    factor,
    originalMaxPositions: original,
    betaFast: inner.positive('beta_fast', 32),
    betaSlow: inner.positive('beta_slow', 1),
    truncate: inner.flag('truncate', true),
    attentionFactor: inner.positive('attention_factor', usual),
  });
}

/**
 * YaRN in the metadata of a GGUF file.
 * @param key makes the full name of a key of the architecture
 * @throws {InputError} naming the key
 */
export function yarnFromGguf(reader: KeyReader, key: (name: string) => string, maxPositions: number): YarnScaling {
  const factor = reader.positive(key('rope.scaling.factor'));
  return checked(reader, {
    type: 'yarn',
    factor,
    originalMaxPositions: reader.positive(key('rope.scaling.original_context_length'), maxPositions),
    betaFast: reader.positive(key('rope.scaling.yarn_beta_fast'), 32),
    betaSlow: reader.positive(key('rope.scaling.yarn_beta_slow'), 1),
    truncate: true,
    attentionFactor: fitted(factor) * reader.positive(key('rope.scaling.attn_factor'), 1),
  });
}

function checked(reader: KeyReader, scaling: YarnScaling): YarnScaling {
  if (scaling.betaFast < scaling.betaSlow) reader.fail('the beta_fast of yarn must be at least its beta_slow.');
  return scaling;
}

/** What config.json says of it. */
export function writtenYarn(scaling: YarnScaling): Record<string, unknown> {
  return {
    rope_type: 'yarn',
    factor: scaling.factor,
    original_max_position_embeddings: scaling.originalMaxPositions,
    beta_fast: scaling.betaFast,
    beta_slow: scaling.betaSlow,
    truncate: scaling.truncate,
    attention_factor: scaling.attentionFactor,
  };
}

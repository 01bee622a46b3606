/** Rotary frequencies: their base, and how configurations stretch them for longer contexts. */
import { ropeFrequencies } from '@crossgate/tensor';
import { type KeyReader, shown } from './key-reader';
import { rotarySettings } from './rotary-settings';
import { type YarnScaling, yarnFrequencies, yarnFromGguf, yarnFromHuggingFace } from './yarn';

/** How rotary frequencies differ from theta^(−2i/headDim) (Su et al. 2021). */
export type RopeScaling =
  /** All frequencies are divided by `factor`, which interpolates positions (Chen et al. 2023). */
  | { readonly type: 'linear'; readonly factor: number }
  /** LLaMA 3.1: long wavelengths are divided by `factor`, short ones kept, those between blended. */
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      /** Context length that the model was first trained with, in tokens. */
      readonly originalMaxPositions: number;
    }
  /** Each frequency divided by its own factor, headDim / 2 of them: how GGUF files keep LLaMA 3.1's scaling. */
  | { readonly type: 'factors'; readonly factors: readonly number[] }
  /** See {@link YarnScaling}. */
  | YarnScaling
  /** A longer base for sequences beyond the context, by their length: "dynamic NTK". The context is `factor` times as long. */
  | { readonly type: 'dynamic'; readonly factor: number };

interface Rotary {
  readonly ropeTheta: number;
  readonly ropeScaling?: RopeScaling;
}

/** What {@link rotaryFrequencies} reads of a configuration. */
interface RotaryShape extends Rotary {
  /** Width of one head; even. */
  readonly headDim: number;
  /** Longest sequence the model was made for; read for `dynamic` scaling alone. */
  readonly maxPositions?: number;
}

/**
 * Angle per position of each pair of components, [headDim / 2].
 * @param length tokens of the sequence; counts under `dynamic` scaling alone
 * @throws InputError for an odd headDim.
 */
export function rotaryFrequencies(config: RotaryShape, length = 0): Float64Array {
  const plain = ropeFrequencies(config.headDim, config.ropeTheta);
  const scaling = config.ropeScaling;
  if (!scaling) return plain;
  if (scaling.type === 'yarn') return yarnFrequencies(plain, config.ropeTheta, scaling);
  if (scaling.type === 'dynamic') {
    const { headDim, maxPositions = 0 } = config;
    if (length <= maxPositions) return plain;
    const stretch = (scaling.factor * length) / maxPositions - (scaling.factor - 1);
    return ropeFrequencies(headDim, config.ropeTheta * stretch ** (headDim / (headDim - 2)));
  }
  if (scaling.type === 'linear') return plain.map((frequency) => frequency / scaling.factor);
  if (scaling.type === 'factors') return plain.map((frequency, i) => frequency / scaling.factors[i]!);
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling;
  return plain.map((frequency) => {
    // Turns that the pair makes within the original context.
    const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
    const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return frequency * (kept + (1 - kept) / factor);
  });
}

/** What rotated queries and keys are multiplied with: more than 1 under YaRN. */
export function rotaryScale({ ropeScaling }: Pick<Rotary, 'ropeScaling'>): number {
  return ropeScaling?.type === 'yarn' ? ropeScaling.attentionFactor : 1;
}

/**
 * Tokens of the longest sequence of a model. Under `dynamic` and `yarn` scaling it goes beyond what the configuration
 * gives where that is the length before scaling, as people leave it who add a scaling.
 */
export function stretchedPositions({
  maxPositions,
  ropeScaling,
}: Pick<RotaryShape, 'ropeScaling'> & { readonly maxPositions: number }): number {
  if (ropeScaling?.type === 'dynamic') return Math.floor(maxPositions * Math.max(1, ropeScaling.factor));
  if (ropeScaling?.type !== 'yarn') return maxPositions;
  return Math.max(maxPositions, Math.floor(ropeScaling.originalMaxPositions * ropeScaling.factor));
}

/**
 * Reads `rope_theta` and `rope_scaling`, or both from `rope_parameters`, where newer releases write them.
 *
 * @param maxPositions the length that the configuration gives
 * @throws {InputError} naming the key, for kinds of scaling that are not supported, and for places that contradict one
 * another.
 */
export function rotaryFromHuggingFace(reader: KeyReader, maxPositions: number): Rotary {
  const { key, kind, ropeTheta, parameters: inner } = rotarySettings(reader);
  switch (kind) {
    case 'default':
      return { ropeTheta };
    case 'linear':
      return { ropeTheta, ropeScaling: { type: 'linear', factor: inner.positive('factor') } };
    case 'yarn':
      return { ropeTheta, ropeScaling: yarnFromHuggingFace(inner, maxPositions) };
    case 'dynamic':
      return { ropeTheta, ropeScaling: { type: 'dynamic', factor: inner.positive('factor') } };
    case 'llama3': {
      const scaling = {
        type: 'llama3' as const,
        factor: inner.positive('factor'),
        lowFrequencyFactor: inner.positive('low_freq_factor'),
        highFrequencyFactor: inner.positive('high_freq_factor'),
        originalMaxPositions: inner.positive('original_max_position_embeddings'),
      };
      if (scaling.highFrequencyFactor <= scaling.lowFrequencyFactor) {
        inner.fail('high_freq_factor must be above low_freq_factor.');
      }
      return { ropeTheta, ropeScaling: scaling };
    }
    case 'longrope':
      return { ropeTheta, ropeScaling: equalFactors(reader, inner, key) };
    default:
      return reader.fail(
        `${key} asks for the rotary scaling ${shown(kind)}, which is not supported; supported: default, linear, llama3, yarn, dynamic.`,
      );
  }
}

/**
 * LongRoPE whose factors do not depend on the length of the sequence: the general form of factors in config.json.
 * @throws {InputError} where they do, and where queries and keys are scaled, too
 */
function equalFactors(reader: KeyReader, inner: KeyReader, key: string): RopeScaling {
  const [short, long] = [inner.value('short_factor'), inner.value('long_factor')];
  if (inner.value('attention_factor') !== 1 || JSON.stringify(short) !== JSON.stringify(long)) {
    return reader.refuse(
      `${key} asks for the rotary scaling "longrope", which is not supported but with equal short_factor and long_factor and an attention_factor of 1.`,
    );
  }
  if (!Array.isArray(short) || !short.every((value) => typeof value === 'number' && value > 0)) {
    return reader.fail(`${key} has the short_factor ${shown(short)}, but it must be a list of numbers above 0.`);
  }
  return { type: 'factors', factors: short };
}

/**
 * The scaling of a GGUF file: `ARCH.rope.scaling.*`, or the tensor rope_freqs.weight.
 * @param key makes the full name of a key of the architecture
 * @throws {InputError} naming the key or tensor.
 */
export function rotaryFromGguf(
  reader: KeyReader,
  key: (name: string) => string,
  { headDim, maxPositions }: { readonly headDim: number; readonly maxPositions: number },
  factors: readonly number[] | undefined,
): { ropeScaling?: RopeScaling } {
  const kind = reader.value(key('rope.scaling.type'));
  if (kind === 'yarn' && factors === undefined) return { ropeScaling: yarnFromGguf(reader, key, maxPositions) };
  if (kind !== undefined && kind !== 'none' && kind !== 'linear') {
    return reader.refuse(
      `${key('rope.scaling.type')} is ${shown(kind)}, which is not supported; supported: linear, and yarn without rope_freqs.weight.`,
    );
  }
  const [now, old] = ['rope.scaling.factor', 'rope.scale_linear'].map((name) =>
    reader.value(key(name)) === undefined ? undefined : reader.positive(key(name)),
  );
  if (now !== undefined && old !== undefined && now !== old) {
    reader.fail(`${key('rope.scaling.factor')} is ${now}, but ${key('rope.scale_linear')} is ${old}.`);
  }
  if (kind === 'linear' && now === undefined) reader.positive(key('rope.scaling.factor'));
  // Without a type a factor is that of linear scaling, as llama.cpp has it.
  const factor = now ?? old ?? 1;
  if (kind === 'none' && factor !== 1) {
    reader.fail(`${key('rope.scaling.type')} is "none", but the factor of the scaling is ${factor}.`);
  }
  const attention = reader.value(key('rope.scaling.attn_factor'));
  if (attention !== undefined && attention !== 1) {
    reader.refuse(`${key('rope.scaling.attn_factor')} is ${shown(attention)}; linear scaling has none here.`);
  }
  if (factors === undefined) return factor === 1 ? {} : { ropeScaling: { type: 'linear', factor } };
  if (factors.length !== headDim / 2 || !factors.every((value) => Number.isFinite(value) && value > 0)) {
    return reader.fail(`tensor rope_freqs.weight must hold ${headDim / 2} numbers above 0, one per rotated pair.`);
  }
  return { ropeScaling: { type: 'factors', factors: factors.map((value) => value * factor) } };
}

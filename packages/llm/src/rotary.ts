/** Rotary frequencies: their base, and how configurations stretch them for longer contexts. */
import { ropeFrequencies } from '@crossgate/tensor';
import { isRecord, KeyReader, shown } from './key-reader';

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
  /** Each of the headDim / 2 frequencies is divided by its own factor, as GGUF files store LLaMA 3.1's scaling. */
  | { readonly type: 'factors'; readonly factors: readonly number[] };

interface Rotary {
  readonly ropeTheta: number;
  readonly ropeScaling?: RopeScaling;
}

/**
 * Rotation angle per position of each pair of components, in radians: [headDim / 2].
 *
 * @throws InputError for an odd headDim.
 */
export function rotaryFrequencies(config: Rotary & { readonly headDim: number }): Float64Array {
  const plain = ropeFrequencies(config.headDim, config.ropeTheta);
  const scaling = config.ropeScaling;
  if (!scaling) return plain;
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

/**
 * Reads `rope_theta` and `rope_scaling`, or both from `rope_parameters`, where newer releases write them.
 *
 * @throws {InputError} naming the key, for kinds of scaling that are not supported.
 */
export function rotaryFromHuggingFace(reader: KeyReader): Rotary {
  const [key, parameters] =
    reader.value('rope_parameters') === undefined
      ? (['rope_scaling', reader.value('rope_scaling')] as const)
      : (['rope_parameters', reader.value('rope_parameters')] as const);
  if (parameters === undefined) return { ropeTheta: reader.positive('rope_theta', 10000) };
  if (!isRecord(parameters)) return reader.fail(`${key} is ${shown(parameters)}, but must be an object.`);
  const inner = new KeyReader(`the ${key} of ${reader.source}`, (name) => parameters[name]);
  const ropeTheta =
    key === 'rope_parameters' && inner.value('rope_theta') !== undefined
      ? inner.positive('rope_theta')
      : reader.positive('rope_theta', 10000);
  const kind = inner.value('rope_type') ?? inner.value('type') ?? 'default';
  switch (kind) {
    case 'default':
      return { ropeTheta };
    case 'linear':
      return { ropeTheta, ropeScaling: { type: 'linear', factor: inner.positive('factor') } };
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
    default:
      return reader.fail(
        `${key} asks for the rotary scaling ${shown(kind)}, which is not supported; supported: default, linear, llama3.`,
      );
  }
}

/**
 * The scaling of a GGUF file: `ARCH.rope.scaling.*`, or the tensor rope_freqs.weight.
 * @param key makes the full name of a key of the architecture
 * @throws {InputError} naming the key or tensor.
 */
export function rotaryFromGguf(
  reader: KeyReader,
  key: (name: string) => string,
  headDim: number,
  factors: readonly number[] | undefined,
): { ropeScaling?: RopeScaling } {
  const kind = reader.value(key('rope.scaling.type')) ?? 'none';
  if (kind !== 'none' && kind !== 'linear') {
    return reader.fail(`${key('rope.scaling.type')} is ${shown(kind)}, which is not supported; supported: linear.`);
  }
  const old = reader.value(key('rope.scale_linear')) === undefined ? 1 : reader.positive(key('rope.scale_linear'));
  const factor = kind === 'linear' ? reader.positive(key('rope.scaling.factor')) : old;
  if (factors === undefined) return factor === 1 ? {} : { ropeScaling: { type: 'linear', factor } };
  if (factors.length !== headDim / 2 || !factors.every((value) => Number.isFinite(value) && value > 0)) {
    return reader.fail(`tensor rope_freqs.weight must hold ${headDim / 2} numbers above 0, one per rotated pair.`);
  }
  return { ropeScaling: { type: 'factors', factors: factors.map((value) => value * factor) } };
}

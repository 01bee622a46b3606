/** Weights of a model made on the device from a seed: no file, and no array of the host that is as large. */
import type { Device } from '@crossgate/gpu';
import { randomFill } from '@crossgate/kernels';
import { expectedTensors, isLinearWeight, isTokenWeight, type LlamaConfig } from '@crossgate/llm';
import {
  HalfWeight,
  type LinearWeight,
  ParameterGroup,
  persistent,
  persistentHalf,
  persistentQuantized,
  QuantizedWeight,
  releaseWeight,
} from '@crossgate/tensor';

/** How matrices are kept: as `LlamaModel.load` would, with embeddings and head in 8 bits where the rest has 4. */
export type WeightType = 'f32' | 'f16' | 'int8' | 'int4';

/** What {@link WeightType} may be, the widest first. */
export const weightTypes = ['f32', 'f16', 'int8', 'int4'] as const satisfies readonly WeightType[];

/**
 * The frozen weights of a model, by name. Tensor number i of the model is stream i of the seed.
 *
 * @throws OutOfMemoryError with the sizes; nothing stays allocated then.
 */
export function randomWeights(
  device: Device,
  config: LlamaConfig,
  type: WeightType,
  seed: number,
): Map<string, LinearWeight> {
  const weights = new Map<string, LinearWeight>();
  try {
    for (const [name, shape] of expectedTensors(config)) {
      const weight = allocate(device, name, shape, type);
      fill(weight, name, seed, weights.size);
      weights.set(name, weight);
    }
  } catch (error) {
    for (const weight of weights.values()) releaseWeight(weight);
    throw error;
  }
  return weights;
}

/** All weights of a model as parameters in f32, with the same values as {@link randomWeights} gives in f32. */
export function randomParameters(device: Device, config: LlamaConfig, seed: number): ParameterGroup {
  const specs = [...expectedTensors(config)].map(([name, shape]) => ({
    ...{ name, shape },
    spansBindings: isTokenWeight(name),
  }));
  const group = new ParameterGroup(device, 'weights', specs);
  for (const [stream, parameter] of group.parameters.entries()) fill(parameter, parameter.name, seed, stream);
  group.changed();
  return group;
}

function allocate(device: Device, name: string, shape: readonly number[], type: WeightType): LinearWeight {
  const isMatrix = isLinearWeight(name) || isTokenWeight(name);
  if (type === 'f32' || !isMatrix) return persistent(device, shape, 'weights');
  const matrix = [shape[0]!, shape[1]!] as const;
  if (type === 'f16') return persistentHalf(device, matrix, false, 'weights');
  return persistentQuantized(device, matrix, type === 'int8' || isTokenWeight(name) ? 8 : 4, 'weights');
}

/** Activations keep their size from layer to layer, as with {@link initialWeights}; norms are near 1, and differ. */
function fill(weight: LinearWeight, name: string, seed: number, stream: number): void {
  const { device, shape } = weight;
  const bound = name.includes('embed_tokens') ? 0.5 : Math.sqrt(3 / shape.at(-1)!);
  const random = { seed, stream, low: -bound, high: bound };
  if (weight instanceof HalfWeight) {
    randomFill(device, { ...random, out: weight.values, kind: 'f16' });
  } else if (weight instanceof QuantizedWeight) {
    // Quants are uniform, over 2^bits steps: a scale makes their range that of the numbers above, give or take a half.
    const scale = (2 * bound) / 2 ** weight.bits;
    randomFill(device, { ...random, out: weight.quants, kind: 'words' });
    randomFill(device, { ...random, out: weight.scales!, kind: 'f16', low: scale / 2, high: 1.5 * scale });
  } else {
    const range = shape.length === 1 ? { low: 0.95, high: 1.05 } : {};
    randomFill(device, { ...random, ...range, out: weight.slice, kind: 'f32' });
  }
}

// A reference model's weights as a source.
import type { Reference, ReferenceLlamaConfig } from '@crossgate/testing';
import { toFloat32 } from '@crossgate/testing';
import { type WeightSource, weightsInMemory } from '../src';

/** The weights of `randomLlamaWeights` as a model without special tokens. */
export function inMemory(
  config: ReferenceLlamaConfig,
  references: ReadonlyMap<string, Reference>,
  maxPositions = 64,
): WeightSource {
  const weights = new Map(
    [...references].map(([name, value]) => [name, { shape: value.shape, data: toFloat32(value) }]),
  );
  const rest = { architecture: 'llama', maxPositions, bosTokenId: null, eosTokenIds: [] };
  return weightsInMemory({ ...config, ...rest }, weights);
}

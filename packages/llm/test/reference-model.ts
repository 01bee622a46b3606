// A reference model's weights as a source.
import type { Reference, ReferenceLlamaConfig } from '@crossgate/testing';
import { toFloat32 } from '@crossgate/testing';
import { type WeightSource, weightsInMemory } from '../src';

/** The shape that tests start from: grouped heads, tied head. */
export const baseShape: ReferenceLlamaConfig = {
  vocabSize: 37,
  hiddenSize: 16,
  intermediateSize: 28,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 4,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  tieWordEmbeddings: true,
};

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

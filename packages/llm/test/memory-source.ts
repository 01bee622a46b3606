// A weight source over references, so that models of any shape can be loaded without a file.
import type { Reference, ReferenceLlamaConfig } from '@crossgate/testing';
import { toFloat32 } from '@crossgate/testing';
import type { LlamaConfig, WeightSource } from '../src';

/** The project's configuration for a reference model's shape. */
export function configOf(reference: ReferenceLlamaConfig, maxPositions = 64): LlamaConfig {
  return { ...reference, architecture: 'llama', maxPositions, bosTokenId: null, eosTokenIds: [] };
}

export function memorySource(config: LlamaConfig, weights: ReadonlyMap<string, Reference>): WeightSource {
  const values = (name: string) => toFloat32(weights.get(name)!);
  return {
    config,
    tensors: new Map([...weights].map(([name, { shape }]) => [name, { shape, dtype: 'F32' }])),
    async *read(name) {
      // In two unequal chunks, as files of larger models arrive.
      const data = values(name);
      const half = Math.ceil(data.length / 3);
      yield { offset: 0, data: data.subarray(0, half) };
      if (half < data.length) yield { offset: half, data: data.subarray(half) };
    },
    async readAll(name) {
      return values(name);
    },
    async close() {},
  };
}

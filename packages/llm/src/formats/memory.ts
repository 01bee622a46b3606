/** Weights that are already in memory: made by a program, not read from a file. */
import { InputError } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import { checkWeights, type WeightSource } from './source';

/** One weight in memory. */
export interface MemoryWeight {
  /** Outermost dimension first. Linear layers are [out, in]. */
  readonly shape: readonly number[];
  /** All values, row-major. */
  readonly data: Float32Array;
}

/**
 * A weight source over arrays, by Hugging Face name. The arrays are not copied.
 *
 * @throws InputError naming a weight that is missing, unknown, or of another shape than the configuration gives it.
 */
export function weightsInMemory(config: LlamaConfig, weights: ReadonlyMap<string, MemoryWeight>): WeightSource {
  checkWeights(config, weights, 'the weights in memory');
  const find = (name: string): MemoryWeight => {
    const weight = weights.get(name);
    if (weight === undefined)
      throw new InputError(`the weights in memory: there is no ${name}`, { code: 'model.missing-file' });
    return weight;
  };
  return {
    config,
    warnings: [],
    tensors: new Map([...weights].map(([name, { shape }]) => [name, { shape, dtype: 'F32' }])),
    async *read(name) {
      yield { offset: 0, data: find(name).data };
    },
    async readAll(name) {
      return find(name).data;
    },
    async close() {},
  };
}

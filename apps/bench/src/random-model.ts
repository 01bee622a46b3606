/** LLaMAs of random weights for benchmarks: how long a model computes does not depend on what it learned. */
import {
  configFromHuggingFace,
  expectedTensors,
  type LlamaConfig,
  type WeightSource,
  weightsInMemory,
} from '@crossgate/llm';
import { RandomStream } from '@crossgate/tensor';
import { initialWeights } from './peers/lora-step';

/** What a model is made of. */
export interface ModelSizes {
  readonly name: string;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly vocabSize: number;
  /** Whether the head is the embeddings. Default true. */
  readonly tied?: boolean;
}

/** The shape of stories260K: what trains on a CPU. */
export const smallModel: ModelSizes = {
  ...{
    name: 'as stories260K',
    hiddenSize: 64,
    intermediateSize: 172,
    layers: 5,
    heads: 8,
    keyValueHeads: 4,
    vocabSize: 512,
  },
};

/** About 150 million parameters: enough to fill a GPU. */
export const mediumModel: ModelSizes = {
  ...{
    name: '150M',
    hiddenSize: 768,
    intermediateSize: 2048,
    layers: 16,
    heads: 12,
    keyValueHeads: 12,
    vocabSize: 32_000,
  },
};

/** The config of a model of these sizes, as a file of Hugging Face has it. */
export function configOf(sizes: ModelSizes): LlamaConfig {
  return configFromHuggingFace(
    {
      ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu' },
      ...{ tie_word_embeddings: sizes.tied ?? true, rms_norm_eps: 1e-5, rope_theta: 10_000 },
      ...{ hidden_size: sizes.hiddenSize, intermediate_size: sizes.intermediateSize, num_hidden_layers: sizes.layers },
      ...{ num_attention_heads: sizes.heads, num_key_value_heads: sizes.keyValueHeads, vocab_size: sizes.vocabSize },
      ...{ max_position_embeddings: 2048, bos_token_id: 1, eos_token_id: 2 },
    },
    `the model ${sizes.name}`,
  );
}

/** A model of random weights, the same for the same seed. */
export function randomModel(sizes: ModelSizes, seed: number): WeightSource {
  const config = configOf(sizes);
  const random = new RandomStream(seed, 'random model');
  const weights = [...expectedTensors(config)].map(
    ([name, shape]) => [name, { shape, data: initialWeights(random, name, shape) }] as const,
  );
  return weightsInMemory(config, new Map(weights));
}

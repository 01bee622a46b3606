// Merges an adapter into the weights it adapts: W + s · B · A, row by row, on the host.
import { bytesFromFloats, encodeSafetensors, type FloatDtype, InputError, isFloatDtype } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import { bitsOfWeight, type QuantizedBits, quantizedType } from '../formats/quantize';
import type { WeightSource } from '../formats/source';
import { quantizationBlock, quantizationMethod } from '../quantization';
import { writtenScaling } from '../written-scaling';
import { quantizedRows } from './load-weights';
import { headModule, loraScale } from './lora';
import type { PeftAdapter } from './peft';
import { withOwnHead, withSavedWeights } from './saved-weights';

/** What of an adapter is merged. */
export type MergedAdapter = Pick<PeftAdapter, 'options' | 'state'> & Partial<Pick<PeftAdapter, 'saved'>>;

/**
 * The weights of a model with an adapter merged in, read like any others. Rows are merged as they stream, so memory
 * stays bounded. Sums are computed in float64 and rounded once. If the adapter has an update of a head that shares the
 * embeddings, the result has a head of its own. Closing the result closes the base.
 */
export function mergedWeights(model: WeightSource, adapter: MergedAdapter): WeightSource {
  const own = withSavedWeights(model, adapter);
  const base = adapter.state.has(`${headModule}.lora_A.weight`) ? withOwnHead(own) : own;
  const updateOf = (name: string) => {
    const module = name.replace(/\.weight$/, '');
    const [a, b] = [adapter.state.get(`${module}.lora_A.weight`), adapter.state.get(`${module}.lora_B.weight`)];
    const scale = loraScale(adapter.options, module);
    return a && b && { a: a.data, b: b.data, rank: a.shape[0]!, columns: a.shape[1]!, scale };
  };
  const { readStored: _, ...rest } = base;
  return {
    ...rest,
    tensors: new Map(
      [...base.tensors].map(([name, info]) => [name, updateOf(name) ? { ...info, dtype: 'F32' } : info]),
    ),
    async *read(name, options) {
      const update = updateOf(name);
      for await (const { offset, data } of base.read(name, options)) {
        if (!update) {
          yield { offset, data };
          continue;
        }
        const { a, b, rank, columns, scale } = update;
        const merged = Float32Array.from(data);
        const row = new Float64Array(columns);
        for (let first = 0; first < data.length; first += columns) {
          const output = (offset + first) / columns;
          row.fill(0);
          for (let r = 0; r < rank; r++) {
            const factor = scale * b[output * rank + r]!;
            for (let column = 0; column < columns; column++) row[column]! += factor * a[r * columns + column]!;
          }
          for (let column = 0; column < columns; column++)
            merged[first + column] = data[first + column]! + row[column]!;
        }
        yield { offset, data: merged };
      }
    },
    async readAll(name) {
      const values = new Float32Array(
        base.tensors.get(name)?.shape.reduce((product, extent) => product * extent, 1) ?? 0,
      );
      for await (const { offset, data } of this.read(name)) values.set(data, offset);
      return values;
    },
  };
}

/**
 * The bytes of model.safetensors, piece by piece, in bounded memory.
 *
 * @param dtype type that matrices and vectors are stored in, rounded to nearest.
 * @param onProgress called with the number of values that were added.
 * @param bits if given, matrices are stored as bytes [outputs, blocks · 34 or 18]: blocks of ggml's Q8_0 or Q4_0, the
 * last block of a row padded with zeros. Embeddings and head are always Q8_0.
 * @throws InputError from the source, and naming a weight that cannot be quantized.
 */
export function encodeWeights(
  source: WeightSource,
  dtype: FloatDtype,
  onProgress: (values: number) => void = () => {},
  bits?: QuantizedBits,
): AsyncGenerator<Uint8Array> {
  const quantized = (name: string, [rows = 0, columns = 0]: readonly number[], to: QuantizedBits) => {
    const { blockSize, blockBytes } = quantizedType(to);
    const rowBytes = Math.ceil(columns / blockSize) * blockBytes;
    return {
      ...({ name, dtype: 'U8', shape: [rows, rowBytes] } as const),
      async *bytes() {
        for await (const bytes of quantizedRows(source, name, to)) {
          yield bytes;
          onProgress((bytes.length / rowBytes) * columns);
        }
      },
    };
  };
  const tensors = [...source.tensors].map(([name, { shape }]) => {
    const to = bits && bitsOfWeight(name, bits);
    if (to) return quantized(name, shape, to);
    return {
      ...{ name, dtype, shape },
      async *bytes() {
        for await (const { data } of source.read(name)) {
          yield bytesFromFloats(dtype, data);
          onProgress(data.length);
        }
      },
    };
  });
  return encodeSafetensors(tensors, { format: 'pt' });
}

/** The type that a model's embeddings are stored in or, if these are quantized, its last norm. */
export function storedDtype(source: WeightSource): FloatDtype {
  const dtypes = ['model.embed_tokens.weight', 'model.norm.weight'].map(
    (name) => source.tensors.get(name)?.dtype ?? 'F32',
  );
  return dtypes.find(isFloatDtype) ?? 'F16';
}

/** The type to widen a model's matrices to: F16 if any of its weights is stored in blocks, else {@link storedDtype}. */
export function widenedDtype(source: WeightSource): FloatDtype {
  return [...source.tensors.values()].every(({ dtype }) => isFloatDtype(dtype)) ? storedDtype(source) : 'F16';
}

const architectureNames: Readonly<Record<string, string>> = {
  llama: 'LlamaForCausalLM',
  mistral: 'MistralForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
};

/**
 * The config.json of a model that came without one.
 *
 * @param bits to which {@link encodeWeights} quantized the matrices.
 * @throws InputError for biases that config.json has no keys for.
 */
export function huggingFaceConfig(
  config: LlamaConfig,
  dtype: FloatDtype,
  bits?: QuantizedBits,
): Record<string, unknown> {
  const { attentionBias = false, outputBias = false } = config;
  // GGUF files call a Mistral a LLaMA; only the window tells them apart.
  const kind = config.architecture === 'llama' && config.slidingWindow !== undefined ? 'mistral' : config.architecture;
  if (kind !== 'qwen2' && attentionBias !== outputBias) {
    throw new InputError('biases on q, k and v without one on o have no counterpart in config.json', {
      code: 'model.unsupported',
    });
  }
  return {
    architectures: [architectureNames[kind]],
    model_type: kind,
    hidden_act: 'silu',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headDim,
    rms_norm_eps: config.rmsNormEpsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: writtenScaling(config),
    ...(kind === 'mistral' && { sliding_window: config.slidingWindow ?? null }),
    ...(kind !== 'qwen2' && { attention_bias: attentionBias }),
    ...(kind === 'llama' && { mlp_bias: config.feedForwardBias ?? false }),
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tieWordEmbeddings,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length > 1 ? config.eosTokenIds : (config.eosTokenIds[0] ?? null),
    ...(bits && { quantization_config: { quant_method: quantizationMethod, bits, block_size: quantizationBlock } }),
    torch_dtype: { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[dtype],
  };
}

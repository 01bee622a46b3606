// The LLaMA forward pass on packed batches; its backward comes from the tape.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { PackedSequences, RandomStream, Tensor } from '@crossgate/tensor';
import {
  add,
  attention,
  embedding,
  expectShape,
  linear,
  loraLinear,
  persistent,
  releasePersistent,
  reshape,
  rmsNorm,
  rope,
  ropeTableOf,
  swiglu,
  tidy,
} from '@crossgate/tensor';
import { expectedTensors, type LlamaConfig } from '../config';
import type { WeightSource } from '../formats/source';
import { rotaryFrequencies } from '../rotary';
import type { DropoutContext, LoraOptions } from './lora';
import { LoraAdapters } from './lora';
import { type PackedBatch, windowed } from './packing';

export interface LoadOptions {
  /** Called after each chunk with the bytes on the device so far and in all. */
  readonly onProgress?: (loaded: number, total: number) => void;
}

/** A frozen LLaMA-family model on the device, with optional LoRA adapters. */
export class LlamaModel {
  #adapters: LoraAdapters | null = null;
  readonly #ropeTable: Tensor;

  private constructor(
    readonly device: Device,
    readonly config: LlamaConfig,
    private readonly weights: ReadonlyMap<string, Tensor>,
    /** Longest sequence the rotary table covers. */
    readonly maxPositions: number,
  ) {
    const table = ropeTableOf(maxPositions, rotaryFrequencies(config));
    this.#ropeTable = persistent(device, [maxPositions, config.headDim], 'weights', table);
  }

  /**
   * Streams a model's weights to the device as f32; the host holds a few megabytes at a time.
   *
   * @throws InputError from the source; OutOfMemoryError with the sizes.
   */
  static async load(device: Device, source: WeightSource, options: LoadOptions = {}): Promise<LlamaModel> {
    const weights = new Map<string, Tensor>();
    const bytesOf = (shape: readonly number[]) => 4 * shape.reduce((product, length) => product * length, 1);
    const total = [...source.tensors.values()].reduce((sum, { shape }) => sum + bytesOf(shape), 0);
    let loaded = 0;
    try {
      for (const [name, { shape }] of source.tensors) {
        const tensor = persistent(device, shape, 'weights');
        weights.set(name, tensor);
        for await (const { offset, data } of source.read(name)) {
          const { storage } = tensor.slice;
          device.recorder.write({ storage, offset: 4 * offset, size: data.byteLength }, data);
          loaded += data.byteLength;
          options.onProgress?.(loaded, total);
        }
      }
    } catch (error) {
      for (const tensor of weights.values()) releasePersistent(tensor);
      throw error;
    }
    // Angles are made for at most this many positions; longer contexts than any prompt here would only cost memory.
    return new LlamaModel(device, source.config, weights, Math.min(source.config.maxPositions, 8192));
  }

  /**
   * A model over weights that are on the device already, such as the parameters of a group: what pretraining trains.
   * The tensors stay the caller's; {@link release} must not be called.
   *
   * @param weights every tensor of `expectedTensors(config)`, by Hugging Face name.
   * @throws InputError naming the first weight that is missing or has another shape.
   */
  static over(device: Device, config: LlamaConfig, weights: ReadonlyMap<string, Tensor>): LlamaModel {
    for (const [name, shape] of expectedTensors(config)) {
      const found = weights.get(name);
      if (!found) throw new InputError(`the model's weight ${name} is missing`);
      expectShape('LlamaModel', name, found, shape);
    }
    return new LlamaModel(device, config, weights, Math.min(config.maxPositions, 8192));
  }

  get adapters(): LoraAdapters | null {
    return this.#adapters;
  }

  /** Adds LoRA adapters, frozen until their group is made trainable. @throws InputError when there are some already. */
  addLora(options: LoraOptions, random: RandomStream): LoraAdapters {
    if (this.#adapters) throw new InputError('the model has LoRA adapters already');
    this.#adapters = new LoraAdapters(this.device, this.config, options, random);
    return this.#adapters;
  }

  /** A frozen weight by its Hugging Face name. @throws InputError for an unknown name. */
  weight(name: string): Tensor {
    const tensor = this.weights.get(name);
    if (tensor === undefined) throw new InputError(`the model has no weight ${name}`);
    return tensor;
  }

  /** Names of the frozen weights. */
  get weightNames(): string[] {
    return [...this.weights.keys()];
  }

  /** The token embedding table [vocabSize, hiddenSize]. */
  get tokenEmbeddings(): Tensor {
    return this.weight('model.embed_tokens.weight');
  }

  /** Embeddings of tokens: [tokens, hiddenSize]. */
  embed(tokens: Uint32Array): Tensor {
    return embedding(this.tokenEmbeddings, tokens);
  }

  /**
   * Runs the transformer.
   *
   * @param embeddings [tokens, hiddenSize]: from {@link embed}, or anything that lives in that space.
   * @param batch the packed sequences of those tokens.
   * @param rows tokens whose result is wanted; the last layer's feed-forward runs for these alone.
   * @param dropout given while training.
   * @returns hidden states after the final norm, [rows.length, hiddenSize].
   * @throws InputError when a sequence is longer than the model's context.
   */
  forward(embeddings: Tensor, batch: PackedBatch, rows: Uint32Array, dropout?: DropoutContext): Tensor {
    const { config, device } = this;
    const { hostOffsets } = batch;
    for (let i = 1; i < hostOffsets.length; i++) {
      const length = hostOffsets[i]! - hostOffsets[i - 1]!;
      if (length > this.maxPositions) {
        throw new InputError(`a sequence of ${length} tokens exceeds the model's context of ${this.maxPositions}`);
      }
    }
    const visible = windowed(device, batch, config.slidingWindow);
    let hidden = embeddings;
    for (let layer = 0; layer < config.layers; layer++) {
      const last = layer === config.layers - 1;
      hidden = tidy(device, () => this.#layer(layer, hidden, visible, last ? rows : null, dropout));
    }
    return rmsNorm(hidden, this.weight('model.norm.weight'), config.rmsNormEpsilon);
  }

  /** Logits over the vocabulary: hidden [rows, hiddenSize] → [rows, vocabSize]. */
  logits(hidden: Tensor): Tensor {
    return linear(hidden, this.config.tieWordEmbeddings ? this.tokenEmbeddings : this.weight('lm_head.weight'));
  }

  #layer(
    layer: number,
    x: Tensor,
    batch: PackedSequences,
    rows: Uint32Array | null,
    dropout: DropoutContext | undefined,
  ): Tensor {
    const { heads, keyValueHeads, headDim, rmsNormEpsilon } = this.config;
    const prefix = `model.layers.${layer}`;
    const table = this.#ropeTable;
    const project = (input: Tensor, name: string) => this.#project(`${prefix}.${name}`, input, dropout);
    const normalized = rmsNorm(x, this.weight(`${prefix}.input_layernorm.weight`), rmsNormEpsilon);
    const rotated = (name: 'q' | 'k', count: number) => {
      const projected = project(normalized, `self_attn.${name}_proj`);
      return rope(this.#normalizeHeads(projected, `${prefix}.self_attn.${name}_norm.weight`), batch, {
        heads: count,
        headDim,
        table,
      });
    };
    const query = rotated('q', heads);
    const key = rotated('k', keyValueHeads);
    const value = project(normalized, 'self_attn.v_proj');
    let attended = attention(query, key, value, batch, { heads, keyValueHeads, headDim });
    let residual = x;
    if (rows) {
      attended = embedding(attended, rows);
      residual = embedding(residual, rows);
    }
    const middle = add(residual, project(attended, 'self_attn.o_proj'));
    const inner = rmsNorm(middle, this.weight(`${prefix}.post_attention_layernorm.weight`), rmsNormEpsilon);
    const gated = swiglu(project(inner, 'mlp.gate_proj'), project(inner, 'mlp.up_proj'));
    return add(middle, project(gated, 'mlp.down_proj'));
  }

  /** RMSNorm of every head by itself, where the model has such norms. */
  #normalizeHeads(x: Tensor, name: string): Tensor {
    const { queryKeyNorm, headDim, rmsNormEpsilon } = this.config;
    if (!queryKeyNorm) return x;
    const heads = reshape(x, [x.size / headDim, headDim]);
    return reshape(rmsNorm(heads, this.weight(name), rmsNormEpsilon), x.shape);
  }

  #project(module: string, x: Tensor, dropout: DropoutContext | undefined): Tensor {
    const weight = this.weight(`${module}.weight`);
    const bias = this.weights.get(`${module}.bias`);
    const adapters = this.#adapters;
    const layer = adapters?.get(module);
    if (!adapters || !layer) return linear(x, weight, bias);
    const { a, b } = layer;
    return loraLinear(x, weight, { a, b, scale: adapters.scale, dropout: adapters.dropout(layer, dropout) }, bias);
  }

  /** Frees the weights and adapters. */
  release(): void {
    for (const tensor of this.weights.values()) releasePersistent(tensor);
    releasePersistent(this.#ropeTable);
    this.#adapters?.group.release();
  }
}

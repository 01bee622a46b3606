// The LLaMA forward pass on packed batches. Its backward pass comes from the tape.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { Indices, LinearWeight, Precision } from '@crossgate/tensor';
import {
  activeTape,
  add,
  addRmsNorm,
  attention,
  bytesOfWeight,
  checkpoint,
  embedding,
  expectShape,
  linear,
  loraLinear,
  releaseWeight,
  reshape,
  rmsNorm,
  rope,
  swiglu,
  Tensor,
  tidy,
} from '@crossgate/tensor';
import { expectedTensors, type LlamaConfig } from '../config';
import type { WeightSource } from '../formats/source';
import type { KeyValueCache, Past } from './cache';
import { type LoadOptions, loadWeights } from './load-weights';
import { type DropoutContext, headModule, type LayerDropout, type LoraAdapters } from './lora';
import { lastTokens, type PackedBatch, packSequences, windowed } from './packing';
import { contextOf, contextWords, RotaryTable, type Rotation, rotationOf } from './rotation';

/** Attention of a layer: to the batch's own tokens, and to cached ones. */
type Attend = (layer: number, query: Tensor, key: Tensor, value: Tensor) => Tensor;

/** The state between two parts of a layer: a sum, whose last term is added where it is normalized. */
interface Hidden {
  readonly residual: Tensor;
  readonly change?: Tensor;
}

/** How a model computes, beside its weights. */
export interface LlamaOptions {
  /** LoRA adapters; null for the base model. Whoever made them frees them. */
  readonly adapters?: LoraAdapters | null;
  /**
   * Whether a layer stores only its input and recomputes the rest in the backward pass (Chen et al. 2016): much less
   * memory, for one more forward pass. Gradients are the same bit for bit. Default false.
   */
  readonly checkpointing?: boolean;
  /**
   * In which type linear layers and attention multiply; the rest, and all sums, are f32. `f16` runs on matrix units, which not every
   * device has: see `usablePrecision` of `@crossgate/tensor`. To train so needs a loss scale. Default `f32`.
   */
  readonly precision?: Precision;
}

/**
 * A frozen LLaMA-family model on the device. It never changes: {@link with} gives the same weights with other adapters,
 * so one model can serve many trainings, one after another or at once.
 */
export class LlamaModel {
  /** Number of tokens of the longest sequence it takes. */
  readonly maxPositions: number;
  readonly #rotary: RotaryTable;

  private constructor(
    /** The GPU that the model lives on. */
    readonly device: Device,
    /** The shape of the model. */
    readonly config: LlamaConfig,
    private readonly weights: ReadonlyMap<string, LinearWeight>,
    /** Whether {@link release} frees the weights too: it does if they were loaded, not if they were handed in. */
    private readonly ownsWeights: boolean,
    /** The model whose weights and rotary table this one shares. */
    private readonly base: LlamaModel | null = null,
    /** LoRA adapters; null for the base model: see {@link LlamaOptions.adapters}. */
    readonly adapters: LoraAdapters | null = null,
    /** Whether layers are recomputed in the backward pass: see {@link LlamaOptions.checkpointing}. */
    readonly checkpointing: boolean = false,
    /** In which type linear layers and attention multiply: see {@link LlamaOptions.precision}. */
    readonly precision: Precision = 'f32',
  ) {
    this.maxPositions = contextOf(config);
    this.#rotary = base ? base.#rotary : new RotaryTable(device, config);
  }

  /**
   * The same weights with other adapters, with or without checkpointing, or in another precision. An option that is not
   * given stays as it is. Takes no memory.
   */
  with(options: LlamaOptions): LlamaModel {
    const { adapters = this.adapters, checkpointing = this.checkpointing, precision = this.precision } = options;
    const base = this.base ?? this;
    return new LlamaModel(this.device, this.config, this.weights, false, base, adapters, checkpointing, precision);
  }

  /**
   * Streams a model's weights to the device; the host holds a few megabytes at a time.
   *
   * @throws InputError from the source, and for weights that cannot be quantized; OutOfMemoryError with the sizes.
   * Nothing is left allocated then.
   */
  static async load(device: Device, source: WeightSource, options: LoadOptions = {}): Promise<LlamaModel> {
    const weights = await loadWeights(device, source, options);
    try {
      return new LlamaModel(device, source.config, weights, true);
    } catch (error) {
      // The rotary table did not fit.
      for (const weight of weights.values()) releaseWeight(weight);
      throw error;
    }
  }

  /**
   * A model on weights that are already on the device, such as the parameters of a group in pretraining. The weights
   * stay the caller's, who frees them after {@link release}.
   *
   * @param weights every tensor of `expectedTensors(config)`, by Hugging Face name; matrices in f32 or in fewer bits.
   * @throws InputError naming the first weight that is missing or has another shape.
   */
  static over(device: Device, config: LlamaConfig, weights: ReadonlyMap<string, LinearWeight>): LlamaModel {
    for (const [name, shape] of expectedTensors(config)) {
      const found = weights.get(name);
      if (!found) throw new InputError(`the model's weight ${name} is missing`, { code: 'model.missing-file' });
      expectShape('LlamaModel', name, found, shape);
    }
    return new LlamaModel(device, config, weights, false);
  }

  /**
   * A frozen weight by its Hugging Face name.
   *
   * @throws InputError for an unknown name, and for a weight in fewer bits.
   */
  weight(name: string): Tensor {
    const weight = this.#weight(name);
    if (!(weight instanceof Tensor)) throw new InputError(`the weight ${name} is kept in fewer bits, not as a tensor`);
    return weight;
  }

  #weight(name: string): LinearWeight {
    const weight = this.weights.get(name);
    if (weight === undefined) throw new InputError(`the model has no weight ${name}`, { code: 'model.missing-file' });
    return weight;
  }

  /** Bytes of the weights on the device. */
  get weightBytes(): number {
    return [...this.weights.values()].reduce((sum, weight) => sum + bytesOfWeight(weight), 0);
  }

  /** Hugging Face names of the frozen weights. */
  get weightNames(): string[] {
    return [...this.weights.keys()];
  }

  /** The token embedding table [vocabSize, hiddenSize], f32 or in fewer bits. */
  get tokenEmbeddings(): LinearWeight {
    return this.#weight('model.embed_tokens.weight');
  }

  /** Embeddings of tokens, inside a step: [tokens, hiddenSize]. */
  embed(tokens: Indices): Tensor {
    return embedding(this.tokenEmbeddings, tokens);
  }

  /**
   * Runs the transformer, inside a step. Differentiable.
   *
   * @param embeddings [tokens, hiddenSize]: from {@link embed}, or any other vectors of that space.
   * @param batch the packed sequences of these tokens.
   * @param rows tokens whose result is wanted. The feed-forward of the last layer runs for these alone.
   * @param dropout of a training step; absent in evaluation.
   * @param past the cached tokens that the sequences continue; the batch's first position is then the length of the
   * cache.
   * @returns hidden states after the final norm, [rows.length, hiddenSize].
   * @throws InputError when a sequence is longer than the model's context, or does not begin where the cache ends.
   */
  forward(embeddings: Tensor, batch: PackedBatch, rows: Indices, dropout?: DropoutContext, past?: Past): Tensor {
    const { config, device, precision } = this;
    const { hostOffsets, firstPosition } = batch;
    if (past) past.cache.check(batch, past.keep === true);
    else if (firstPosition > 0) throw new InputError(`a batch from position ${firstPosition} on needs a cache`);
    for (let i = 1; i < hostOffsets.length; i++) {
      const length = firstPosition + hostOffsets[i]! - hostOffsets[i - 1]!;
      if (length > this.maxPositions) {
        throw new InputError(`a sequence of ${length} tokens exceeds ${contextWords(config)}`, {
          code: 'prompt.too-long',
        });
      }
    }
    const visible = windowed(device, batch, config.slidingWindow);
    const rotation = rotationOf(device, config, batch, this.#rotary);
    const attend: Attend = (layer, query, key, value) => {
      if (past?.keep) past.cache.store(layer, key, value);
      return firstPosition > 0
        ? past!.cache.attend(layer, query, key, value, batch)
        : attention(query, key, value, visible, { ...config, precision });
    };
    let hidden: Hidden = { residual: embeddings };
    for (let layer = 0; layer < config.layers; layer++) {
      const last = layer === config.layers - 1;
      const run = (input: Hidden) => this.#layer(layer, input, rotation, last ? rows : null, dropout, attend);
      const input = hidden;
      if (this.checkpointing && activeTape()) {
        // Beside the layer's input, what its second run reads must outlive the scopes around this one.
        const kept = [input.residual, ...rotation.kept, visible.offsets, visible.sequenceOfToken];
        hidden = { residual: checkpoint(device, kept, (residual) => add(...run({ residual }))) };
      } else {
        const [residual, change] = tidy(device, () => run(input));
        hidden = { residual, change };
      }
      // The tape holds what the backward pass reads of a layer's result, maybe in fewer bits.
      if (layer > 0) device.memory.releaseEarly(input.residual.slice);
      if (input.change) device.memory.releaseEarly(input.change.slice);
    }
    if (past?.keep) past.cache.advance(batch.tokens);
    return this.#normalize(hidden, 'model.norm.weight')[1];
  }

  /**
   * Continues the sequence of a cache, and adds to it, inside a step.
   *
   * @param embeddings [tokens, hiddenSize] of the tokens that follow the cached ones.
   * @returns the hidden state of the last token, [1, hiddenSize].
   * @throws InputError when the sequence does not fit the cache or the model's context.
   */
  extend(cache: KeyValueCache, embeddings: Tensor): Tensor {
    const batch = packSequences(this.device, [embeddings.rows], cache.length);
    return this.forward(embeddings, batch, lastTokens(batch), undefined, { cache, keep: true });
  }

  /**
   * Logits over the vocabulary: hidden states [rows, hiddenSize] → [rows, vocabSize]. Differentiable.
   *
   * @param dropout given in training, for an adapter of the head.
   */
  logits(hidden: Tensor, dropout?: DropoutContext): Tensor {
    const weight = this.config.tieWordEmbeddings ? this.tokenEmbeddings : this.#weight(`${headModule}.weight`);
    return this.#adapted(headModule, hidden, weight, undefined, dropout && { ...dropout, rows: 'wanted' });
  }

  /** A layer's result: the sum so far, and what its feed-forward adds to that. */
  #layer(
    layer: number,
    input: Hidden,
    { sequences, table }: Rotation,
    rows: Indices | null,
    dropout: DropoutContext | undefined,
    attend: Attend,
  ): readonly [Tensor, Tensor] {
    const prefix = `model.layers.${layer}`;
    const projection = (of: 'tokens' | 'wanted') => (from: Tensor, name: string) =>
      this.#project(`${prefix}.${name}`, from, dropout && { ...dropout, rows: of });
    const project = projection('tokens');
    const projectWanted = projection(rows ? 'wanted' : 'tokens');
    const [x, normalized] = this.#normalize(input, `${prefix}.input_layernorm.weight`);
    const projected = (name: 'q' | 'k') =>
      this.#normalizeHeads(project(normalized, `self_attn.${name}_proj`), `${prefix}.self_attn.${name}_norm.weight`);
    const [query, key] = rope(projected('q'), projected('k'), sequences, { ...this.config, table });
    const value = project(normalized, 'self_attn.v_proj');
    let attended = attend(layer, query, key, value);
    let residual = x;
    if (rows) {
      attended = embedding(attended, rows);
      residual = embedding(residual, rows);
    }
    const change = projectWanted(attended, 'self_attn.o_proj');
    const [middle, inner] = this.#normalize({ residual, change }, `${prefix}.post_attention_layernorm.weight`);
    const gated = swiglu(projectWanted(inner, 'mlp.gate_proj'), projectWanted(inner, 'mlp.up_proj'));
    return [middle, projectWanted(gated, 'mlp.down_proj')];
  }

  /** A state as one tensor, and its RMSNorm. */
  #normalize({ residual, change }: Hidden, name: string): readonly [Tensor, Tensor] {
    const weight = this.weight(name);
    const { rmsNormEpsilon } = this.config;
    if (change) return addRmsNorm(residual, change, weight, rmsNormEpsilon);
    return [residual, rmsNorm(residual, weight, rmsNormEpsilon)];
  }

  /** RMSNorm of each head separately, if the model has such norms. */
  #normalizeHeads(x: Tensor, name: string): Tensor {
    const { queryKeyNorm, headDim, rmsNormEpsilon } = this.config;
    if (!queryKeyNorm) return x;
    const heads = reshape(x, [x.size / headDim, headDim]);
    return reshape(rmsNorm(heads, this.weight(name), rmsNormEpsilon), x.shape);
  }

  #project(module: string, x: Tensor, dropout: LayerDropout | undefined): Tensor {
    const weight = this.#weight(`${module}.weight`);
    const bias = this.weights.has(`${module}.bias`) ? this.weight(`${module}.bias`) : undefined;
    return this.#adapted(module, x, weight, bias, dropout);
  }

  /** A linear layer, with its adapter where it has one. */
  #adapted(
    module: string,
    x: Tensor,
    weight: LinearWeight,
    bias: Tensor | undefined,
    context: LayerDropout | undefined,
  ): Tensor {
    const layer = this.adapters?.get(module);
    const { precision } = this;
    if (!layer) return linear(x, weight, bias, { precision });
    const { a, b, scale } = layer;
    return loraLinear(x, weight, { a, b, scale, dropout: this.adapters!.dropout(layer, context), precision }, bias);
  }

  /** Frees the rotary table, and the weights that {@link load} loaded. A model made by {@link with} owns nothing. */
  release(): void {
    if (this.base) return;
    if (this.ownsWeights) for (const weight of this.weights.values()) releaseWeight(weight);
    this.#rotary.release();
  }
}

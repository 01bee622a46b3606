/** The shape of a LLaMA-family model, read from a Hugging Face config.json or from GGUF metadata. */
import { InputError } from '@crossgate/tensor';

/** Everything the forward pass needs to know besides the weights. */
export interface LlamaConfig {
  /** What the file calls itself: `llama` or `mistral`. */
  readonly architecture: string;
  /** Rows of the embedding table. */
  readonly vocabSize: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width of the feed-forward layer. */
  readonly intermediateSize: number;
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; divides `heads`. */
  readonly keyValueHeads: number;
  /** Width of one head; even. Need not be hiddenSize / heads. */
  readonly headDim: number;
  readonly rmsNormEpsilon: number;
  /** Base of the rotary frequencies. */
  readonly ropeTheta: number;
  /** Longest sequence the model was made for, in tokens. */
  readonly maxPositions: number;
  /** The head shares the embedding table. */
  readonly tieWordEmbeddings: boolean;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
}

const supported = 'supported: LLaMA (LlamaForCausalLM) and Mistral without a sliding window';

/** Reads typed keys from a record of unknown content; every complaint names the source and the key. */
export class KeyReader {
  /** What to call the file in messages. */
  readonly source: string;
  readonly #get: (key: string) => unknown;

  constructor(source: string, get: (key: string) => unknown) {
    this.source = source;
    this.#get = get;
  }

  /** @throws {InputError} always. */
  fail(problem: string): never {
    throw new InputError(`${this.source}: ${problem}`);
  }

  /** The value, or undefined where it is absent or null. */
  value(key: string): unknown {
    return this.#get(key) ?? undefined;
  }

  #number(key: string, fallback: number | undefined, valid: (value: number) => boolean, expected: string): number {
    const value = this.value(key) ?? fallback;
    if (value === undefined) return this.fail(`${key} is missing; ${expected} is needed.`);
    if (typeof value !== 'number' || !valid(value)) {
      return this.fail(`${key} is ${shown(value)}, but must be ${expected}.`);
    }
    return value;
  }

  /** A whole number from 1 to `most`. */
  count(key: string, most: number, fallback?: number): number {
    return this.#number(
      key,
      fallback,
      (v) => Number.isInteger(v) && v >= 1 && v <= most,
      `a whole number from 1 to ${most}`,
    );
  }

  /** A finite number above 0. */
  positive(key: string, fallback?: number): number {
    return this.#number(key, fallback, (v) => Number.isFinite(v) && v > 0, 'a number above 0');
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback;
    return typeof value === 'boolean' ? value : this.fail(`${key} is ${shown(value)}, but must be true or false.`);
  }

  /** Token ids given as one number, a list, or not at all. */
  tokenIds(key: string, vocabSize: number): number[] {
    const value = this.value(key);
    const list: unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
    return list.map((id) => {
      if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
      return this.fail(`${key} holds ${shown(id)}, but must hold token ids from 0 to ${vocabSize - 1}.`);
    });
  }
}

/** A value for a message; metadata may hold bigints and arrays of any length. */
function shown(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (ArrayBuffer.isView(value)) return `an array of ${(value as Uint8Array).length} numbers`;
  if (Array.isArray(value)) return `an array of ${value.length} entries`;
  const text = JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item)) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Sizes beyond these come from damaged files, not from models. */
const most = { vocabSize: 2 ** 24, width: 2 ** 20, layers: 4096, heads: 8192, positions: 2 ** 31 };

function checked(reader: KeyReader, config: LlamaConfig): LlamaConfig {
  if (config.heads % config.keyValueHeads !== 0) {
    reader.fail(`${config.heads} attention heads cannot share ${config.keyValueHeads} key/value heads evenly.`);
  }
  if (config.headDim % 2 !== 0) reader.fail(`a head is ${config.headDim} wide; rotary positions need an even width.`);
  return config;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a parsed config.json. Absent optional keys take Hugging Face's defaults.
 * @param source what to call the file in messages
 * @throws {InputError} naming the key, for malformed values and for architectures and features that are not supported.
 */
export function configFromHuggingFace(json: unknown, source: string): LlamaConfig {
  if (!isRecord(json)) throw new InputError(`${source}: it must hold a JSON object.`);
  const reader = new KeyReader(source, (key) => (Object.hasOwn(json, key) ? json[key] : undefined));
  const modelType = reader.value('model_type');
  const architectures = reader.value('architectures');
  const architecture = Array.isArray(architectures) ? architectures[0] : undefined;
  const known: Record<string, string> = { LlamaForCausalLM: 'llama', MistralForCausalLM: 'mistral' };
  const kind = architecture === undefined ? modelType : known[String(architecture)];
  if ((kind !== 'llama' && kind !== 'mistral') || (modelType !== undefined && modelType !== kind)) {
    reader.fail(`the architecture ${shown(architecture ?? modelType ?? 'none')} is not supported; ${supported}.`);
  }
  refuseUnsupported(reader);

  const maxPositions = reader.count('max_position_embeddings', most.positions, kind === 'mistral' ? 131072 : 2048);
  const window = reader.value('sliding_window');
  if (window !== undefined && !(typeof window === 'number' && window >= maxPositions)) {
    reader.fail(`sliding_window is ${shown(window)}; attention windows are not supported yet.`);
  }
  const vocabSize = reader.count('vocab_size', most.vocabSize);
  const hiddenSize = reader.count('hidden_size', most.width);
  const heads = reader.count('num_attention_heads', most.heads);
  if (reader.value('head_dim') === undefined && hiddenSize % heads !== 0) {
    reader.fail(`hidden_size ${hiddenSize} is no multiple of num_attention_heads ${heads}, and head_dim is not given.`);
  }
  return checked(reader, {
    architecture: kind as string,
    vocabSize,
    hiddenSize,
    intermediateSize: reader.count('intermediate_size', most.width),
    layers: reader.count('num_hidden_layers', most.layers),
    heads,
    keyValueHeads: reader.count('num_key_value_heads', most.heads, heads),
    headDim: reader.count('head_dim', most.width, hiddenSize / heads),
    rmsNormEpsilon: reader.positive('rms_norm_eps', 1e-6),
    ropeTheta: ropeTheta(reader),
    maxPositions,
    tieWordEmbeddings: reader.flag('tie_word_embeddings', false),
    bosTokenId: reader.tokenIds('bos_token_id', vocabSize)[0] ?? null,
    eosTokenIds: reader.tokenIds('eos_token_id', vocabSize),
  });
}

/** Refuses by name what would change the result if it were ignored. */
function refuseUnsupported(reader: KeyReader): void {
  for (const key of ['attention_bias', 'mlp_bias', 'use_qk_norm']) {
    if (reader.flag(key, false)) reader.fail(`${key} is true; biases and q/k norms are not supported yet.`);
  }
  const scaling = reader.value('rope_scaling');
  if (scaling !== undefined && ropeType(scaling) !== 'default') {
    reader.fail(`rope_scaling is ${shown(scaling)}; rotary scaling is not supported yet.`);
  }
  const activation = reader.value('hidden_act') ?? 'silu';
  if (activation !== 'silu' && activation !== 'swish') {
    reader.fail(`hidden_act is ${shown(activation)}; only silu is supported.`);
  }
  if (reader.positive('partial_rotary_factor', 1) !== 1)
    reader.fail('partial_rotary_factor other than 1 is not supported.');
  if (reader.value('quantization_config') !== undefined) {
    reader.fail('quantization_config is set; give the model in F32, F16 or BF16.');
  }
}

function ropeType(scaling: unknown): unknown {
  return isRecord(scaling) ? (scaling.rope_type ?? scaling.type) : scaling;
}

/** `rope_theta`, or, in files of newer releases, `rope_parameters.rope_theta`. */
function ropeTheta(reader: KeyReader): number {
  const parameters = reader.value('rope_parameters');
  if (parameters === undefined) return reader.positive('rope_theta', 10000);
  if (!isRecord(parameters) || (ropeType(parameters) ?? 'default') !== 'default') {
    return reader.fail(`rope_parameters is ${shown(parameters)}; rotary scaling is not supported yet.`);
  }
  return new KeyReader(`the rope_parameters of ${reader.source}`, (key) => parameters[key]).positive(
    'rope_theta',
    10000,
  );
}

/**
 * Reads the metadata of a GGUF file.
 * @param metadata key → value, integers as numbers
 * @param facts what the file's tensors say: rows of the embedding table, and whether there is a separate head
 * @throws {InputError} naming the key.
 */
export function configFromGguf(
  metadata: ReadonlyMap<string, unknown>,
  facts: { embeddingRows: number; hasHead: boolean; hasRopeFactors: boolean },
  source: string,
): LlamaConfig {
  const reader = new KeyReader(source, (key) => metadata.get(key));
  const architecture = reader.value('general.architecture');
  if (architecture !== 'llama') {
    reader.fail(`general.architecture ${shown(architecture ?? 'none')} is not supported; ${supported} (GGUF: llama).`);
  }
  const scaling = reader.value('llama.rope.scaling.type') ?? 'none';
  if (scaling !== 'none')
    reader.fail(`llama.rope.scaling.type is ${shown(scaling)}; rotary scaling is not supported yet.`);
  if (facts.hasRopeFactors)
    reader.fail('tensor rope_freqs.weight scales rotary positions, which is not supported yet.');
  if (Number(reader.value('llama.expert_count') ?? 0) > 0)
    reader.fail('llama.expert_count: experts are not supported.');

  const maxPositions = reader.count('llama.context_length', most.positions);
  const window = Number(reader.value('llama.attention.sliding_window') ?? 0);
  if (window !== 0 && !(window >= maxPositions)) {
    reader.fail('llama.attention.sliding_window: attention windows are not supported yet.');
  }
  const hiddenSize = reader.count('llama.embedding_length', most.width);
  const heads = reader.count('llama.attention.head_count', most.heads);
  const keyLength = reader.value('llama.attention.key_length');
  if (keyLength === undefined && hiddenSize % heads !== 0) {
    reader.fail(`llama.embedding_length ${hiddenSize} is no multiple of llama.attention.head_count ${heads}.`);
  }
  const headDim = reader.count('llama.attention.key_length', most.width, hiddenSize / heads);
  for (const key of ['llama.attention.value_length', 'llama.rope.dimension_count']) {
    const value = reader.count(key, most.width, headDim);
    if (value !== headDim) reader.fail(`${key} is ${value}, but a head is ${headDim} wide; that is not supported.`);
  }
  const vocabSize = reader.count('llama.vocab_size', most.vocabSize, facts.embeddingRows);
  const eos = ['tokenizer.ggml.eos_token_id', 'tokenizer.ggml.eot_token_id'].flatMap((key) =>
    reader.tokenIds(key, vocabSize),
  );
  return checked(reader, {
    architecture: 'llama',
    vocabSize,
    hiddenSize,
    intermediateSize: reader.count('llama.feed_forward_length', most.width),
    layers: reader.count('llama.block_count', most.layers),
    heads,
    keyValueHeads: reader.count('llama.attention.head_count_kv', most.heads, heads),
    headDim,
    rmsNormEpsilon: reader.positive('llama.attention.layer_norm_rms_epsilon'),
    ropeTheta: reader.positive('llama.rope.freq_base', 10000),
    maxPositions,
    tieWordEmbeddings: !facts.hasHead,
    bosTokenId: reader.tokenIds('tokenizer.ggml.bos_token_id', vocabSize)[0] ?? null,
    eosTokenIds: [...new Set(eos)],
  });
}

/** The weights a model of this shape has: Hugging Face name → shape, outermost dimension first, in file order. */
export function expectedTensors(config: LlamaConfig): Map<string, readonly number[]> {
  const { hiddenSize, intermediateSize } = config;
  const queryWidth = config.heads * config.headDim;
  const keyWidth = config.keyValueHeads * config.headDim;
  const tensors = new Map<string, readonly number[]>([['model.embed_tokens.weight', [config.vocabSize, hiddenSize]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    tensors.set(`${prefix}.input_layernorm.weight`, [hiddenSize]);
    tensors.set(`${prefix}.self_attn.q_proj.weight`, [queryWidth, hiddenSize]);
    tensors.set(`${prefix}.self_attn.k_proj.weight`, [keyWidth, hiddenSize]);
    tensors.set(`${prefix}.self_attn.v_proj.weight`, [keyWidth, hiddenSize]);
    tensors.set(`${prefix}.self_attn.o_proj.weight`, [hiddenSize, queryWidth]);
    tensors.set(`${prefix}.post_attention_layernorm.weight`, [hiddenSize]);
    tensors.set(`${prefix}.mlp.gate_proj.weight`, [intermediateSize, hiddenSize]);
    tensors.set(`${prefix}.mlp.up_proj.weight`, [intermediateSize, hiddenSize]);
    tensors.set(`${prefix}.mlp.down_proj.weight`, [hiddenSize, intermediateSize]);
  }
  tensors.set('model.norm.weight', [hiddenSize]);
  if (!config.tieWordEmbeddings) tensors.set('lm_head.weight', [config.vocabSize, hiddenSize]);
  return tensors;
}

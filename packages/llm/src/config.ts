/** The shape of a LLaMA-family model, read from a Hugging Face config.json or from GGUF metadata. */
import { InputError } from '@crossgate/tensor';
import { isRecord, KeyReader, shown, type Warn } from './key-reader';
import { quantizationKeys } from './quantization';
import { type RopeScaling, rotaryFromGguf, rotaryFromHuggingFace, stretchedPositions } from './rotary';
import { checkSettings } from './settings';

export { KeyReader } from './key-reader';

/** Everything the forward pass needs to know besides the weights. */
export interface LlamaConfig {
  /** What the file says: `llama`, `mistral`, `qwen2` or `qwen3`. A GGUF file of a Mistral says `llama`. */
  readonly architecture: string;
  /** Number of rows of the embedding table. */
  readonly vocabSize: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width of the feed-forward layer. */
  readonly intermediateSize: number;
  /** Number of transformer blocks. */
  readonly layers: number;
  /** Number of query heads. */
  readonly heads: number;
  /** Number of key and value heads; divides `heads`. */
  readonly keyValueHeads: number;
  /** Width of one head: even, at most 256. It need not be hiddenSize / heads. */
  readonly headDim: number;
  /** Term added to the mean square in every RMSNorm, above 0. */
  readonly rmsNormEpsilon: number;
  /** Base of the rotary frequencies, above 0. */
  readonly ropeTheta: number;
  /** How the rotary frequencies are stretched for longer contexts. Absent: not at all. */
  readonly ropeScaling?: RopeScaling;
  /**
   * Attention window in tokens: a token sees itself and the slidingWindow − 1 tokens before it. Absent: all before it.
   */
  readonly slidingWindow?: number;
  /** Whether the q, k and v projections have biases. Absent: no. */
  readonly attentionBias?: boolean;
  /** Whether the o projection has a bias. Absent: no. */
  readonly outputBias?: boolean;
  /** Whether the gate, up and down projections have biases. Absent: no. */
  readonly feedForwardBias?: boolean;
  /** Whether every query and key head is normalized (RMSNorm) before it is rotated. Absent: no. */
  readonly queryKeyNorm?: boolean;
  /** Longest sequence that the configuration gives, in tokens. Rotary scaling may stretch it: see `contextOf`. */
  readonly maxPositions: number;
  /** Whether the head shares the embedding table. */
  readonly tieWordEmbeddings: boolean;
  /** Beginning-of-text id of the configuration. A tokenizer knows better. */
  readonly bosTokenId: number | null;
  /** Ids of the configuration that end a text. A tokenizer knows better. */
  readonly eosTokenIds: readonly number[];
}

const architectures: Readonly<Record<string, Architecture>> = {
  LlamaForCausalLM: 'llama',
  MistralForCausalLM: 'mistral',
  Qwen2ForCausalLM: 'qwen2',
  Qwen3ForCausalLM: 'qwen3',
};
type Architecture = 'llama' | 'mistral' | 'qwen2' | 'qwen3';
const supported = `supported: ${Object.keys(architectures).join(', ')}`;

/** Larger sizes come from damaged files, not from models. */
const most = { vocabSize: 2 ** 24, width: 2 ** 20, layers: 4096, heads: 8192, positions: 2 ** 31 };

/** The widest head that the attention kernels of `@crossgate/kernels` take. */
const widestHead = 256;

function checked(reader: KeyReader, config: LlamaConfig): LlamaConfig {
  if (config.heads % config.keyValueHeads !== 0) {
    reader.fail(`${config.heads} attention heads cannot share ${config.keyValueHeads} key/value heads evenly.`);
  }
  if (config.headDim % 2 !== 0) reader.fail(`a head is ${config.headDim} wide; rotary positions need an even width.`);
  if (config.headDim > widestHead) reader.fail(`a head is ${config.headDim} wide; at most ${widestHead} is supported.`);
  return config;
}

/**
 * Reads a parsed config.json. Absent optional keys take Hugging Face's defaults. How the weights are stored is not
 * read.
 *
 * @param source name of the file in messages.
 * @param warn is told of settings that are not known.
 * @throws {InputError} naming the key, for malformed values and for architectures and features that are not supported.
 */
export function configFromHuggingFace(json: unknown, source: string, warn?: Warn): LlamaConfig {
  if (!isRecord(json)) throw new InputError('it must hold a JSON object.', { code: 'model.damaged', place: source });
  const reader = new KeyReader(source, (key) => (Object.hasOwn(json, key) ? json[key] : undefined), warn);
  const kind = architectureOf(reader);

  const vocabSize = reader.count('vocab_size', most.vocabSize);
  const hiddenSize = reader.count('hidden_size', most.width);
  const heads = reader.count('num_attention_heads', most.heads);
  const ownHeadDim = kind === 'qwen3' ? 128 : hiddenSize / heads;
  if (reader.value('head_dim') === undefined && !Number.isInteger(ownHeadDim)) {
    reader.fail(`hidden_size ${hiddenSize} is no multiple of num_attention_heads ${heads}, and head_dim is not given.`);
  }
  const headDim = reader.count('head_dim', most.width, ownHeadDim);
  // Qwen2 always has biases on q, k and v and never on o; elsewhere one key stands for all four.
  const bias = kind !== 'qwen2' && reader.flag('attention_bias', false);
  const { maxPositions, ...rotary } = rotaryPositions(reader, kind);
  const context = stretchedPositions({ ...rotary, maxPositions });
  const slidingWindow = windowOf(reader, kind, context, Object.hasOwn(json, 'sliding_window'));
  const config = checked(reader, {
    architecture: kind,
    vocabSize,
    hiddenSize,
    intermediateSize: reader.count('intermediate_size', most.width),
    layers: reader.count('num_hidden_layers', most.layers),
    heads,
    keyValueHeads: reader.count('num_key_value_heads', most.heads, heads),
    headDim,
    rmsNormEpsilon: reader.positive('rms_norm_eps', 1e-6),
    ...rotary,
    ...(slidingWindow !== undefined && { slidingWindow }),
    ...((bias || kind === 'qwen2') && { attentionBias: true }),
    ...(bias && { outputBias: true }),
    ...(reader.flag('mlp_bias', false) && { feedForwardBias: true }),
    ...(kind === 'qwen3' && { queryKeyNorm: true }),
    maxPositions,
    tieWordEmbeddings: reader.flag('tie_word_embeddings', false),
    bosTokenId: reader.tokenIds('bos_token_id', vocabSize)[0] ?? null,
    eosTokenIds: reader.tokenIds('eos_token_id', vocabSize),
  });
  const stored = quantizationKeys as readonly string[];
  checkSettings(
    reader,
    Object.keys(json).filter((key) => !stored.includes(key)),
    config,
  );
  const { ropeScaling } = config;
  if (ropeScaling?.type === 'factors' && ropeScaling.factors.length !== headDim / 2) {
    reader.fail(
      `${ropeScaling.factors.length} rotary factors are given, but a head of ${headDim} has ${headDim / 2} pairs.`,
    );
  }
  return config;
}

/**
 * The longest sequence, and how positions rotate. Under `linear` scaling the first is often the one before scaling, and
 * `max_sequence_length` the one that the model was trained with, as in Vicuna's and LongChat's of 16,384 tokens.
 */
function rotaryPositions(reader: KeyReader, kind: Architecture) {
  const maxPositions = positionsOf(reader, kind);
  const rotary = rotaryFromHuggingFace(reader, maxPositions);
  if (rotary.ropeScaling?.type !== 'linear') return { ...rotary, maxPositions };
  return {
    ...rotary,
    maxPositions: Math.max(maxPositions, reader.count(earlyPositions, most.positions, maxPositions)),
  };
}

/** What the first LLaMA configurations call the longest sequence. */
const earlyPositions = 'max_sequence_length';

/** The longest sequence, under its name or that of the first LLaMA configurations, or what Hugging Face assumes. */
function positionsOf(reader: KeyReader, kind: Architecture): number {
  const key = 'max_position_embeddings';
  if (reader.value(key) !== undefined) return reader.count(key, most.positions);
  const given = reader.value(earlyPositions) !== undefined;
  const maxPositions = reader.count(earlyPositions, most.positions, defaultPositions[kind]);
  const source = given ? `its ${earlyPositions}` : `the ${kind} model's default`;
  reader.warn(`there is no ${key}; ${maxPositions} is assumed, ${source}`);
  return maxPositions;
}

/** `max_position_embeddings` where config.json does not give it. */
const defaultPositions: Readonly<Record<Architecture, number>> = {
  llama: 2048,
  mistral: 131072,
  qwen2: 32768,
  qwen3: 32768,
};

/** The architecture. Its names count in any spelling: the first LLaMA folders have `LLaMAForCausalLM`. */
function architectureOf(reader: KeyReader): Architecture {
  const modelType = reader.value('model_type');
  const list = reader.value('architectures');
  const named = Array.isArray(list) ? String(list[0]) : undefined;
  const same = (a: unknown, b: string) => typeof a === 'string' && a.toLowerCase() === b.toLowerCase();
  const found = Object.entries(architectures).find(([name, kind]) =>
    named === undefined ? same(modelType, kind) : same(named, name),
  );
  if (found === undefined || (modelType !== undefined && !same(modelType, found[1]))) {
    return reader.fail(`the architecture ${shown(named ?? modelType ?? 'none')} is not supported; ${supported}.`);
  }
  return found[1];
}

/** The attention window in tokens; undefined if every earlier token is seen. */
function windowOf(reader: KeyReader, kind: Architecture, context: number, given: boolean): number | undefined {
  const window = windowByKeys(reader, kind, context, given);
  const types = reader.value('layer_types');
  if (types === undefined) return window;
  const layers = reader.count('num_hidden_layers', most.layers);
  const expected = window === undefined ? 'full_attention' : 'sliding_attention';
  if (!Array.isArray(types) || types.length !== layers) {
    return reader.fail(`layer_types is ${shown(types)}, but must name the kind of each of the ${layers} layers.`);
  }
  const other = types.findIndex((type) => type !== expected);
  // A window that no sequence exceeds is none.
  const whole = window === undefined && types.every((type) => type === 'sliding_attention') && kind === 'mistral';
  if (other < 0 || whole) return window;
  const why = `the other settings make every layer ${expected}`;
  return reader.refuse(
    `layer_types has ${shown(types[other])} for layer ${other}, but ${why}; windows that differ by layer are not supported.`,
  );
}

function windowByKeys(reader: KeyReader, kind: Architecture, context: number, given: boolean): number | undefined {
  if (kind === 'qwen2' || kind === 'qwen3') {
    // Qwen's window, if it is on, holds for the layers from max_window_layers on; often there are none.
    const withoutWindow = Number(reader.value('max_window_layers') ?? 28);
    reader.value('sliding_window');
    if (reader.flag('use_sliding_window', false) && withoutWindow < reader.count('num_hidden_layers', most.layers)) {
      reader.fail('use_sliding_window is true; windows that differ by layer are not supported.');
    }
    return undefined;
  }
  // A Mistral configuration that does not mention its window has the 4096 of the first Mistral; null means none.
  if (kind === 'mistral' && !given) return 4096 < context ? 4096 : undefined;
  if (reader.value('sliding_window') === undefined) return undefined;
  const window = reader.count('sliding_window', most.positions);
  if (window >= context) return undefined;
  if (reader.value('use_sliding_window') === false) {
    reader.fail(
      `sliding_window is ${window}, but use_sliding_window is false; set sliding_window to null for no window.`,
    );
  }
  return kind === 'mistral' ? window : reader.fail(`sliding_window is ${window}, but a ${kind} model has no window.`);
}

/** What the tensors of a GGUF file say about its model. */
export interface GgufFacts {
  /** Number of rows of the embedding table. */
  readonly embeddingRows: number;
  /** Values of rope_freqs.weight, the divisors of the rotary frequencies; undefined without such a tensor. */
  readonly ropeFactors?: readonly number[] | undefined;
  /** Whether there is a tensor of this name. */
  has(name: string): boolean;
}

const ggufArchitectures = ['llama', 'qwen2', 'qwen3'];

/**
 * Reads the metadata of a GGUF file.
 *
 * @param metadata key → value, integers as numbers.
 * @param source name of the file in messages.
 * @param warn is told of settings that are not known.
 * @throws {InputError} naming the key, for malformed values and for architectures and features that are not supported.
 */
export function configFromGguf(
  metadata: ReadonlyMap<string, unknown>,
  facts: GgufFacts,
  source: string,
  warn?: Warn,
): LlamaConfig {
  const reader = new KeyReader(source, (key) => metadata.get(key), warn);
  const architecture = reader.value('general.architecture');
  if (typeof architecture !== 'string' || !ggufArchitectures.includes(architecture)) {
    return reader.fail(
      `general.architecture ${shown(architecture ?? 'none')} is not supported; supported in GGUF: ${ggufArchitectures.join(', ')}.`,
    );
  }
  const key = (name: string) => `${architecture}.${name}`;
  const maxPositions = reader.count(key('context_length'), most.positions);
  const window = Number(reader.value(key('attention.sliding_window')) ?? 0);
  if (window !== 0 && !(Number.isInteger(window) && window > 0)) {
    reader.fail(`${key('attention.sliding_window')} is ${shown(window)}, but must be a whole number from 0.`);
  }
  const hiddenSize = reader.count(key('embedding_length'), most.width);
  const heads = reader.count(key('attention.head_count'), most.heads);
  if (reader.value(key('attention.key_length')) === undefined && hiddenSize % heads !== 0) {
    reader.fail(`${key('embedding_length')} ${hiddenSize} is no multiple of ${key('attention.head_count')} ${heads}.`);
  }
  const headDim = reader.count(key('attention.key_length'), most.width, hiddenSize / heads);
  for (const name of ['attention.value_length', 'rope.dimension_count'].map(key)) {
    const value = reader.count(name, most.width, headDim);
    if (value !== headDim) reader.fail(`${name} is ${value}, but a head is ${headDim} wide; that is not supported.`);
  }
  const vocabSize = reader.count(key('vocab_size'), most.vocabSize, facts.embeddingRows);
  const rotary = rotaryFromGguf(reader, key, { headDim, maxPositions }, facts.ropeFactors);
  const eos = ['eos', 'eot', 'eom'].flatMap((name) => reader.tokenIds(`tokenizer.ggml.${name}_token_id`, vocabSize));
  const config = checked(reader, {
    architecture,
    vocabSize,
    hiddenSize,
    intermediateSize: reader.count(key('feed_forward_length'), most.width),
    layers: reader.count(key('block_count'), most.layers),
    heads,
    keyValueHeads: reader.count(key('attention.head_count_kv'), most.heads, heads),
    headDim,
    rmsNormEpsilon: reader.positive(key('attention.layer_norm_rms_epsilon')),
    ropeTheta: reader.positive(key('rope.freq_base'), 10000),
    ...rotary,
    ...(window > 0 && window < stretchedPositions({ ...rotary, maxPositions }) && { slidingWindow: window }),
    ...(facts.has('blk.0.attn_q.bias') && { attentionBias: true }),
    ...(facts.has('blk.0.attn_output.bias') && { outputBias: true }),
    ...(facts.has('blk.0.ffn_up.bias') && { feedForwardBias: true }),
    ...(architecture === 'qwen3' && { queryKeyNorm: true }),
    maxPositions,
    tieWordEmbeddings: !facts.has('output.weight'),
    bosTokenId: reader.tokenIds('tokenizer.ggml.bos_token_id', vocabSize)[0] ?? null,
    eosTokenIds: [...new Set(eos)],
  });
  const own = [...metadata.keys()].filter((name) => name.startsWith(key('')));
  checkSettings(reader, own, config, (name) => name.slice(key('').length).replaceAll('.', '_'));
  return config;
}

/**
 * The weights of a model of this shape: Hugging Face name → shape, outermost dimension first, in the order of the
 * layers.
 */
export function expectedTensors(config: LlamaConfig): Map<string, readonly number[]> {
  const { hiddenSize, intermediateSize } = config;
  const queryWidth = config.heads * config.headDim;
  const keyWidth = config.keyValueHeads * config.headDim;
  const tensors = new Map<string, readonly number[]>([['model.embed_tokens.weight', [config.vocabSize, hiddenSize]]]);
  const linear = (name: string, outputs: number, inputs: number, bias: boolean | undefined) => {
    tensors.set(`${name}.weight`, [outputs, inputs]);
    if (bias) tensors.set(`${name}.bias`, [outputs]);
  };
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    tensors.set(`${prefix}.input_layernorm.weight`, [hiddenSize]);
    linear(`${prefix}.self_attn.q_proj`, queryWidth, hiddenSize, config.attentionBias);
    linear(`${prefix}.self_attn.k_proj`, keyWidth, hiddenSize, config.attentionBias);
    linear(`${prefix}.self_attn.v_proj`, keyWidth, hiddenSize, config.attentionBias);
    linear(`${prefix}.self_attn.o_proj`, hiddenSize, queryWidth, config.outputBias);
    if (config.queryKeyNorm) {
      tensors.set(`${prefix}.self_attn.q_norm.weight`, [config.headDim]);
      tensors.set(`${prefix}.self_attn.k_norm.weight`, [config.headDim]);
    }
    tensors.set(`${prefix}.post_attention_layernorm.weight`, [hiddenSize]);
    linear(`${prefix}.mlp.gate_proj`, intermediateSize, hiddenSize, config.feedForwardBias);
    linear(`${prefix}.mlp.up_proj`, intermediateSize, hiddenSize, config.feedForwardBias);
    linear(`${prefix}.mlp.down_proj`, hiddenSize, intermediateSize, config.feedForwardBias);
  }
  tensors.set('model.norm.weight', [hiddenSize]);
  if (!config.tieWordEmbeddings) tensors.set('lm_head.weight', [config.vocabSize, hiddenSize]);
  return tensors;
}

/** Whether a weight has one row per token: the embedding table and the head. */
export function isTokenWeight(name: string): boolean {
  return name === 'model.embed_tokens.weight' || name === 'lm_head.weight';
}

/** Whether a weight is the matrix of a linear layer of a block. These can be quantized and adapted. */
export function isLinearWeight(name: string): boolean {
  return /^model\.layers\.\d+\..+_proj\.weight$/.test(name);
}

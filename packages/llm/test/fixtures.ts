/** Small random LLaMA models of any shape, written as Hugging Face folders and as GGUF, for tests. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '@crossgate/files';
import { bytesFromFloats, encodeSafetensors, type FloatDtype, floatsFromBytes } from '@crossgate/tensor';
import { expectedTensors, type LlamaConfig } from '../src/config';
import { ggmlTypes } from '../src/formats/ggml-types';

/** A model's shape; what is left out follows from the rest. */
export interface TinyShape {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headDim?: number;
  tied?: boolean;
  ropeTheta?: number;
  rmsNormEpsilon?: number;
  maxPositions?: number;
}

export interface TinyWeight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** How a GGUF file holds it, where not as the model's `dtype`; rows in the order of `data`. */
  readonly stored?: { readonly type: string; readonly bytes: Uint8Array };
}

export interface TinyModel {
  readonly config: LlamaConfig;
  /** Hugging Face name → values, row-major, exactly as every file written from this model holds them. */
  readonly weights: ReadonlyMap<string, TinyWeight>;
  readonly dtype: FloatDtype;
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function seededUniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A model with weights of a plausible size (σ ≈ 1/√in, norms around 1), rounded to `dtype`. */
export function randomModel(shape: TinyShape, seed = 1, dtype: FloatDtype = 'F32'): TinyModel {
  const { tied, ...rest } = shape;
  const config: LlamaConfig = {
    architecture: 'llama',
    headDim: shape.hiddenSize / shape.heads,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 10000,
    maxPositions: 128,
    bosTokenId: 1,
    eosTokenIds: [2],
    ...rest,
    tieWordEmbeddings: tied ?? false,
  };
  const uniform = seededUniform(seed);
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, tensorShape] of expectedTensors(config)) {
    const isNorm = tensorShape.length === 1;
    const scale = isNorm ? 0.3 : Math.sqrt(3 / tensorShape[1]!);
    const size = tensorShape.reduce((product, extent) => product * extent, 1);
    const values = Float32Array.from({ length: size }, () => (isNorm ? 1 : 0) + scale * (2 * uniform() - 1));
    weights.set(name, { shape: tensorShape, data: floatsFromBytes(dtype, bytesFromFloats(dtype, values)) });
  }
  return { config, weights, dtype };
}

export interface HfFolderOptions {
  /** Number of safetensors files; above 1 with an index. Default 1. */
  readonly shards?: number;
  /** Further files: name → content. Objects are written as JSON. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Keys put over those of config.json; undefined removes one. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** The files of a Hugging Face folder: name → bytes. */
export async function encodeHfFolder(
  model: TinyModel,
  options: HfFolderOptions = {},
): Promise<Map<string, Uint8Array>> {
  const { config } = model;
  const files = new Map<string, Uint8Array>();
  const text = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
  files.set(
    'config.json',
    text({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
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
      max_position_embeddings: config.maxPositions,
      tie_word_embeddings: config.tieWordEmbeddings,
      bos_token_id: config.bosTokenId,
      eos_token_id: config.eosTokenIds[0],
      ...options.config,
    }),
  );
  const shards = options.shards ?? 1;
  const weightMap: Record<string, string> = {};
  const names = [...model.weights.keys()];
  for (let shard = 0; shard < shards; shard++) {
    const ordinal = (n: number) => String(n).padStart(5, '0');
    const file = shards === 1 ? 'model.safetensors' : `model-${ordinal(shard + 1)}-of-${ordinal(shards)}.safetensors`;
    const inputs = names
      .filter((_, index) => index % shards === shard)
      .map((name) => {
        weightMap[name] = file;
        const { shape, data } = model.weights.get(name)!;
        return { name, shape, dtype: model.dtype, bytes: () => bytesFromFloats(model.dtype, data) };
      });
    files.set(file, await collect(encodeSafetensors(inputs, { format: 'pt' })));
  }
  if (shards > 1) files.set('model.safetensors.index.json', text({ metadata: {}, weight_map: weightMap }));
  for (const [name, content] of Object.entries(options.extra ?? {})) files.set(name, text(content));
  return files;
}

/** Writes {@link encodeHfFolder} to disk. */
export async function writeHfFolder(path: string, model: TinyModel, options: HfFolderOptions = {}): Promise<void> {
  await mkdir(path, { recursive: true });
  for (const [name, bytes] of await encodeHfFolder(model, options)) await writeAtomic(join(path, name), bytes);
}

/** Joins pieces of bytes. */
export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return concatenate(parts);
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}

/** A typed metadata value for {@link encodeGgufFile}. */
export type GgufField =
  | { type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'u64' | 'i64' | 'f64'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'array'; of: 'u8' | 'i32' | 'u32' | 'f32' | 'i64' | 'string' | 'bool'; value: readonly (number | string)[] }
  | { type: 'nested'; value: readonly (readonly number[])[] };

export interface GgufTensorInput {
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** A name of {@link ggmlTypes}. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

const typeIds = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};

function scalar(type: keyof typeof typeIds, value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  const done = (bytes: number) => new Uint8Array(view.buffer, 0, bytes);
  switch (type) {
    case 'u8':
    case 'i8':
    case 'bool':
      view.setUint8(0, value & 0xff);
      return done(1);
    case 'u16':
    case 'i16':
      view.setUint16(0, value & 0xffff, true);
      return done(2);
    case 'f32':
      view.setFloat32(0, value, true);
      return done(4);
    case 'f64':
      view.setFloat64(0, value, true);
      return done(8);
    case 'u64':
    case 'i64':
      view.setBigInt64(0, BigInt(value), true);
      return done(8);
    default:
      view.setUint32(0, value >>> 0, true);
      return done(4);
  }
}

function stringBytes(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  return concatenate([scalar('u64', bytes.byteLength), bytes]);
}

function fieldBytes(field: GgufField): Uint8Array {
  if (field.type === 'string') return concatenate([scalar('u32', typeIds.string), stringBytes(field.value)]);
  if (field.type === 'bool') return concatenate([scalar('u32', typeIds.bool), scalar('u8', field.value ? 1 : 0)]);
  if (field.type === 'array') {
    const items = field.value.map((item) => (typeof item === 'string' ? stringBytes(item) : scalar(field.of, item)));
    return concatenate([
      scalar('u32', typeIds.array),
      scalar('u32', typeIds[field.of]),
      scalar('u64', items.length),
      ...items,
    ]);
  }
  if (field.type === 'nested') {
    const inner = field.value.map((row) =>
      concatenate([scalar('u32', typeIds.i32), scalar('u64', row.length), ...row.map((item) => scalar('i32', item))]),
    );
    return concatenate([
      scalar('u32', typeIds.array),
      scalar('u32', typeIds.array),
      scalar('u64', inner.length),
      ...inner,
    ]);
  }
  return concatenate([scalar('u32', typeIds[field.type]), scalar(field.type, field.value)]);
}

/** Encodes any GGUF file: metadata in order, tensors in order, each aligned. */
export function encodeGgufFile(
  metadata: Readonly<Record<string, GgufField>>,
  tensors: readonly GgufTensorInput[],
  { version = 3, alignment = 32 }: { version?: number; alignment?: number } = {},
): Uint8Array {
  const idOf = new Map([...ggmlTypes].map(([id, { name }]) => [name, id]));
  const header: Uint8Array[] = [
    new TextEncoder().encode('GGUF'),
    scalar('u32', version),
    scalar('u64', tensors.length),
    scalar('u64', Object.keys(metadata).length),
  ];
  for (const [key, field] of Object.entries(metadata)) header.push(stringBytes(key), fieldBytes(field));
  const align = (length: number) => Math.ceil(length / alignment) * alignment;
  const data: Uint8Array[] = [];
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    header.push(stringBytes(name), scalar('u32', shape.length));
    for (const extent of shape.toReversed()) header.push(scalar('u64', extent));
    header.push(scalar('u32', idOf.get(type)!), scalar('u64', offset));
    const padded = new Uint8Array(align(bytes.byteLength));
    padded.set(bytes);
    data.push(padded);
    offset += padded.byteLength;
  }
  const head = concatenate(header);
  return concatenate([head, new Uint8Array(align(head.byteLength) - head.byteLength), ...data]);
}

/** Hugging Face name → GGUF name, written down independently of the reader's table. */
export function ggufName(name: string): string {
  return name
    .replace('model.embed_tokens', 'token_embd')
    .replace('model.norm', 'output_norm')
    .replace('lm_head', 'output')
    .replace('model.layers', 'blk')
    .replace('input_layernorm', 'attn_norm')
    .replace('post_attention_layernorm', 'ffn_norm')
    .replace('self_attn.o_proj', 'attn_output')
    .replace(/self_attn\.([qkv])_proj/, 'attn_$1')
    .replace(/self_attn\.([qk])_norm/, 'attn_$1_norm')
    .replace(/mlp\.(gate|up|down)_proj/, 'ffn_$1');
}

/** The row order GGUF gives q and k: row j of each half of a head beside the other, as llama.cpp's converter does. */
export function toInterleaved<T extends Float32Array | Uint8Array>(data: T, headDim: number, columns: number): T {
  const rows = data.length / columns;
  const out = data.slice() as T;
  let next = 0;
  for (let head = 0; head < rows / headDim; head++) {
    for (let j = 0; j < headDim / 2; j++) {
      for (const half of [0, 1]) {
        const row = head * headDim + half * (headDim / 2) + j;
        out.set(data.subarray(row * columns, (row + 1) * columns), next);
        next += columns;
      }
    }
  }
  return out;
}

export interface GgufOptions {
  readonly version?: number;
  readonly alignment?: number;
  /** Metadata put over the model's own; undefined removes one. */
  readonly metadata?: Readonly<Record<string, GgufField | undefined>>;
  readonly tokenizer?: boolean;
}

/** The bytes of a GGUF file holding the model. */
export function encodeGguf(model: TinyModel, options: GgufOptions = {}): Uint8Array {
  const { config } = model;
  const key = (name: string) => `${config.architecture}.${name}`;
  const u32 = (value: number): GgufField => ({ type: 'u32', value });
  const metadata: Record<string, GgufField | undefined> = {
    'general.architecture': { type: 'string', value: config.architecture },
    'general.name': { type: 'string', value: 'random' },
    [key('vocab_size')]: u32(config.vocabSize),
    [key('context_length')]: u32(config.maxPositions),
    [key('embedding_length')]: u32(config.hiddenSize),
    [key('feed_forward_length')]: u32(config.intermediateSize),
    [key('block_count')]: u32(config.layers),
    [key('attention.head_count')]: u32(config.heads),
    [key('attention.head_count_kv')]: u32(config.keyValueHeads),
    [key('attention.key_length')]: u32(config.headDim),
    [key('attention.value_length')]: u32(config.headDim),
    [key('rope.dimension_count')]: u32(config.headDim),
    [key('rope.freq_base')]: { type: 'f32', value: config.ropeTheta },
    [key('attention.layer_norm_rms_epsilon')]: { type: 'f32', value: config.rmsNormEpsilon },
    'tokenizer.ggml.bos_token_id': u32(config.bosTokenId ?? 1),
    'tokenizer.ggml.eos_token_id': u32(config.eosTokenIds[0] ?? 2),
    ...(options.alignment ? { 'general.alignment': u32(options.alignment) } : {}),
    ...(options.tokenizer ? sentencePieceMetadata(config.vocabSize) : {}),
    ...options.metadata,
  };
  const defined = Object.entries(metadata).filter((entry): entry is [string, GgufField] => entry[1] !== undefined);
  const tensors = [...model.weights].map(([name, { shape, data, stored }]) => {
    // Only llama.cpp's LLaMA converter reorders q and k.
    const rotated = config.architecture === 'llama' && /[qk]_proj/.test(name);
    const { type, bytes } = stored ?? { type: model.dtype, bytes: bytesFromFloats(model.dtype, data) };
    const rowBytes = bytes.length / (rotated ? shape[0]! : 1);
    const ordered = rotated ? toInterleaved(bytes, config.headDim, rowBytes) : bytes;
    return { name: ggufName(name), shape, type, bytes: ordered };
  });
  return encodeGgufFile(Object.fromEntries(defined), tensors, options);
}

/** Writes {@link encodeGguf} to disk. */
export async function writeGguf(path: string, model: TinyModel, options: GgufOptions = {}): Promise<void> {
  await writeAtomic(path, encodeGguf(model, options));
}

/** A SentencePiece vocabulary of `size` ≥ 259 pieces: three control pieces, 256 bytes, then words made up of letters. */
export function sentencePieceMetadata(size: number): Record<string, GgufField> {
  const pieces = ['<unk>', '<s>', '</s>'];
  const types = [2, 3, 3];
  for (let byte = 0; byte < 256; byte++) {
    pieces.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    types.push(6);
  }
  // Runs of ▁ and a, and short words: they overlap with themselves, where tie-breaking shows.
  const letters = ['▁', 'a', 'b', 'c', 'é', '😀'];
  const words = [...letters];
  for (let length = 2; words.length < size; length++) {
    for (const word of words.filter((w) => Array.from(w).length === length - 1)) {
      for (const letter of letters) words.push(word + letter);
    }
  }
  for (const word of words.slice(0, size - 259)) {
    pieces.push(word);
    types.push(1);
  }
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'llama' },
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: pieces.slice(0, size) },
    // Scores repeat, so that several pieces are equally good.
    'tokenizer.ggml.scores': {
      type: 'array',
      of: 'f32',
      value: pieces.map((_, id) => -Math.floor(id / 3)).slice(0, size),
    },
    'tokenizer.ggml.token_type': { type: 'array', of: 'i32', value: types.slice(0, size) },
    'tokenizer.ggml.unknown_token_id': { type: 'u32', value: 0 },
  };
}

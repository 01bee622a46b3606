/** Both file formats give the same weights; every kind of wrong file is refused by name. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FloatDtype, memorySource } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryFolder, openGgufModel, openHuggingFaceModel, type WeightSource } from '../src/formats/index';
import { openModel, openTokenizer } from '../src/node';
import {
  encodeGguf,
  encodeHfFolder,
  type GgufField,
  randomModel,
  sentencePieceMetadata,
  type TinyModel,
  type TinyShape,
  writeGguf,
  writeHfFolder,
} from './fixtures';

const odd: TinyShape = {
  vocabSize: 263,
  hiddenSize: 20,
  intermediateSize: 33,
  layers: 2,
  heads: 5,
  keyValueHeads: 1,
  headDim: 6,
};
const tied: TinyShape = { ...odd, layers: 1, heads: 4, keyValueHeads: 2, headDim: 10, tied: true };

async function expectWeights(source: WeightSource, model: TinyModel): Promise<void> {
  expect([...source.tensors.keys()].sort()).toEqual([...model.weights.keys()].sort());
  for (const [name, { shape, data }] of model.weights) {
    expect(source.tensors.get(name)).toEqual({ shape, dtype: model.dtype });
    expect(await source.readAll(name), name).toEqual(data);
    // In small chunks: consecutive, whole rows, none larger than asked for unless one row is.
    const columns = shape[1] ?? 1;
    let next = 0;
    for await (const { offset, data: part } of source.read(name, { chunkBytes: 300 })) {
      expect(offset).toBe(next);
      expect(part.length % columns).toBe(0);
      expect(part.byteLength).toBeLessThanOrEqual(Math.max(300, columns * 4));
      expect(part).toEqual(data.subarray(offset, offset + part.length));
      next += part.length;
    }
    expect(next).toBe(data.length);
  }
}

describe('random models', () => {
  const cases: [string, TinyShape, FloatDtype][] = [
    ['untied F32', odd, 'F32'],
    ['untied BF16', odd, 'BF16'],
    ['tied F16', tied, 'F16'],
    ['tied F32', tied, 'F32'],
  ];
  test.each(cases)('%s: safetensors', async (_, shape, dtype) => {
    const model = randomModel(shape, 3, dtype);
    const source = await openHuggingFaceModel(memoryFolder('m', await encodeHfFolder(model)));
    expect(source.config).toEqual(model.config);
    await expectWeights(source, model);
  });

  test.each(cases)('%s: shards', async (_, shape, dtype) => {
    const model = randomModel(shape, 4, dtype);
    const files = await encodeHfFolder(model, { shards: 3 });
    expect([...files.keys()]).toContain('model-00002-of-00003.safetensors');
    await expectWeights(await openHuggingFaceModel(memoryFolder('m', files)), model);
  });

  test.each(cases)('%s: GGUF, versions 2 and 3, two alignments', async (_, shape, dtype) => {
    const model = randomModel(shape, 5, dtype);
    for (const options of [{}, { version: 2 }, { alignment: 64 }]) {
      const { source } = await openGgufModel(memorySource('m.gguf', encodeGguf(model, options)));
      const { rmsNormEpsilon, ...rest } = source.config;
      const { rmsNormEpsilon: epsilon, ...expected } = model.config;
      expect(rest).toEqual(expected);
      expect(rmsNormEpsilon).toBe(Math.fround(epsilon));
      await expectWeights(source, model);
    }
  });

  test('an unknown weight name is bad input', async () => {
    const source = await openHuggingFaceModel(memoryFolder('m', await encodeHfFolder(randomModel(tied))));
    await expect(source.readAll('lm_head.weight')).rejects.toThrow(/no tensor "lm_head.weight"/);
  });
});

describe('on disk', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crossgate-llm-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('folder and file are told apart; a tokenizer may be missing', async () => {
    const model = randomModel({ ...odd, vocabSize: 300 });
    await writeHfFolder(join(folder, 'hf'), model);
    await writeGguf(join(folder, 'm.gguf'), model, { tokenizer: true });
    const fromFolder = await openModel(join(folder, 'hf'));
    await expectWeights(fromFolder.source, model);
    await expect(fromFolder.tokenizer()).rejects.toThrow(/no tokenizer.json; copy tokenizer.json and/);
    await fromFolder.close();
    const fromFile = await openModel(join(folder, 'm.gguf'));
    await expectWeights(fromFile.source, model);
    expect((await fromFile.tokenizer()).vocabSize).toBe(300);
    await fromFile.close();
    expect((await openTokenizer(join(folder, 'm.gguf'))).encode('aa').length).toBeGreaterThan(0);
  });

  test('a tokenizer of more tokens than the model is refused', async () => {
    const path = join(folder, 'mismatch.gguf');
    const metadata = sentencePieceMetadata(310);
    await writeGguf(path, randomModel({ ...odd, vocabSize: 300 }), { metadata });
    const model = await openModel(path);
    await expect(model.tokenizer()).rejects.toThrow(/tokenizer has 310 tokens, but the model only 300/);
    await model.close();
  });

  test('a path that leads nowhere', async () => {
    await expect(openModel(join(folder, 'none'))).rejects.toThrow(/there is no such model/);
  });
});

describe('Hugging Face folders that are refused', () => {
  const model = randomModel(odd);
  type Change = {
    config?: Record<string, unknown>;
    drop?: string[];
    files?: Record<string, unknown>;
    weights?: TinyModel;
  };
  const without = (name: string): TinyModel => ({
    ...model,
    weights: new Map([...model.weights].filter(([n]) => n !== name)),
  });
  const withExtra = (name: string): TinyModel => ({
    ...model,
    weights: new Map([...model.weights, [name, { shape: [2], data: new Float32Array(2) }]]),
  });
  const index = (weight_map: unknown) => ({
    drop: ['model.safetensors'],
    files: { 'model.safetensors.index.json': { weight_map } },
  });

  test.each<[string, Change, RegExp]>([
    [
      'another architecture',
      { config: { architectures: ['GPT2LMHeadModel'], model_type: 'gpt2' } },
      /"GPT2LMHeadModel" is not supported; supported: LlamaForCausalLM/,
    ],
    ['no architecture', { config: { architectures: undefined, model_type: undefined } }, /"none" is not supported/],
    ['rotary scaling', { config: { rope_scaling: { rope_type: 'longrope' } } }, /rope_scaling asks for .*longrope/],
    ['new-style rotary scaling', { config: { rope_parameters: { rope_type: 'yarn' } } }, /rope_parameters/],
    ['biases that are not there', { config: { attention_bias: true } }, /q_proj\.bias is missing/],
    ['a window', { config: { sliding_window: 64 } }, /sliding_window is 64, but a llama model has no window/],
    ['another activation', { config: { hidden_act: 'gelu' } }, /hidden_act is "gelu"/],
    ['a missing size', { config: { hidden_size: undefined } }, /config\.json: hidden_size is missing/],
    [
      'a size that is a string',
      { config: { num_hidden_layers: '2' } },
      /num_hidden_layers is "2", but must be a whole number/,
    ],
    ['an absurd size', { config: { vocab_size: 1e12 } }, /vocab_size is 1000000000000/],
    ['heads that do not divide', { config: { num_key_value_heads: 2 } }, /5 attention heads cannot share 2/],
    ['an odd head', { config: { head_dim: 7 } }, /7 wide/],
    [
      'an end that is no token id',
      { config: { eos_token_id: 'end' } },
      /eos_token_id holds "end", but must hold token ids/,
    ],
    [
      'a missing tensor',
      { weights: without('model.layers.1.mlp.up_proj.weight') },
      /tensor model\.layers\.1\.mlp\.up_proj\.weight is missing/,
    ],
    ['a missing head', { weights: without('lm_head.weight') }, /lm_head\.weight is missing \(a tied head/],
    [
      'an unknown tensor',
      { weights: withExtra('model.layers.0.self_attn.q_proj.bias') },
      /q_proj\.bias" is not part of/,
    ],
    [
      'another shape',
      { config: { intermediate_size: 34 } },
      /mlp\.gate_proj\.weight has shape \[33,20\], but the configuration makes it \[34,20\]/,
    ],
    [
      'only a pickle',
      { drop: ['model.safetensors'], files: { 'pytorch_model.bin': 'x' } },
      /pytorch_model\.bin is a PyTorch pickle.*convert/,
    ],
    ['no weights', { drop: ['model.safetensors'] }, /neither model\.safetensors nor/],
    ['no config.json', { drop: ['config.json'] }, /no config\.json/],
    ['config.json that is not JSON', { files: { 'config.json': '{' } }, /config\.json is not JSON/],
    ['config.json that is a list', { files: { 'config.json': '[]' } }, /must hold a JSON object/],
    ['an index without a map', index(undefined), /weight_map is missing/],
    ['an index that leads outside', index({ w: '../secret.safetensors' }), /no safetensors file of the folder/],
    ['a missing shard', index({ w: 'model-1.safetensors' }), /model-1\.safetensors: the file is missing/],
  ])('%s', async (_, { config, drop, files, weights }, message) => {
    const folder = await encodeHfFolder(weights ?? model, {
      ...(config ? { config } : {}),
      ...(files ? { extra: files } : {}),
    });
    for (const name of drop ?? []) folder.delete(name);
    const opening = openHuggingFaceModel(memoryFolder('folder', folder));
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  test('an index that puts a tensor into the wrong shard', async () => {
    const folder = await encodeHfFolder(model, { shards: 2 });
    const index = JSON.parse(new TextDecoder().decode(folder.get('model.safetensors.index.json')));
    index.weight_map['model.norm.weight'] = 'model-00001-of-00002.safetensors';
    const other = index.weight_map['model.norm.weight'] === 'model-00001-of-00002.safetensors' ? 2 : 1;
    index.weight_map['model.embed_tokens.weight'] = `model-0000${other}-of-00002.safetensors`;
    folder.set('model.safetensors.index.json', new TextEncoder().encode(JSON.stringify(index)));
    await expect(openHuggingFaceModel(memoryFolder('m', folder))).rejects.toThrow(
      /is missing; model\.safetensors\.index\.json puts it there/,
    );
  });

  test.each([
    ['rotary tables', withExtra('model.layers.0.self_attn.rotary_emb.inv_freq')],
    [
      'a mistral configuration without a window',
      model,
      { architectures: ['MistralForCausalLM'], model_type: 'mistral', sliding_window: null },
    ],
    [
      'default rotary parameters',
      model,
      { rope_theta: undefined, rope_parameters: { rope_type: 'default', rope_theta: 5e5 } },
    ],
    ['several end tokens', model, { eos_token_id: [2, 5] }],
  ] as [string, TinyModel, Record<string, unknown>?][])('but not for %s', async (_, weights, config = {}) => {
    const source = await openHuggingFaceModel(memoryFolder('m', await encodeHfFolder(weights, { config })));
    if (config.rope_parameters) expect(source.config.ropeTheta).toBe(5e5);
    if (config.eos_token_id) expect(source.config.eosTokenIds).toEqual([2, 5]);
    if (config.model_type) expect(source.config.architecture).toBe('mistral');
    expect([...source.tensors.keys()].sort()).toEqual([...model.weights.keys()].sort());
  });
});

test('ids of no token are left out, and the tokenizer tells of them', async () => {
  const config = { bos_token_id: -1, eos_token_id: [999, -1, 2] };
  const source = await openHuggingFaceModel(memoryFolder('m', await encodeHfFolder(randomModel(odd), { config })));
  expect([source.config.bosTokenId, source.config.eosTokenIds]).toEqual([null, [2]]);
});

test.each([
  [
    { max_position_embeddings: undefined },
    2048,
    /config\.json: there is no max_position_embeddings; 2048 is assumed, the llama model's default/,
  ],
  [{ max_position_embeddings: null, max_sequence_length: 512 }, 512, /512 is assumed, its max_sequence_length/],
])('a length that is not given is said: %j', async (config, length, warning) => {
  const source = await openHuggingFaceModel(memoryFolder('m', await encodeHfFolder(randomModel(odd), { config })));
  expect([source.config.maxPositions, source.warnings]).toEqual([length, [expect.stringMatching(warning)]]);
});

test('the first LLaMA folders spell it otherwise', async () => {
  const open = async (config: Record<string, unknown>) =>
    (await openHuggingFaceModel(memoryFolder('m', await encodeHfFolder(randomModel(odd), { config })))).config;
  expect((await open({ architectures: ['LLaMAForCausalLM'] })).architecture).toBe('llama');
  expect((await open({ architectures: undefined, model_type: 'LLaMA' })).architecture).toBe('llama');
  await expect(open({ architectures: ['LLaMAModel'] })).rejects.toThrow(
    /the architecture "LLaMAModel" is not supported/,
  );
});

test('generation_config.json adds end tokens to those of config.json', async () => {
  const files = (eos_token_id: unknown) =>
    encodeHfFolder(randomModel(odd), { extra: { 'generation_config.json': { eos_token_id } } });
  const open = async (ids: unknown) => openHuggingFaceModel(memoryFolder('m', await files(ids)));
  expect((await open([7, 2, 100_000])).config.eosTokenIds).toEqual([2, 7]);
  expect((await open(5)).config.eosTokenIds).toEqual([2, 5]);
  expect((await open(undefined)).config.eosTokenIds).toEqual([2]);
});

describe('GGUF files that are refused', () => {
  const model = randomModel(odd);
  const u32 = (value: number): GgufField => ({ type: 'u32', value });
  test.each<[string, Record<string, GgufField | undefined>, RegExp]>([
    [
      'another architecture',
      { 'general.architecture': { type: 'string', value: 'gemma' } },
      /general\.architecture "gemma" is not supported/,
    ],
    ['no architecture', { 'general.architecture': undefined }, /"none" is not supported/],
    ['a missing size', { 'llama.block_count': undefined }, /llama\.block_count is missing/],
    [
      'a size of another type',
      { 'llama.embedding_length': { type: 'string', value: '20' } },
      /llama\.embedding_length is "20"/,
    ],
    [
      'heads given by layer',
      { 'llama.attention.head_count': { type: 'array', of: 'i32', value: [5, 5] } },
      /llama\.attention\.head_count is/,
    ],
    [
      'rotary scaling',
      { 'llama.rope.scaling.type': { type: 'string', value: 'longrope' } },
      /rope\.scaling\.type is "longrope", which is not supported; supported: linear, and yarn/,
    ],
    ['experts', { 'llama.expert_count': u32(8) }, /experts are not supported/],
    ['partial rotation', { 'llama.rope.dimension_count': u32(4) }, /rope\.dimension_count is 4, but a head is 6 wide/],
    [
      'more layers than tensors',
      { 'llama.block_count': u32(3) },
      /tensor model\.layers\.2\.input_layernorm\.weight is missing/,
    ],
    [
      'fewer layers than tensors',
      { 'llama.block_count': u32(1) },
      /"model\.layers\.1\.input_layernorm\.weight" is not part of/,
    ],
  ])('%s', async (_, metadata, message) => {
    const opening = openGgufModel(memorySource('m.gguf', encodeGguf(model, { metadata })));
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(expect.objectContaining({ name: 'InputError' }));
  });
});

const models = process.env.CROSSGATE_MODELS;
const stories = models ? join(models, 'stories260K') : undefined;
const missing = stories && existsSync(stories) ? undefined : 'CROSSGATE_MODELS does not lead to stories260K';

test.skipIf(missing)(`stories260K: both formats hold the same weights${missing ? ` (${missing})` : ''}`, async () => {
  const a = await openModel(join(stories!, 'hf'));
  const b = await openModel(join(stories!, 'stories260K.gguf'));
  expect({ ...b.config, rmsNormEpsilon: 1e-5 }).toEqual({ ...a.config, rmsNormEpsilon: 1e-5 });
  expect(a.config).toMatchObject({
    layers: 5,
    heads: 8,
    keyValueHeads: 4,
    headDim: 8,
    vocabSize: 512,
    tieWordEmbeddings: true,
  });
  expect(a.source.tensors.size).toBe(2 + 5 * 9);
  for (const name of a.source.tensors.keys())
    expect(await b.source.readAll(name), name).toEqual(await a.source.readAll(name));
  await a.close();
  await b.close();
});

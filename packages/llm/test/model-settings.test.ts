/** Settings of other models: refused by name, warned of, or neutral; never passed over. */
import { memorySource } from '@crossgate/tensor';
import { describe, expect, it } from 'vitest';
import { contextOf } from '../src';
import { configFromHuggingFace, memoryFolder, openGgufModel, openHuggingFaceModel } from '../src/formats/index';
import { encodeGguf, encodeHfFolder, type GgufField, randomModel } from './fixtures';

const shape = {
  hidden_size: 24,
  num_attention_heads: 4,
  num_hidden_layers: 2,
  intermediate_size: 8,
  vocab_size: 9,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 64,
};
function read(json: Record<string, unknown>) {
  const warnings: string[] = [];
  const all = { ...shape, model_type: 'llama', ...json };
  return { config: configFromHuggingFace(all, 'config.json', (warning) => warnings.push(warning)), warnings };
}

describe('config.json', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'rotary settings per kind of layer',
      { rope_parameters: { full_attention: { rope_theta: 1e6 }, sliding_attention: { rope_theta: 1e4 } } },
      /rope_parameters has settings of their own for full_attention, sliding_attention/,
    ],
    [
      'two bases',
      { rope_theta: 1e6, rope_parameters: { rope_type: 'default', rope_theta: 1e4 } },
      /rope_theta is 1000000, but rope_theta in rope_parameters is 10000; remove the wrong one/,
    ],
    [
      'another base in rope_scaling',
      { rope_theta: 1e4, rope_scaling: { type: 'linear', factor: 2, rope_theta: 5e5 } },
      /rope_theta is 10000, but rope_theta in rope_scaling is 500000/,
    ],
    [
      'two scalings',
      { rope_parameters: { rope_type: 'default', rope_theta: 1e4 }, rope_scaling: { type: 'linear', factor: 2 } },
      /rope_parameters .* and rope_scaling .* contradict one another/,
    ],
    [
      'two factors',
      { rope_parameters: { rope_type: 'linear', factor: 4 }, rope_scaling: { type: 'linear', factor: 2 } },
      /contradict one another/,
    ],
    [
      'two kinds',
      { rope_scaling: { type: 'linear', rope_type: 'llama3', factor: 2 } },
      /rope_type "llama3" and type "lin/,
    ],
    ['no kind', { rope_scaling: { factor: 2 } }, /rope_scaling has factor, but no rope_type/],
    ['a base that is text', { rope_theta: '10000' }, /rope_theta is "10000", but must be a number above 0/],
    [
      'settings of another kind of scaling',
      { rope_scaling: { rope_type: 'linear', factor: 2, attention_factor: 1.3 } },
      /attention_factor 1\.3, which rotary positions of the kind linear do not have/,
    ],
    ['sections', { rope_scaling: { type: 'default', mrope_section: [2, 2, 2] } }, /mrope_section/],
    ['half a head rotated', { partial_rotary_factor: 0.5 }, /partial_rotary_factor is 0\.5; only whole heads/],
    [
      'half a head rotated, inside',
      { rope_parameters: { partial_rotary_factor: 0.5, rope_type: 'default' } },
      /partial_r/,
    ],
    ['part of a head rotated, by its older name', { rotary_pct: 0.25 }, /rotary_pct is 0\.25/],
    ['another base by another name', { rotary_emb_base: 5e5 }, /rotary_emb_base is 500000/],
    ['layers without rotation', { no_rope_layers: [1, 0] }, /no_rope_layers is \[1,0\]; layers without rotary/],
    ['another activation', { hidden_act: 'gelu' }, /hidden_act is "gelu"; only the activation silu/],
    ['a second activation', { hidden_activation: 'gelu_pytorch_tanh' }, /hidden_activation is "gelu_pytorch_tanh"/],
    ['capped attention', { attn_logit_softcapping: 50 }, /attn_logit_softcapping is 50; capped logits/],
    ['capped logits', { final_logit_softcapping: 30 }, /final_logit_softcapping is 30/],
    ["Granite's embeddings", { embedding_multiplier: 12 }, /embedding_multiplier is 12; scaled embeddings/],
    [
      "Granite's attention",
      { attention_multiplier: 0.015625 },
      /attention_multiplier is 0\.015625; attention is scaled/,
    ],
    ["Granite's residuals", { residual_multiplier: 0.22 }, /residual_multiplier is 0\.22/],
    ["Granite's logits", { logits_scaling: 8 }, /logits_scaling is 8/],
    ["MiniCPM's embeddings", { scale_emb: 12 }, /scale_emb is 12/],
    ["MiniCPM's residuals", { scale_depth: 1.4 }, /scale_depth is 1\.4; scaled residuals/],
    ["MiniCPM's logits", { dim_model_base: 256 }, /dim_model_base is 256; scaled logits/],
    ["Cohere's logits", { logit_scale: 0.0625 }, /logit_scale is 0\.0625/],
    ["Gemma's attention", { query_pre_attn_scalar: 256 }, /query_pre_attn_scalar is 256/],
    ['experts', { num_local_experts: 8, num_experts_per_tok: 2 }, /num_local_experts is 8; experts are not supported/],
    ['other experts', { n_routed_experts: 64 }, /n_routed_experts is 64; experts are not supported/],
    ['a window by another name', { sliding_window_pattern: 6 }, /sliding_window_pattern is 6; such windows/],
    ['a window that is on', { use_sliding_window: true }, /use_sliding_window is true; such windows/],
    [
      'windows by layer',
      { layer_types: ['full_attention', 'sliding_attention'] },
      /layer_types has "sliding_attention" for layer 1, but .* full_attention; windows that differ by layer/,
    ],
    ['too few kinds of layers', { layer_types: ['full_attention'] }, /must name the kind of each of the 2 layers/],
    [
      'a window that is off',
      { model_type: 'mistral', sliding_window: 8, use_sliding_window: false },
      /sliding_window is 8, but use_sliding_window is false/,
    ],
    [
      'a window that no layer has',
      { model_type: 'mistral', sliding_window: 8, layer_types: ['full_attention', 'full_attention'] },
      /layer_types has "full_attention" for layer 0, but .* sliding_attention/,
    ],
    ['biases by another name', { qkv_bias: true }, /qkv_bias is true; such biases are not supported/],
    ["InternLM's biases", { bias: true }, /bias is true; such biases/],
    ['layers that share weights', { layer_sharing: true }, /layer_sharing is true; such layers/],
    ['parallel blocks', { parallel_attn: true }, /parallel_attn is true/],
    ['another norm', { norm_type: 'layernorm' }, /norm_type is "layernorm"; only RMSNorm/],
    ['attention to both sides', { is_causal: false }, /is_causal is false/],
    ['clipped queries', { clip_qkv: 8 }, /clip_qkv is 8/],
    ['ALiBi', { alibi: true }, /ALiBi/],
    ['an encoder', { is_encoder_decoder: true }, /is_encoder_decoder is true/],
    [
      'factors that depend on the length',
      { rope_scaling: { rope_type: 'longrope', short_factor: [1, 1, 1], long_factor: [1, 2, 4], attention_factor: 1 } },
      /"longrope", which is not supported but with equal/,
    ],
    [
      'other factors than pairs',
      { rope_scaling: { rope_type: 'longrope', short_factor: [1], long_factor: [1], attention_factor: 1 } },
      /1 rotary factors are given, but a head of 6 has 3 pairs/,
    ],
  ])('refuses %s', (_, json, message) => {
    expect(() => read(json)).toThrow(message);
    expect(() => read(json)).toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  it.each<[string, Record<string, unknown>]>([
    [
      'what says what is computed here',
      { hidden_act: 'swish', partial_rotary_factor: 1, logit_scale: 1, is_causal: true },
    ],
    ['scales that are those of every LLaMA', { attention_multiplier: 1 / Math.sqrt(6), query_pre_attn_scalar: 6 }],
    ["MiniCPM's scales that do nothing", { scale_emb: 1, scale_depth: Math.SQRT2, dim_model_base: 24 }],
    ['what is off', { attn_logit_softcapping: null, num_local_experts: 0, use_sliding_window: false, bias: false }],
    ['the same scaling twice', { rope_theta: 1e4, rope_parameters: { rope_type: 'default', rope_theta: 1e4 } }],
    ['an empty scaling', { rope_scaling: {}, layer_types: ['full_attention', 'full_attention'] }],
    [
      'origin, training and generation',
      {
        ...{ _name_or_path: 'x', transformers_version: '5', torch_dtype: 'float16', initializer_range: 0.02 },
        ...{ attention_dropout: 0.1, use_cache: true, pretraining_tp: 2, pad_token_id: 0, temperature: 0.6 },
        ...{ is_llama_config: true, rope_interleaved: false, 'transformers.js_config': { dtype: 'q4' } },
        ...{ unsloth_fixed: true, auto_map: { AutoModel: 'm' }, max_length: 4096, router_aux_loss_coef: 0.001 },
      },
    ],
  ])('reads %s without a word', (_, json) => {
    const { config, warnings } = read(json);
    expect(warnings).toEqual([]);
    expect(config).toEqual(read({}).config);
  });

  it('reads the same scaling from both places, in the order of neither', () => {
    const linear = { type: 'linear', factor: 2 };
    const { config } = read({
      rope_parameters: { factor: 2, rope_type: 'linear', rope_theta: 7 },
      rope_scaling: linear,
    });
    expect(config).toMatchObject({ ropeTheta: 7, ropeScaling: { type: 'linear', factor: 2 } });
  });

  it('names settings that are not known', () => {
    expect(read({ hyper_connections: 4, flux: 'on', old: null, off: false }).warnings).toEqual([
      'config.json: not known here: hyper_connections (4), flux ("on"); if that changes what the model computes, results differ.',
    ]);
  });
});

describe('a quantization_config', () => {
  const model = randomModel(
    { vocabSize: 11, hiddenSize: 8, intermediateSize: 12, layers: 1, heads: 2, keyValueHeads: 1 },
    3,
    'F16',
  );
  it.each<[string, Record<string, unknown>, string]>([
    ['gptq', { quantization_config: { quant_method: 'gptq', bits: 4 } }, 'gptq'],
    ['bitsandbytes', { quantization_config: { load_in_4bit: true } }, 'bitsandbytes'],
    ['fp8', { quantization_config: { quant_method: 'fp8' } }, 'fp8'],
    ['mlx', { quantization: { group_size: 64, bits: 4 } }, 'mlx'],
    ['compressed-tensors', { compression_config: { quant_method: 'compressed-tensors' } }, 'compressed-tensors'],
  ])('of %s: plain weights are read with a warning, others refused with the remedy', async (_, config, method) => {
    const files = await encodeHfFolder(model, { config });
    const source = await openHuggingFaceModel(memoryFolder('m', files));
    expect(source.warnings).toHaveLength(1);
    expect(source.warnings[0]).toContain(`method ${method}, but they are plain floats and are read as such`);
    expect(await source.readAll('model.norm.weight')).toEqual(model.weights.get('model.norm.weight')!.data);
    const name = 'model.layers.0.mlp.up_proj.qweight';
    const weights = new Map([...model.weights, [name, { shape: [2], data: new Float32Array(2) }]]);
    const opening = openHuggingFaceModel(memoryFolder('m', await encodeHfFolder({ ...model, weights }, { config })));
    await expect(opening).rejects.toThrow(
      new RegExp(`weights are quantized, method ${method}, and tensor ".*up_proj\\.qweight".*GGUF.*dequantize`),
    );
    await expect(opening).rejects.toThrow(expect.objectContaining({ code: 'model.unsupported' }));
  });

  it('of ours with blocks of another size is refused', async () => {
    const config = { quantization_config: { quant_method: 'crossgate', bits: 4, block_size: 64 } };
    const files = await encodeHfFolder(model, { config });
    await expect(openHuggingFaceModel(memoryFolder('m', files))).rejects.toThrow(/has blocks of 64; 32 is supported/);
  });
});

describe('GGUF metadata', () => {
  const model = randomModel({
    vocabSize: 11,
    hiddenSize: 8,
    intermediateSize: 12,
    layers: 1,
    heads: 2,
    keyValueHeads: 1,
  });
  const open = async (metadata: Record<string, GgufField>) =>
    (await openGgufModel(memorySource('m.gguf', encodeGguf(model, { metadata })))).source;
  const f32 = (value: number): GgufField => ({ type: 'f32', value });
  const text = (value: string): GgufField => ({ type: 'string', value });

  it.each<[string, Record<string, GgufField>, RegExp]>([
    ['capped logits', { 'llama.final_logit_softcapping': f32(30) }, /llama\.final_logit_softcapping is 30; capped/],
    ['scaled logits', { 'llama.logit_scale': f32(0.5) }, /llama\.logit_scale is 0\.5/],
    [
      'scaled attention',
      { 'llama.attention.scale': f32(0.25) },
      /llama\.attention\.scale is 0\.25; attention is scaled/,
    ],
    ['clamped queries', { 'llama.attention.clamp_kqv': f32(8) }, /llama\.attention\.clamp_kqv is 8/],
    [
      'windows by layer',
      { 'llama.attention.sliding_window_pattern': { type: 'u32', value: 6 } },
      /sliding_window_pattern/,
    ],
    [
      'a factor without scaling',
      { 'llama.rope.scaling.type': text('none'), 'llama.rope.scaling.factor': f32(4) },
      /rope\.scaling\.type is "none", but the factor of the scaling is 4/,
    ],
    [
      'two factors',
      { 'llama.rope.scaling.factor': f32(4), 'llama.rope.scale_linear': f32(2) },
      /rope\.scaling\.factor is 4, but llama\.rope\.scale_linear is 2/,
    ],
    ['a factor of attention', { 'llama.rope.scaling.attn_factor': f32(2) }, /rope\.scaling\.attn_factor is 2/],
  ])('refuses %s', async (_, metadata, message) => {
    await expect(open(metadata)).rejects.toThrow(message);
  });

  it('takes a factor without a type for that of linear scaling, as llama.cpp does', async () => {
    const source = await open({ 'llama.rope.scaling.factor': f32(4) });
    expect(source.config.ropeScaling).toEqual({ type: 'linear', factor: 4 });
    expect(source.warnings).toEqual([]);
  });

  it('has the context that yarn gives, and compares windows with it', async () => {
    const yarn = { 'llama.rope.scaling.type': text('yarn'), 'llama.rope.scaling.factor': f32(4) };
    const window = { 'llama.attention.sliding_window': { type: 'u32', value: 128 } } as const;
    const [plain, stretched] = [(await open(window)).config, (await open({ ...yarn, ...window })).config];
    expect([contextOf(plain), plain.slidingWindow]).toEqual([128, undefined]);
    expect([contextOf(stretched), stretched.slidingWindow]).toEqual([512, 128]);
  });

  it('ends texts with all ends of its tokenizer', async () => {
    const ends = { 'tokenizer.ggml.eot_token_id': { type: 'u32', value: 3 } } as const;
    const { config } = await open({ ...ends, 'tokenizer.ggml.eom_token_id': { type: 'u32', value: 4 } });
    expect(config.eosTokenIds).toEqual([2, 3, 4]);
  });

  it('names what is not known', async () => {
    const { warnings } = await open({ 'llama.hyper.connections': f32(4), 'llama.tensor_data_layout': text('Meta') });
    expect(warnings).toEqual([
      'm.gguf: not known here: llama.hyper.connections (4); if that changes what the model computes, results differ.',
    ]);
  });

  it('calls types of tensors that are newer by what they are, with those that are read', async () => {
    const bytes = encodeGguf(model);
    const name = 'token_embd.weight';
    const at = Buffer.from(bytes).indexOf(name) + name.length + 4 + 2 * 8;
    const withType = (type: number) => {
      const changed = bytes.slice();
      new DataView(changed.buffer).setUint32(at, type, true);
      return openGgufModel(memorySource('m.gguf', changed));
    };
    await expect(withType(42)).rejects.toThrow(
      /unknown ggml type 42, which is newer than this version.*; weights are read as F32, F16, BF16, Q8_0, .*Q6_K\.$/,
    );
    await expect(withType(42)).rejects.toThrow(expect.objectContaining({ code: 'model.unsupported' }));
    await expect(withType(31)).rejects.toThrow(/type 31, which ggml no longer has; convert the model anew/);
  });
});

/** What an adapter's folder may lack, have besides, or call otherwise. */
import { encodeSafetensors } from '@crossgate/tensor';
import { describe, expect, it } from 'vitest';
import { memoryFolder, type PeftAdapter, readPeftAdapter } from '../src';
import { collect, randomModel } from './fixtures';

const { config } = randomModel({
  ...{ vocabSize: 11, hiddenSize: 8, intermediateSize: 12, layers: 2, heads: 2, keyValueHeads: 1 },
});
const prefix = 'base_model.model.';
const q = (layer: number, half: string) => `model.layers.${layer}.self_attn.q_proj.lora_${half}.weight`;
const v = (layer: number, half: string) => `model.layers.${layer}.self_attn.v_proj.lora_${half}.weight`;

/** The tensors of LoRA of rank 2 on q and v: name → shape. */
const whole: Record<string, number[]> = Object.fromEntries(
  [0, 1].flatMap((layer) => [
    [prefix + q(layer, 'A'), [2, 8]],
    [prefix + q(layer, 'B'), [8, 2]],
    [prefix + v(layer, 'A'), [2, 8]],
    [prefix + v(layer, 'B'), [4, 2]],
  ]),
);
const settings = { peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['q_proj', 'v_proj'] };

async function read(tensors: Record<string, number[]>, keys: Record<string, unknown> = {}): Promise<PeftAdapter> {
  const inputs = Object.entries(tensors).map(([name, shape], index) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const data = Float32Array.from({ length: size }, (_, i) => index + i / 8);
    return { name, shape, dtype: 'F32' as const, bytes: () => new Uint8Array(data.buffer) };
  });
  const files = new Map([
    ['adapter_config.json', new TextEncoder().encode(JSON.stringify({ ...settings, ...keys }))],
    ['adapter_model.safetensors', await collect(encodeSafetensors(inputs))],
  ]);
  return readPeftAdapter(memoryFolder('a', files), config);
}
const without = (pattern: RegExp) => Object.fromEntries(Object.entries(whole).filter(([name]) => !pattern.test(name)));
const renamed = (rename: (name: string) => string) =>
  Object.fromEntries(Object.entries(whole).map(([name, shape]) => [rename(name), shape]));

it('reports what is applied', async () => {
  const { tensors, warnings, state } = await read(whole);
  expect(tensors).toEqual({ applied: Object.keys(whole), unused: [] });
  expect(warnings).toEqual([]);
  expect(state.size).toBe(8);
});

describe('is refused', () => {
  it.each<[string, Record<string, number[]>, Record<string, unknown>, RegExp]>([
    [
      'without tensors',
      {},
      {},
      /the file has no tensor; 8 are due, such as base_model\.model\.model\.layers\.0\.self_attn\.q/,
    ],
    [
      'with part of its targets',
      without(/v_proj/),
      {},
      /v_proj\.lora_A\.weight" is missing, target_modules asks for it; of 8 tensors that are due 4 are missing/,
    ],
    ['with part of its layers', without(/layers\.1/), {}, /layers\.1\.self_attn\.q_proj\.lora_A\.weight" is missing/],
    ['with half of a pair', without(/1\.self_attn\.v_proj\.lora_B/), {}, /of 8 tensors that are due 1 are missing/],
    [
      'with the default targets in part',
      without(/v_proj/),
      { target_modules: null },
      /v_proj\.lora_A\.weight" is missing/,
    ],
    ['with part of all-linear', whole, { target_modules: 'all-linear' }, /k_proj\.lora_A\.weight" is missing/],
    [
      'with part of a pattern',
      without(/layers\.0/),
      { target_modules: '.*\\.(?P<kind>[qv])_proj' },
      /layers\.0\.self_attn\.q/,
    ],
    [
      'of a sharded training',
      { ...whole, [prefix + q(1, 'B')]: [0] },
      {},
      /layers\.1\.self_attn\.q_proj\.lora_B\.weight" has shape \[0\], but it is empty: a part of a sharded training/,
    ],
    [
      'with DoRA vectors',
      { ...whole, [`${prefix}model.layers.0.self_attn.q_proj.lora_magnitude_vector`]: [8] },
      {},
      /q_proj\.lora_magnitude_vector" is of DoRA \(use_dora\), which is not supported; tensors are named as base_model/,
    ],
    [
      'with biases',
      { ...whole, [`${prefix}model.layers.0.self_attn.q_proj.base_layer.bias`]: [8] },
      {},
      /q_proj\.base_layer\.bias" is a trained bias/,
    ],
    [
      'with biases of updates',
      { ...whole, [`${prefix}model.layers.0.mlp.up_proj.lora_B.bias`]: [12] },
      {},
      /lora_bias/,
    ],
    [
      'with LoRA on embeddings',
      { ...whole, [`${prefix}model.embed_tokens.lora_embedding_A`]: [2, 11] },
      {},
      /embeddings/,
    ],
    ['for embeddings', whole, { target_modules: ['q_proj', 'embed_tokens'] }, /target_modules has embed_tokens/],
    [
      'in another layout',
      renamed((name) => name.replaceAll('.', '_').replace('_lora_A_weight', '.lora_down.weight')),
      {},
      /lora_down\.weight" is in another program's layout, which is not read; tensors are named as base_model\.model\./,
    ],
    [
      'under other names',
      renamed((name) => name.replace('self_attn.q_proj', 'attention.wq').replace('self_attn.v_proj', 'attention.wv')),
      {},
      /attention\.wq\.lora_A\.weight" belongs to no linear layer .*; tensors are named as base_model\.model\./,
    ],
    ['of another model', { ...whole, [prefix + q(7, 'A')]: [2, 8] }, {}, /layers\.7\..*" belongs to no linear layer/],
    [
      'with several adapters',
      {
        ...renamed((name) => name.replace('.weight', '.one.weight')),
        ...renamed((name) => name.replace('.weight', '.two.weight')),
      },
      {},
      /holds several adapters: one, two; save one of them/,
    ],
    [
      'for layers that are not there',
      whole,
      { target_modules: ['query_key_value'] },
      /chooses no layer of this model; its layers/,
    ],
    [
      'with a saved head that is missing',
      whole,
      { modules_to_save: ['lm_head'] },
      /lm_head\.weight" is missing, modules_to/,
    ],
    [
      'with a classifier',
      whole,
      { modules_to_save: ['score'] },
      /modules_to_save has "score", which is no part of this model/,
    ],
    [
      'with a rank of its own that is not its shape',
      whole,
      { rank_pattern: { q_proj: 3 } },
      /has shape \[2,8\], but this model and r make it \[3,8\]/,
    ],
    [
      'with a pattern that is none',
      whole,
      { rank_pattern: { '(q': 3 } },
      /rank_pattern: "\(q" is no regular expression/,
    ],
    ['with layers that are none', whole, { layers_to_transform: ['first'] }, /layers_to_transform is \["first"\]/],
    [
      'with trained tokens',
      whole,
      { trainable_token_indices: [5] },
      /trainable_token_indices is \[5\], which is not supported/,
    ],
  ])('%s', async (_, tensors, keys, message) => {
    const reading = read(tensors, keys);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(expect.objectContaining({ name: 'InputError' }));
  });
});

describe('is read', () => {
  it.each<[string, (name: string) => string]>([
    ["with the adapter's name", (name) => name.replace('.weight', '.default.weight')],
    ['with any name of it', (name) => name.replace('.weight', '.my_adapter.weight')],
    ['without the prefix', (name) => name.slice(prefix.length)],
    ['without half of it', (name) => name.replace(prefix, 'model.')],
    ['with another before it', (name) => `module.${name}`],
    ['with one within', (name) => name.replace('model.model.', 'model.language_model.model.')],
    ['with another, and a name', (name) => `_orig_mod.${name.replace('.weight', '.default.weight')}`],
  ])('%s, which is said', async (_, rename) => {
    const plain = await read(whole);
    const { state, warnings, tensors } = await read(renamed(rename));
    expect(state).toEqual(plain.state);
    const [first] = Object.keys(whole);
    expect(warnings).toEqual([expect.stringContaining(`"${rename(first!)}" is read as ${first}`)]);
    expect(tensors.applied).toEqual(Object.keys(whole).map(rename));
  });

  it('without what its configuration does not choose, which is said', async () => {
    const { options, tensors, warnings, state } = await read(whole, {
      target_modules: ['q_proj'],
      layers_to_transform: 1,
    });
    expect(options.targets).toEqual(['model.layers.1.self_attn.q_proj']);
    expect(state.size).toBe(2);
    expect(tensors.unused).toHaveLength(6);
    expect(warnings).toEqual([
      expect.stringMatching(
        /6 of 8 tensors are not used, such as ".*layers\.0.*": target_modules does not choose their layers/,
      ),
    ]);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['a pattern', { target_modules: 'model\\.layers\\.1\\..*q_proj' }, /layers\.1\.self_attn\.q_proj$/],
    ['excluded names', { exclude_modules: ['v_proj'], layers_to_transform: [1] }, /layers\.1\.self_attn\.q_proj$/],
    ['an excluded pattern', { exclude_modules: '.*0.*|.*v_proj' }, /layers\.1\.self_attn\.q_proj$/],
    [
      'layers by a pattern',
      { layers_pattern: 'layers', layers_to_transform: [1], target_modules: ['q_proj'] },
      /layers\.1\.self_attn\.q_proj$/,
    ],
  ])('with the layers of %s', async (_, keys, expected) => {
    const { options } = await read(whole, keys);
    expect(options.targets).toEqual([expect.stringMatching(expected)]);
  });

  it('with empty tensors that nothing needs', async () => {
    expect((await read({ ...whole, [`${prefix}model.embed_tokens.extra`]: [0] })).state.size).toBe(8);
  });

  it('with keys that are not known, which are named where they are on', async () => {
    const keys = {
      use_nova: true,
      nova_config: { a: 1 },
      later: null,
      off: false,
      none: [],
      peft_version: '1',
      unsloth: 3,
    };
    expect((await read(whole, keys)).warnings).toEqual([
      'a/adapter_config.json: not known here: use_nova (true), nova_config ({"a":1}); if that changes what the adapter adds, results differ.',
    ]);
  });

  it('with targets that the model does not have beside those that it has, which is said', async () => {
    const { warnings } = await read(whole, { target_modules: ['q_proj', 'v_proj', 'c_attn'] });
    expect(warnings).toEqual([expect.stringContaining('target_modules has c_attn, which this model does not have')]);
  });
});

// Models and adapters that Hugging Face's libraries made, with the logits they gave; and the way back.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { type HostState, memorySource, parseState, RandomStream, readGroup } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  encodePeftAdapter,
  encodeWeights,
  huggingFaceConfig,
  LlamaModel,
  LoraAdapters,
  linearModules,
  loraParameterShapes,
  memoryFolder,
  mergedWeights,
  openHuggingFaceModel,
  packSequences,
  readPeftAdapter,
  storedDtype,
  type WeightSource,
  type WrittenAdapter,
  withPeftAdapter,
  withSavedWeights,
} from '../src';
import { openAdapter, openFolder } from '../src/node';
import { collect } from './fixtures';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

/** Made by reference/hugging-face-models.py. */
const fixtures = fileURLToPath(new URL('fixtures/hugging-face', import.meta.url));
interface Expected {
  readonly tokens: number[];
  readonly logits: number[][];
  readonly adapterLogits?: number[][];
  readonly moreAdapterLogits?: Readonly<Record<string, number[][]>>;
}
const expectedOf = (name: string) =>
  JSON.parse(readFileSync(join(fixtures, name, 'expected.json'), 'utf8')) as Expected;

/** Logits of every position. */
async function logitsOf(model: LlamaModel, tokens: readonly number[]): Promise<Float32Array> {
  using _step = device.step();
  const batch = packSequences(device, [tokens.length]);
  const rows = Uint32Array.from(tokens, (_, i) => i);
  return await model.logits(model.forward(model.embed(Uint32Array.from(tokens)), batch, rows)).read();
}

/** The files of an adapter, with keys put over those of its configuration. */
async function filesOf(adapter: WrittenAdapter, keys: Record<string, unknown> = {}): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const [file, content] of encodePeftAdapter(adapter)) {
    if (typeof content !== 'string') files.set(file, await collect(content));
    else files.set(file, new TextEncoder().encode(JSON.stringify({ ...JSON.parse(content), ...keys })));
  }
  return files;
}

/** max|Δ| / max|logit| */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [most, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    most = Math.max(most, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return most / largest;
}

/** HF's own norms and rotations are in f32. */
const tolerance = 2e-5;

describe.each(readdirSync(fixtures))('%s', (name) => {
  const expected = expectedOf(name);

  it('has the logits of transformers', async () => {
    const source = await openHuggingFaceModel(openFolder(join(fixtures, name)));
    const model = await LlamaModel.load(device, source);
    expect(difference(await logitsOf(model, expected.tokens), expected.logits.flat())).toBeLessThan(tolerance);
    model.release();
    await source.close();
  });

  it('is written as a folder that reads the same', async () => {
    const source = await openHuggingFaceModel(openFolder(join(fixtures, name)));
    expect(storedDtype(source)).toBe('F16');
    const json = JSON.stringify(huggingFaceConfig(source.config, 'F16'));
    const files = new Map([
      ['config.json', new TextEncoder().encode(json)],
      ['model.safetensors', await collect(encodeWeights(source, 'F16'))],
    ]);
    const copy = await openHuggingFaceModel(memoryFolder('copy', files));
    expect(copy.config).toEqual(source.config);
    for (const tensor of source.tensors.keys()) {
      expect(await copy.readAll(tensor), tensor).toEqual(await source.readAll(tensor));
    }
    await source.close();
  });
});

const more = readdirSync(fixtures).flatMap((name) =>
  Object.entries(expectedOf(name).moreAdapterLogits ?? {}).map(([kind, logits]) => ({ name, kind, logits })),
);

describe.each(more)('the adapter $kind of peft on $name', ({ name, kind, logits }) => {
  const { tokens, logits: plain } = expectedOf(name);
  const open = () => openHuggingFaceModel(openFolder(join(fixtures, name)));
  const read = (config: WeightSource['config']) => openAdapter(join(fixtures, name, `adapter-${kind}`), config);

  it('gives the logits of peft, put on, merged in, and written and read again', async () => {
    const source = await open();
    const adapter = await read(source.config);
    expect(adapter.warnings).toEqual([]);
    expect(adapter.tensors.unused).toEqual([]);
    const base = await LlamaModel.load(device, withSavedWeights(source, adapter));
    const model = withPeftAdapter(base, { ...adapter, saved: new Map() });
    expect(difference(await logitsOf(model, tokens), logits.flat())).toBeLessThan(tolerance);
    expect(difference(plain.flat(), logits.flat())).toBeGreaterThan(0.05);
    model.adapters!.release();
    base.release();

    const merged = mergedWeights(source, adapter);
    const files = new Map([
      ['config.json', new TextEncoder().encode(JSON.stringify(huggingFaceConfig(merged.config, 'F32')))],
      ['model.safetensors', await collect(encodeWeights(merged, 'F32'))],
    ]);
    const copy = await openHuggingFaceModel(memoryFolder('merged', files));
    expect(copy.warnings).toEqual([]);
    const alone = await LlamaModel.load(device, copy);
    expect(difference(await logitsOf(alone, tokens), logits.flat())).toBeLessThan(tolerance);
    alone.release();

    const again = await readPeftAdapter(memoryFolder('again', await filesOf(adapter)), source.config);
    expect(again.warnings).toEqual([]);
    expect(again.options).toEqual(adapter.options);
    expect(again.state).toEqual(adapter.state);
    expect(again.saved).toEqual(adapter.saved);
    await source.close();
  });

  it('is refused without one of its tensors', async () => {
    const source = await open();
    const adapter = await read(source.config);
    for (const part of ['state', 'saved'] as const) {
      for (const missing of adapter[part].keys()) {
        // What peft writes of a head that is adapted, beside its adapter, may be left out.
        if (missing === 'lm_head.weight' && adapter.state.has('lm_head.lora_A.weight')) continue;
        const rest = { ...adapter, [part]: new Map([...adapter[part]].filter(([name]) => name !== missing)) };
        const config = JSON.parse(new TextDecoder().decode((await filesOf(adapter)).get('adapter_config.json')));
        const files = await filesOf(rest, config);
        await expect(readPeftAdapter(memoryFolder('part', files), source.config), missing).rejects.toThrow(
          `tensor "base_model.model.${missing}" is missing`,
        );
      }
    }
    await source.close();
  });
});

const adapted = readdirSync(fixtures).filter((name) => expectedOf(name).adapterLogits);

describe.each(adapted)('an adapter of peft on %s', (name) => {
  const expected = expectedOf(name);
  const folder = openFolder(join(fixtures, name, 'adapter'));
  const open = () => openHuggingFaceModel(openFolder(join(fixtures, name)));

  it('gives the logits of peft, put on and merged in', async () => {
    const source = await open();
    const adapter = await readPeftAdapter(folder, source.config);
    const plain = await LlamaModel.load(device, source);
    const model = withPeftAdapter(plain, adapter);
    const logits = expected.adapterLogits!.flat();
    expect(difference(await logitsOf(model, expected.tokens), logits)).toBeLessThan(tolerance);
    expect(difference(expected.logits.flat(), logits)).toBeGreaterThan(0.05);
    // The model that was adapted is as it was.
    expect(difference(await logitsOf(plain, expected.tokens), expected.logits.flat())).toBeLessThan(tolerance);
    model.adapters!.release();
    plain.release();
    const merged = await LlamaModel.load(device, mergedWeights(source, adapter));
    expect(difference(await logitsOf(merged, expected.tokens), logits)).toBeLessThan(tolerance);
    merged.release();
    await source.close();
  });

  it('merges the same whatever the chunks', async () => {
    const source = await open();
    const merged = mergedWeights(source, await readPeftAdapter(folder, source.config));
    for (const tensor of merged.tensors.keys()) {
      const whole = await merged.readAll(tensor);
      let next = 0;
      for await (const { offset, data } of merged.read(tensor, { chunkBytes: 200 })) {
        expect(offset).toBe(next);
        expect(data).toEqual(whole.subarray(offset, offset + data.length));
        next += data.length;
      }
      expect(next).toBe(whole.length);
    }
    await source.close();
  });

  it('is written as peft wrote it', async () => {
    const source = await open();
    const adapter = await readPeftAdapter(folder, source.config);
    const files = encodePeftAdapter(adapter);
    const bytes = await collect(files.get('adapter_model.safetensors') as AsyncGenerator<Uint8Array>);
    const theirs = readFileSync(join(fixtures, name, 'adapter', 'adapter_model.safetensors'));
    const [ours, original] = await Promise.all([
      parseState(memorySource('ours', bytes)),
      parseState(memorySource('theirs', theirs)),
    ]);
    expect(new Map([...ours.state].sort())).toEqual(new Map([...original.state].sort()));
    const config = JSON.parse(files.get('adapter_config.json') as string);
    const their = JSON.parse(readFileSync(join(fixtures, name, 'adapter', 'adapter_config.json'), 'utf8'));
    for (const key of ['peft_type', 'task_type', 'r', 'lora_alpha', 'lora_dropout', 'use_rslora', 'bias']) {
      expect(config[key], key).toEqual(their[key]);
    }
    await source.close();
  });

  it('is refused as a pickle', async () => {
    const source = await open();
    const config = readFileSync(join(fixtures, name, 'adapter', 'adapter_config.json'));
    const [own, weights] = [['adapter_config.json', config] as const, new Uint8Array(9)];
    const read = (files: [string, Uint8Array][]) =>
      readPeftAdapter(memoryFolder('a', new Map([own, ...files])), source.config);
    await expect(read([['adapter_model.bin', weights]])).rejects.toThrow(
      /there is no adapter_model\.safetensors; adapter_model\.bin is a PyTorch pickle.*safe_serialization=True/,
    );
    await expect(read([])).rejects.toThrow(/there is no adapter_model\.safetensors; an adapter needs it/);
    await source.close();
  });

  describe('is refused', () => {
    type Change = { config?: Record<string, unknown>; state?: (state: HostState) => void };
    const q = 'model.layers.1.self_attn.q_proj.lora_A.weight';
    it.each<[string, Change, RegExp]>([
      ['as DoRA', { config: { use_dora: true } }, /adapter_config\.json: use_dora is true, which is not supported/],
      ['as another method', { config: { peft_type: 'IA3' } }, /peft_type is "IA3"/],
      [
        'with other trained modules',
        { config: { modules_to_save: ['lm_head'] } },
        /"base_model\.model\.lm_head\.weight" is missing, modules_to_save asks for it/,
      ],
      ['with trained biases', { config: { bias: 'all' } }, /bias is "all"/],
      ['with a rank that is none', { config: { rank_pattern: { q_proj: 0 } } }, /rank_pattern gives q_proj 0, but/],
      ['on a changed base', { config: { init_lora_weights: 'pissa' } }, /init_lora_weights is "pissa"/],
      ['without a rank', { config: { r: undefined } }, /r is missing/],
      ['of another rank', { config: { r: 7 } }, /has shape \[\d+,\d+\], but this model and r make it \[7,16\]/],
      ['without a half', { state: (state) => void state.delete(q) }, /q_proj\.lora_A\.weight" is missing/],
      [
        'for a layer that is not there',
        { state: (state) => void state.set('model.layers.7.mlp.up_proj.lora_A.weight', state.get(q)!) },
        /layers\.7\.mlp\.up_proj\.lora_A\.weight" belongs to no linear layer/,
      ],
    ])('%s', async (_, { config, state: change }, message) => {
      const source = await open();
      const adapter = await readPeftAdapter(folder, source.config);
      change?.(adapter.state);
      const reading = readPeftAdapter(memoryFolder('a', await filesOf(adapter, config)), source.config);
      await expect(reading).rejects.toThrow(message);
      await expect(reading).rejects.toThrow(expect.objectContaining({ name: 'InputError' }));
      await source.close();
    });
  });
});

describe('targets', () => {
  const config = { layers: 3, heads: 2, keyValueHeads: 1, headDim: 4, hiddenSize: 8, intermediateSize: 12 };
  const full = {
    ...config,
    architecture: 'llama',
    vocabSize: 9,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 1e4,
    maxPositions: 8,
    tieWordEmbeddings: false,
    bosTokenId: null,
    eosTokenIds: [],
  };
  const modules = (targets: string | string[]) => [
    ...new Set(
      [...loraParameterShapes(full, { rank: 2, targets }).keys()].map((name) => name.replace(/\.lora_.*/, '')),
    ),
  ];

  it('are names, endings or a pattern for the whole name', () => {
    expect(modules(['v_proj'])).toHaveLength(3);
    expect(modules(['model.layers.1.mlp.up_proj', 'o_proj'])).toHaveLength(4);
    expect(modules('.*\\.[02]\\.mlp\\.(up|down)_proj')).toEqual([
      'model.layers.0.mlp.up_proj',
      'model.layers.0.mlp.down_proj',
      'model.layers.2.mlp.up_proj',
      'model.layers.2.mlp.down_proj',
    ]);
    expect(modules('all-linear')).toHaveLength(21);
    expect(() => modules('up_proj')).toThrow(
      /no layer matches "up_proj" as a whole; layers are called as model\.layers\.0/,
    );
    expect(() => modules('q_proj,v_proj')).toThrow(/; write \[q_proj, v_proj\] to name them$/);
    expect(() => modules('(')).toThrow(/"\(" is no regular expression/);
  });

  it('may be scaled by the root of the rank', async () => {
    const source = await openHuggingFaceModel(openFolder(join(fixtures, 'llama')));
    const model = await LlamaModel.load(device, source);
    const options = { rank: 4, alpha: 6, dropout: 0, targets: 'all-linear', rankStabilized: true };
    const adapters = new LoraAdapters(device, model.config, options, new RandomStream(1, 'lora'));
    expect(adapters.get('model.layers.0.self_attn.q_proj')?.scale).toBe(3);
    const adapter: WrittenAdapter = {
      options,
      state: await readGroup(adapters.group),
      baseModel: 'llama',
    };
    const files = await filesOf(adapter);
    const again = await readPeftAdapter(memoryFolder('again', files), source.config);
    expect(again.options).toMatchObject({ rank: 4, alpha: 6, rankStabilized: true });
    expect(again.state).toEqual(adapter.state);
    expect(again.baseModel).toBe('llama');
    // In peft, a pattern might match more than the linear layers.
    const { target_modules } = JSON.parse(new TextDecoder().decode(files.get('adapter_config.json')));
    expect(target_modules).toEqual([...linearModules(source.config).keys()]);
    model.release();
    await source.close();
  });
});

// Every feature that a configuration can ask for, against float64: logits, and gradients of embeddings and LoRA.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { crossEntropy, fromHost, memorySource, RandomStream, readGroup, Tape, writeGroup } from '@crossgate/tensor';
import type { Reference, ReferenceLlamaConfig, ReferenceLora } from '@crossgate/testing';
import {
  crossEntropy as crossEntropyReference,
  expectClose,
  finiteDifference,
  randomLlamaWeights,
  randomNormal,
  referenceLlama,
  toFloat32,
} from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  configFromHuggingFace,
  huggingFaceConfig,
  LlamaModel,
  LoraAdapters,
  lastTokens,
  memoryFolder,
  openGgufModel,
  openHuggingFaceModel,
  packSequences,
  rotaryFrequencies,
  weightsInMemory,
} from '../src';
import { encodeGguf, encodeHfFolder, type GgufField, type TinyModel } from './fixtures';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const base: ReferenceLlamaConfig = {
  vocabSize: 41,
  hiddenSize: 24,
  intermediateSize: 20,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 8,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 100,
  tieWordEmbeddings: true,
};
const llama3 = {
  type: 'llama3' as const,
  factor: 8,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalMaxPositions: 64,
};

const yarn = {
  type: 'yarn' as const,
  factor: 4,
  originalMaxPositions: 16,
  betaFast: 4,
  betaSlow: 0.5,
  truncate: true,
  attentionFactor: 0.1 * Math.log(4) + 1,
};

/** The name, the model, and its config.json beyond what every model has. */
interface Case {
  readonly name: string;
  readonly model: ReferenceLlamaConfig;
  readonly architecture: 'llama' | 'mistral' | 'qwen2' | 'qwen3';
  readonly json?: Record<string, unknown>;
  /** Metadata of the GGUF file; absent where GGUF has no such model. */
  readonly gguf?: Record<string, GgufField>;
}

const cases: Case[] = [
  {
    name: 'Qwen2: biases on q, k and v',
    model: { ...base, attentionBias: true, headDim: 6 },
    architecture: 'qwen2',
    json: { architectures: ['Qwen2ForCausalLM'], use_sliding_window: false, sliding_window: 3, max_window_layers: 1 },
    gguf: {},
  },
  {
    name: 'Qwen3: q/k norms, heads wider than hidden / heads',
    model: { ...base, queryKeyNorm: true, headDim: 10, tieWordEmbeddings: false },
    architecture: 'qwen3',
    json: { architectures: ['Qwen3ForCausalLM'] },
    gguf: {},
  },
  {
    name: 'Qwen3 with biases',
    model: { ...base, queryKeyNorm: true, attentionBias: true, outputBias: true },
    architecture: 'qwen3',
    json: { architectures: ['Qwen3ForCausalLM'], attention_bias: true },
    gguf: {},
  },
  {
    name: 'LLaMA with every bias',
    model: { ...base, attentionBias: true, outputBias: true, feedForwardBias: true },
    architecture: 'llama',
    json: { attention_bias: true, mlp_bias: true },
    gguf: {},
  },
  {
    name: 'linear rotary scaling',
    model: { ...base, ropeScaling: { type: 'linear', factor: 2.5 } },
    architecture: 'llama',
    json: { rope_scaling: { type: 'linear', factor: 2.5 } },
    gguf: {
      'llama.rope.scaling.type': { type: 'string', value: 'linear' },
      'llama.rope.scaling.factor': { type: 'f32', value: 2.5 },
    },
  },
  {
    name: 'LLaMA 3.1 rotary scaling',
    model: { ...base, ropeScaling: llama3, headDim: 12 },
    architecture: 'llama',
    json: {
      rope_theta: undefined,
      rope_parameters: {
        rope_type: 'llama3',
        rope_theta: 100,
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      },
    },
  },
  {
    name: 'YaRN',
    model: { ...base, ropeScaling: yarn, headDim: 12 },
    architecture: 'llama',
    json: {
      ...{ max_position_embeddings: 64, original_max_position_embeddings: 16 },
      rope_scaling: { type: 'yarn', factor: 4, beta_fast: 4, beta_slow: 0.5 },
    },
    gguf: {
      'llama.rope.scaling.type': { type: 'string', value: 'yarn' },
      'llama.rope.scaling.factor': { type: 'f32', value: 4 },
      'llama.rope.scaling.original_context_length': { type: 'u32', value: 16 },
      'llama.rope.scaling.yarn_beta_fast': { type: 'f32', value: 4 },
      'llama.rope.scaling.yarn_beta_slow': { type: 'f32', value: 0.5 },
    },
  },
  {
    name: 'a Mistral with a window',
    model: { ...base, slidingWindow: 5 },
    architecture: 'mistral',
    json: { architectures: ['MistralForCausalLM'], sliding_window: 5 },
    gguf: { 'llama.attention.sliding_window': { type: 'u32', value: 5 } },
  },
  {
    name: 'a window of one token, odd heads',
    model: { ...base, slidingWindow: 1, headDim: 6, heads: 3, keyValueHeads: 1 },
    architecture: 'mistral',
    json: { architectures: ['MistralForCausalLM'], sliding_window: 1 },
    gguf: { 'llama.attention.sliding_window': { type: 'u32', value: 1 } },
  },
  {
    name: 'a window with long heads',
    model: { ...base, slidingWindow: 7, headDim: 40, layers: 1 },
    architecture: 'mistral',
    json: { architectures: ['MistralForCausalLM'], sliding_window: 7 },
  },
];

const rest = { maxPositions: 64, bosTokenId: 1, eosTokenIds: [2] };
const lengths = [1, 9, 4, 17];
const offsets = [0, 1, 10, 14, 31];

/** The model as the file writers want it. */
function tiny(model: ReferenceLlamaConfig, architecture: string, weights: ReadonlyMap<string, Reference>): TinyModel {
  return {
    config: { ...model, architecture, ...rest },
    dtype: 'F32',
    weights: new Map([...weights].map(([name, value]) => [name, { shape: value.shape, data: toFloat32(value) }])),
  };
}

describe.each(cases)('$name', ({ model: config, architecture, json, gguf }) => {
  const weights = randomLlamaWeights(config, 5);
  const file = tiny(config, architecture, weights);
  const tokens = Uint32Array.from({ length: 31 }, (_, i) => (i * 7 + 3) % config.vocabSize);

  it('is read from both formats, with the same weights', async () => {
    const files = await encodeHfFolder(file, { config: { model_type: architecture, ...json } });
    const source = await openHuggingFaceModel(memoryFolder('m', files));
    expect(source.config).toEqual(file.config);
    for (const [name, { data }] of file.weights) expect(await source.readAll(name), name).toEqual(data);
    if (!gguf) return;
    const kind = architecture === 'mistral' ? 'llama' : architecture;
    const named = { ...file, config: { ...file.config, architecture: kind } };
    const other = await openGgufModel(memorySource('m.gguf', encodeGguf(named, { metadata: gguf })));
    const epsilon = Math.fround(config.rmsNormEpsilon);
    expect(other.source.config).toEqual({ ...named.config, rmsNormEpsilon: epsilon });
    for (const [name, { data }] of file.weights) expect(await other.source.readAll(name), name).toEqual(data);
  });

  it('has the logits and gradients of the float64 model', async () => {
    const plain = await LlamaModel.load(device, weightsInMemory(file.config, file.weights));
    const options = { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj', 'k_proj', 'down_proj', 'lm_head'] };
    const adapters = new LoraAdapters(device, plain.config, options, new RandomStream(1, 'lora'));
    const model = plain.with({ adapters });
    const { group } = adapters;
    const state = await readGroup(group);
    const values = new Map(
      [...state].map(([name, { shape }], index) => [name, randomNormal([...shape], 90 + index, 0.3)] as const),
    );
    writeGroup(
      group,
      new Map([...values].map(([name, value]) => [name, { shape: value.shape, data: toFloat32(value) }])),
      'test',
    );
    group.trainable = true;
    const loraOf = (parameters: ReadonlyMap<string, Reference>) => {
      const lora = new Map<string, ReferenceLora>();
      for (const [name, b] of parameters) {
        const module = name.replace('.lora_B.weight', '');
        if (module !== name) lora.set(module, { a: parameters.get(`${module}.lora_A.weight`)!, b, scale: 2 });
      }
      return lora;
    };
    const table = weights.get('model.embed_tokens.weight')!;
    const embedded = Float32Array.from({ length: tokens.length * config.hiddenSize }, (_, i) => {
      return table.data[tokens[Math.floor(i / config.hiddenSize)]! * config.hiddenSize + (i % config.hiddenSize)]!;
    });
    const embeddingsOf = (data: ArrayLike<number>): Reference => ({
      shape: [tokens.length, config.hiddenSize],
      data: Float64Array.from(data),
    });
    const targets = [3, 17, 40, 8];
    const expected = referenceLlama(config, weights, {
      embeddings: embeddingsOf(embedded),
      offsets,
      lora: loraOf(values),
    }).logits;
    const lossAt = (data: ArrayLike<number>, parameters: ReadonlyMap<string, Reference>) => {
      const { logits } = referenceLlama(config, weights, {
        embeddings: embeddingsOf(data),
        offsets,
        lora: loraOf(parameters),
      });
      return crossEntropyReference(logits, targets).data.reduce((sum, loss) => sum + loss, 0) / targets.length;
    };

    using _step = device.step();
    group.zeroGradients();
    const input = fromHost(device, [tokens.length, config.hiddenSize], embedded);
    input.requiresGrad = true;
    const tape = new Tape();
    const logits = tape.record(() => {
      const batch = packSequences(device, lengths);
      const output = model.logits(model.forward(input, batch, lastTokens(batch)));
      crossEntropy(output, Uint32Array.from(targets), 1 / targets.length);
      return output;
    });
    const actual = await logits.read();
    const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const difference = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.data[i]!)), 0);
    expect(difference / largest).toBeLessThan(2e-5);

    const [gradient] = tape.backward([], [input]);
    // A few coordinates of every sequence, the last token's last among them.
    const count = embedded.length;
    const indices = [...Array.from({ length: 11 }, (_, i) => (i * 67 + 5) % count), count - 1];
    const numeric = finiteDifference((x) => lossAt(x, values), Float64Array.from(embedded), indices);
    const read = await gradient!.read();
    expectClose(
      Float64Array.from(indices, (i) => read[i]!),
      numeric,
      {
        relative: 1e-3,
        absolute: 1e-5,
        label: 'gradient of the embeddings',
      },
    );
    expect(numeric.some((value) => Math.abs(value) > 1e-3)).toBe(true);
    for (const parameter of group.parameters) {
      const value = values.get(parameter.name)!;
      const some = [0, value.data.length >> 1, value.data.length - 1];
      const slopes = finiteDifference(
        (x) => lossAt(embedded, new Map([...values, [parameter.name, { shape: value.shape, data: x }]])),
        value.data,
        some,
      );
      const found = new Float32Array(await device.recorder.read(parameter.gradient));
      expectClose(
        Float64Array.from(some, (i) => found[i]!),
        slopes,
        {
          relative: 1e-3,
          absolute: 1e-5,
          label: parameter.name,
        },
      );
    }
    model.adapters!.release();
    plain.release();
  });
});

describe('rotary frequencies', () => {
  it('of LLaMA 3.1 keep short wavelengths and stretch long ones', () => {
    const config = { headDim: 128, ropeTheta: 500000 };
    const scaling = { ...llama3, originalMaxPositions: 8192 };
    const plain = rotaryFrequencies(config);
    const scaled = rotaryFrequencies({ ...config, ropeScaling: scaling });
    const ratios = Array.from(plain, (frequency, i) => frequency / scaled[i]!);
    expect(ratios[0]).toBe(1);
    expect(ratios[63]).toBe(8);
    expect(ratios.some((ratio) => ratio > 1.01 && ratio < 7.99)).toBe(true);
    expect(ratios).toEqual(ratios.toSorted((a, b) => a - b));
  });

  describe('of GGUF files, whose factors are all that is kept', () => {
    const wide: ReferenceLlamaConfig = { ...base, layers: 1, headDim: 64, ropeTheta: 500000 };
    const weights = randomLlamaWeights(wide, 5);
    /** As llama.cpp's converter computes them, in f32. */
    const factorsOf = (scaling: typeof llama3) => {
      const own = rotaryFrequencies({ ...wide, ropeScaling: scaling });
      return Float32Array.from(rotaryFrequencies(wide), (frequency, i) => frequency / own[i]!);
    };
    const opened = async (factors: Float32Array) => {
      const model = tiny(wide, 'llama', weights);
      const extended = new Map([...model.weights, ['rope_freqs.weight', { shape: [32], data: factors }] as const]);
      const { source } = await openGgufModel(memorySource('m.gguf', encodeGguf({ ...model, weights: extended })));
      return source;
    };

    it.each([
      [8, 1, 4, 8192],
      [32, 1, 4, 8192],
      [4, 1, 8, 4096],
      [16, 2, 8, 2000],
    ])("are written as LLaMA 3.1's rule: factor %d, %d to %d turns of %d", async (factor, low, high, original) => {
      const rule = { lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions: original };
      const source = await opened(factorsOf({ ...llama3, factor, ...rule }));
      const json = huggingFaceConfig(source.config, 'F32');
      expect(json.rope_scaling).toMatchObject({ rope_type: 'llama3', factor, low_freq_factor: 1 });
      if (low === 1) {
        expect(json.rope_scaling).toMatchObject({ high_freq_factor: high, original_max_position_embeddings: original });
      }
      const again = rotaryFrequencies(configFromHuggingFace(json, 'config.json'));
      const expected = rotaryFrequencies(source.config);
      for (const [i, frequency] of again.entries()) expect(Math.abs(frequency / expected[i]! - 1)).toBeLessThan(1e-6);
    });

    it('are written one by one where no rule gives them', async () => {
      const source = await opened(Float32Array.from({ length: 32 }, (_, i) => 1 + ((7 * i) % 11)));
      const json = huggingFaceConfig(source.config, 'F32');
      expect(json.rope_scaling).toMatchObject({ rope_type: 'longrope', attention_factor: 1 });
      const again = configFromHuggingFace(json, 'config.json');
      expect(rotaryFrequencies(again)).toEqual(rotaryFrequencies(source.config));
    });
  });

  it('of GGUF files are divided by rope_freqs.weight', async () => {
    const weights = randomLlamaWeights(base, 5);
    const factors = Float32Array.of(1, 1, 3, 8);
    const model = tiny(base, 'llama', weights);
    const extended = {
      ...model,
      weights: new Map([...model.weights, ['rope_freqs.weight', { shape: [4], data: factors }] as const]),
    };
    const { source } = await openGgufModel(memorySource('m.gguf', encodeGguf(extended)));
    expect(source.config.ropeScaling).toEqual({ type: 'factors', factors: [1, 1, 3, 8] });
    const plain = rotaryFrequencies(base);
    expect(rotaryFrequencies(source.config)).toEqual(plain.map((frequency, i) => frequency / factors[i]!));
    expect([...source.tensors.keys()]).not.toContain('rope_freqs.weight');
    const broken = { ...extended, weights: new Map(extended.weights) };
    broken.weights.set('rope_freqs.weight', { shape: [3], data: factors.subarray(0, 3) });
    await expect(openGgufModel(memorySource('m.gguf', encodeGguf(broken)))).rejects.toThrow(
      /rope_freqs\.weight must hold 4 numbers/,
    );
  });
});

describe('configurations', () => {
  const shape = { hidden_size: 24, num_attention_heads: 4, num_hidden_layers: 1, intermediate_size: 8, vocab_size: 9 };
  const read = (json: Record<string, unknown>) => configFromHuggingFace({ ...shape, ...json }, 'config.json');

  it('give a Mistral without the key its window of 4096', () => {
    const mistral = { architectures: ['MistralForCausalLM'], model_type: 'mistral' };
    expect(read(mistral).slidingWindow).toBe(4096);
    expect(read({ ...mistral, sliding_window: null }).slidingWindow).toBeUndefined();
    expect(read({ ...mistral, max_position_embeddings: 4096 }).slidingWindow).toBeUndefined();
  });

  it('give a Qwen none where no layer has the window that is on', () => {
    const qwen = { model_type: 'qwen2', num_hidden_layers: 3, use_sliding_window: true, sliding_window: 4 };
    expect(read({ ...qwen, max_window_layers: 3 }).slidingWindow).toBeUndefined();
    expect(read(qwen).slidingWindow).toBeUndefined();
    expect(() => read({ ...qwen, max_window_layers: 2 })).toThrow(/windows that differ by layer/);
  });

  it('give Qwen3 heads of 128 where they do not say', () => {
    expect(read({ model_type: 'qwen3' }).headDim).toBe(128);
    expect(read({ model_type: 'qwen2' }).headDim).toBe(6);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['another kind', { rope_scaling: { type: 'su', factor: 2 } }, /rope_scaling asks for.*"su".*yarn, dynamic/],
    [
      'yarn without a factor',
      { rope_parameters: { rope_type: 'yarn' } },
      /rope_parameters of config\.json: factor is missing/,
    ],
    [
      'dynamic without a factor',
      { rope_scaling: { type: 'dynamic' } },
      /rope_scaling of config\.json: factor is missing/,
    ],
    ['a missing factor', { rope_scaling: { type: 'linear' } }, /the rope_scaling of config\.json: factor is missing/],
    [
      'factors that cross',
      {
        rope_scaling: {
          rope_type: 'llama3',
          factor: 2,
          low_freq_factor: 4,
          high_freq_factor: 4,
          original_max_position_embeddings: 8,
        },
      },
      /high_freq_factor must be above/,
    ],
    [
      'a window by layer',
      { model_type: 'qwen2', use_sliding_window: true, max_window_layers: 0 },
      /use_sliding_window is true; windows that differ by layer/,
    ],
    ['heads that attention does not take', { head_dim: 258 }, /a head is 258 wide; at most 256 is supported/],
    ['q/k norms elsewhere', { use_qk_norm: true }, /q\/k norms are supported for Qwen3 only/],
    ['experts', { architectures: ['MixtralForCausalLM'] }, /"MixtralForCausalLM" is not supported; supported: Llama/],
  ])('refuse %s', (_, json, message) => {
    expect(() => read({ model_type: json.architectures ? undefined : 'llama', ...json })).toThrow(message);
  });
});

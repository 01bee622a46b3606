// The whole model on devices with low limits and without immediates: the same logits and gradients as on any other.
import type { Device } from '@crossgate/gpu';
import { type OpenOptions, openDevice } from '@crossgate/gpu/node';
import { crossEntropy, RandomStream, readGroup, Tape, writeGroup } from '@crossgate/tensor';
import type { Reference, ReferenceLlamaConfig } from '@crossgate/testing';
import { expectClose, randomLlamaWeights, randomNormal, referenceLlama, toFloat32 } from '@crossgate/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { LlamaModel, LoraAdapters, lastTokens, packSequences, weightsInMemory } from '../src';

const bindingLimit = 8192;
const base: ReferenceLlamaConfig = {
  vocabSize: 203,
  hiddenSize: 27,
  intermediateSize: 35,
  layers: 2,
  heads: 3,
  keyValueHeads: 1,
  headDim: 6,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  tieWordEmbeddings: true,
};
const lengths = [1, 9, 4, 17];
const offsets = [0, 1, 10, 14, 31];

interface Result {
  readonly logits: Float32Array;
  readonly losses: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** The adapters' values by name. */
  readonly adapters: ReadonlyMap<string, Reference>;
}

/** Logits of the last token of every sequence, and the LoRA gradients of a cross entropy on them. */
async function runModel(
  options: OpenOptions,
  config: ReferenceLlamaConfig,
  references: ReadonlyMap<string, Reference>,
  tokens: Uint32Array,
): Promise<Result> {
  const device: Device = await openDevice(options);
  try {
    const weights = new Map([...references].map(([name, w]) => [name, { shape: w.shape, data: toFloat32(w) }]));
    const rest = { architecture: 'llama', maxPositions: 64, bosTokenId: null, eosTokenIds: [] };
    const base = await LlamaModel.load(device, weightsInMemory({ ...config, ...rest }, weights));
    const lora = { rank: 3, alpha: 6, dropout: 0, targets: ['q_proj', 'v_proj', 'down_proj'] };
    const model = base.with({ adapters: new LoraAdapters(device, base.config, lora, new RandomStream(1, 'lora')) });
    const { group } = model.adapters!;
    const state = await readGroup(group);
    const adapters = new Map(
      [...state].map(([name, { shape }], index) => [name, randomNormal([...shape], 40 + index, 0.3)]),
    );
    for (const [name, values] of adapters) state.set(name, { shape: values.shape, data: toFloat32(values) });
    writeGroup(group, state, 'test');
    group.trainable = true;
    using _step = device.step();
    group.zeroGradients();
    const tape = new Tape();
    const { logits, losses } = tape.record(() => {
      const batch = packSequences(device, lengths);
      const output = model.logits(model.forward(model.embed(tokens), batch, lastTokens(batch)));
      return { logits: output, losses: crossEntropy(output, Uint32Array.of(0, 150, 202, 77), 0.25) };
    });
    const values = { logits: await logits.read(), losses: await losses.read() };
    tape.backward();
    const gradients = new Map<string, Float32Array>();
    for (const { name, gradient } of group.parameters) {
      gradients.set(name, new Float32Array(await device.recorder.read(gradient)));
    }
    return { ...values, gradients, adapters };
  } finally {
    device.destroy();
  }
}

const configurations: [string, OpenOptions][] = [
  [
    'low limits',
    {
      limits: {
        maxStorageBufferBindingSize: bindingLimit,
        maxComputeWorkgroupsPerDimension: 16,
        maxStorageBuffersPerShaderStage: 8,
      },
    },
  ],
  ['parameters in a uniform buffer', { immediates: false }],
];

describe.each([
  ['tied', true],
  ['separate', false],
])('a model with an embedding table beyond the binding limit and a %s head', (_, tieWordEmbeddings) => {
  const config = { ...base, tieWordEmbeddings };
  const weights = randomLlamaWeights(config, 3);
  // Tokens from all over the table, the first and the last row among them.
  const tokens = Uint32Array.from({ length: 31 }, (_, i) => (i * 61) % config.vocabSize);
  tokens[30] = config.vocabSize - 1;
  let usual: Result;
  beforeAll(async () => {
    usual = await runModel({}, config, weights, tokens);
  });

  it('gives the reference logits on the device as it is', () => {
    // The table takes three bindings where the limit is low.
    expect(4 * config.vocabSize * config.hiddenSize).toBeGreaterThan(2 * bindingLimit);
    const { logits, gradients, adapters } = usual;
    const modules = [...adapters.keys()].filter((name) => name.endsWith('.lora_A.weight')).map((n) => n.slice(0, -14));
    const lora = new Map(
      modules.map((name) => {
        const [a, b] = [adapters.get(`${name}.lora_A.weight`)!, adapters.get(`${name}.lora_B.weight`)!];
        return [name, { a, b, scale: 2 }];
      }),
    );
    const expected = referenceLlama(config, weights, { tokens, offsets, lora }).logits;
    expectClose(logits, expected.data, { relative: 2e-4, absolute: 2e-4, label: 'logits' });
    expect(gradients.size).toBe(12);
    for (const [name, values] of gradients) {
      expect(Math.max(...values.map(Math.abs)), name).toBeGreaterThan(1e-4);
    }
  });

  it.each(configurations)('gives the same with %s', async (_, options) => {
    const actual = await runModel(options, config, weights, tokens);
    expectClose(actual.logits, usual.logits, { relative: 1e-5, absolute: 1e-5, label: 'logits' });
    expectClose(actual.losses, usual.losses, { relative: 1e-5, absolute: 1e-5, label: 'losses' });
    for (const [name, values] of usual.gradients) {
      expectClose(actual.gradients.get(name)!, values, { relative: 1e-4, absolute: 1e-6, label: name });
    }
  });
});

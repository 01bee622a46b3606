// The fused model on devices with low limits and without immediates: the same losses and gradients as on any other.
import { MatrixFactorization } from '@crossgate/cf';
import { type OpenOptions, openDevice } from '@crossgate/gpu/node';
import { LlamaModel, type WeightStorage, weightsInMemory } from '@crossgate/llm';
import { float16ToFloat32, float32ToFloat16, readGroup, Tape, writeGroup } from '@crossgate/tensor';
import { expectClose, randomLlamaWeights, randomNormal, toFloat32 } from '@crossgate/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import type { HybridPrompt } from '../src';
import { buildHybridModel } from '../src';
import { promptOf, tinyLlama } from './tiny';

const bindingLimit = 8192;
const config = { ...tinyLlama, vocabSize: 299 };
const [users, items, cfDim] = [300, 340, 6];

/** Prompts with tokens, items and users from both ends of their tables. */
const prompts: HybridPrompt[] = [
  promptOf(
    Int32Array.of(1, 298, 9, 297, 6, 11, 7, -1, 8, 9, 12, 10),
    Int32Array.of(0, 0, 3, 3, 0, 340, 0, 0, 0, 2, 2, 0),
    Int32Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0),
  ),
  promptOf(
    Int32Array.of(1, 5, 7, -1, 150, 298, 140, 10),
    Int32Array.of(0, 0, 0, 0, 0, 340, 340, 0),
    Int32Array.of(0, 0, 0, 300, 0, 0, 0, 0),
  ),
];

async function runModel(options: OpenOptions, storage: WeightStorage = 'stored') {
  const device = await openDevice(options);
  try {
    const weights = new Map(
      [...randomLlamaWeights(config, 8)].map(([name, w]) => {
        // Halves, so that they are the same in 16 bits.
        return [name, { shape: w.shape, data: float16ToFloat32(float32ToFloat16(toFloat32(w))) }];
      }),
    );
    const rest = { architecture: 'llama', maxPositions: 64, bosTokenId: null, eosTokenIds: [] };
    const llm = await LlamaModel.load(device, weightsInMemory({ ...config, ...rest }, weights), {
      weights: storage,
    });
    const seen = (count: number) => Uint8Array.from({ length: count + 1 }, (_, i) => Number(i > 0));
    const backend = MatrixFactorization.create(device, {
      cfDim,
      seed: 1,
      userSeen: seen(users),
      itemSeen: seen(items),
    });
    const { model } = await buildHybridModel(llm, [backend], {
      seed: 1,
      lora: { rank: 3, alpha: 6, dropout: 0, targets: ['q_proj', 'v_proj'] },
      alg: { hiddenFactor: 10, init: 'torch' },
      gate: { hidden: 64, activation: 'none', init: 'default', width: 'dimension' },
    });
    const lora = model.groups().get('lora')![0]!;
    const state = await readGroup(lora);
    for (const [index, [name, { shape }]] of [...state].entries()) {
      state.set(name, { shape, data: toFloat32(randomNormal([...shape], index, 0.3)) });
    }
    writeGroup(lora, state, 'test');
    const sections = model.allGroups().reduce((sum, group) => sum + group.sections.length, 0);
    using _ = device.step();
    for (const group of model.allGroups()) {
      group.trainable = true;
      group.zeroGradients();
    }
    const loss = { kind: 'eq5', k: 2, bprOn: 'probability', yesToken: 290, noToken: 3 } as const;
    const tape = new Tape();
    const { losses, scores } = tape.record(() => model.loss(prompts, Float32Array.of(1, 0), loss, 0.5));
    const values = { losses: await losses.read(), scores: await scores.read() };
    tape.backward();
    const gradients = new Map<string, Float32Array>();
    for (const { name, gradient } of [...model.allGroups()].flatMap((group) => group.parameters)) {
      gradients.set(name, new Float32Array(await device.recorder.read(gradient)));
    }
    return { ...values, gradients, sections };
  } finally {
    device.destroy();
  }
}

describe('CCF-LLM with token, user and item tables near or beyond the binding limit', () => {
  let usual: Awaited<ReturnType<typeof runModel>>;
  beforeAll(async () => {
    usual = await runModel({});
    expect(4 * config.vocabSize * config.hiddenSize).toBeGreaterThan(2 * bindingLimit);
    expect(4 * items * cfDim).toBeGreaterThan(bindingLimit * 0.9);
    for (const [name, values] of usual.gradients) expect(Math.max(...values.map(Math.abs)), name).toBeGreaterThan(0);
  });

  it.each([
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
  ] as [string, OpenOptions][])('gives the same losses, scores and gradients with %s', async (_, options) => {
    const actual = await runModel(options);
    if (options.limits) expect(actual.sections).toBeGreaterThan(usual.sections);
    expectUsual(actual);
  });

  it('gives them with weights and tokens in 16 bits too', async () => {
    expectUsual(await runModel({}, 'f16'));
  });

  function expectUsual(actual: Awaited<ReturnType<typeof runModel>>) {
    expectClose(actual.losses, usual.losses, { relative: 1e-5, absolute: 1e-5, label: 'losses' });
    expectClose(actual.scores, usual.scores, { relative: 1e-5, absolute: 1e-5, label: 'scores' });
    for (const [name, values] of usual.gradients) {
      expectClose(actual.gradients.get(name)!, values, { relative: 1e-4, absolute: 1e-6, label: name });
    }
  }
});

// The predicted memory of a training step against what the device then reports.
import { MatrixFactorization } from '@crossgate/cf';
import { openDevice } from '@crossgate/gpu/node';
import { LlamaModel, type WeightStorage, weightBytes, weightsInMemory } from '@crossgate/llm';
import { Adam, Tape } from '@crossgate/tensor';
import { randomLlamaWeights, toFloat32 } from '@crossgate/testing';
import { expect, it } from 'vitest';
import { buildHybridModel, type HybridPrompt, planMemory } from '../src';

const llama = {
  vocabSize: 512,
  hiddenSize: 64,
  intermediateSize: 172,
  layers: 5,
  heads: 8,
  keyValueHeads: 4,
  headDim: 8,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  tieWordEmbeddings: true,
};

interface Case {
  readonly prompts: number;
  readonly length: number;
  readonly checkpointing?: boolean;
  readonly targets?: string[] | string;
  readonly weights?: WeightStorage;
}

const upper = String.raw`.*\.[234]\.mlp\..*`;
const cases: Case[] = [
  { prompts: 2, length: 300 },
  { prompts: 3, length: 394 },
  { prompts: 5, length: 201 },
  { prompts: 2, length: 300, checkpointing: true },
  { prompts: 3, length: 394, checkpointing: true },
  { prompts: 5, length: 201, checkpointing: true },
  { prompts: 2, length: 300, targets: 'all-linear', weights: 'int8' },
  { prompts: 3, length: 394, targets: 'all-linear', weights: 'int4' },
  { prompts: 5, length: 201, targets: 'all-linear' },
  { prompts: 3, length: 394, targets: ['down_proj'] },
  { prompts: 3, length: 394, targets: ['k_proj', 'o_proj'], weights: 'int4' },
  { prompts: 3, length: 394, targets: upper },
];

it.each(cases)('is within a tenth for %j', async ({ prompts, length, ...options }) => {
  const { checkpointing = false, targets = ['q_proj', 'v_proj'], weights = 'f32' } = options;
  const device = await openDevice();
  const config = { ...llama, architecture: 'llama', maxPositions: 512, bosTokenId: 1, eosTokenIds: [2] };
  const values = [...randomLlamaWeights(llama, 1)].map(
    ([name, { shape, data }]) => [name, { shape, data: toFloat32({ shape, data }) }] as const,
  );
  const llm = await LlamaModel.load(device, weightsInMemory(config, new Map(values)), { weights });
  llm.checkpointing = checkpointing;
  const seen = (count: number) => Uint8Array.from({ length: count }, (_, i) => Number(i > 0));
  const backend = MatrixFactorization.create(device, { cfDim: 16, seed: 1, userSeen: seen(9), itemSeen: seen(30) });
  const { model } = await buildHybridModel(llm, backend, {
    seed: 1,
    lora: { rank: 8, alpha: 16, dropout: 0.05, targets },
    alg: { hiddenFactor: 10, init: 'torch' },
    gate: { hidden: 32, activation: 'none', init: 'default', width: 'dimension' },
  });
  const groups = model.groups();
  groups.get('lora')!.trainable = true;
  const optimizer = new Adam([groups.get('lora')!], { kind: 'adamw', learningRate: 1e-3 });
  const batch: HybridPrompt[] = Array.from({ length: prompts }, (_, p) => ({
    tokenIds: Int32Array.from({ length }, (_, i) => (i === 40 ? -1 : (7 * i + p) % 512)),
    items: Int32Array.from({ length }, (_, i) => (i > 60 && i < 70 ? 1 + p : 0)),
    users: Int32Array.from({ length }, (_, i) => (i === 40 ? 1 + p : 0)),
  }));
  const loss = { kind: 'eq5', k: 2, bprOn: 'probability', yesToken: 4, noToken: 5 } as const;
  {
    using _ = device.step();
    const tape = new Tape();
    tape.record(() =>
      model.loss(batch, new Float32Array(prompts), loss, 1 / prompts, { lora: { seed: 1, counter: 0 } }),
    );
    tape.backward();
    optimizer.step();
  }
  const sizes = [...groups].map(
    ([name, group]) => [name, group.sections.reduce((sum, s) => sum + s.count, 0)] as const,
  );
  const plan = planMemory({
    llm: config,
    maxPositions: llm.maxPositions,
    parameters: sizes.reduce((sum, [, size]) => sum + size, 0),
    trained: sizes.find(([name]) => name === 'lora')![1],
    loraRank: 8,
    loraTargets: targets,
    weightBytes: weightBytes(config, weights),
    tokens: prompts * length,
    prompts,
    checkpointing,
  });
  const { persistent, step } = device.report();
  expect(plan.weights).toBe(persistent.weights);
  expect(plan.optimizer).toBe(persistent.optimizer);
  expect(plan.step / step.peak).toBeGreaterThan(0.9);
  expect(plan.step / step.peak).toBeLessThan(1.1);
  device.destroy();
});

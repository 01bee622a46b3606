// Shared by the training tests: a tiny model that can be built anew, its settings, and hashes of what it holds.
import { createHash } from 'node:crypto';
import { LightGcn, MatrixFactorization } from '@crossgate/cf';
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { LlamaModel, weightsInMemory } from '@crossgate/llm';
import type { HostState } from '@crossgate/tensor';
import { readGroup, writeGroup } from '@crossgate/tensor';
import { randomLlamaWeights, randomNormal, toFloat32 } from '@crossgate/testing';
import type { GroupName, HybridModel, Method, StageSettings, TrainerOptions } from '../src';
import { buildHybridModel, defaultStrategy, fillNoun, PromptBuilder, stagesOf, usesCf } from '../src';
import { tinyLlama, tinyTokenizer } from './tiny';

export const defaultSettings: StageSettings = {
  rows: 20,
  epochs: 1,
  batchSize: 4,
  learningRate: 0.01,
  weightDecay: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  clipNorm: null,
  evaluateEvery: null,
  patience: null,
};

export interface TinySystem {
  readonly model: HybridModel;
  /** Of the method's own prompt. */
  readonly builder: PromptBuilder;
  builderOf(template: string): PromptBuilder;
  release(): void;
}

/**
 * @param seed of everything that is trained; the base model is always the same.
 * @param cf the backend of a method that has one
 */
export async function tinySystem(
  device: Device,
  dataset: Dataset,
  method: Method,
  seed = 1,
  cf: 'mf' | 'lightgcn' = 'mf',
): Promise<TinySystem> {
  const weights = new Map(
    [...randomLlamaWeights(tinyLlama, 8)].map(([name, value]) => [
      name,
      { shape: value.shape, data: toFloat32(value) },
    ]),
  );
  const rest = { architecture: 'llama', maxPositions: 256, bosTokenId: 1, eosTokenIds: [0] };
  const llm = await LlamaModel.load(device, weightsInMemory({ ...tinyLlama, ...rest }, weights));
  const seen = (count: number) => Uint8Array.from({ length: count }, (_, i) => Number(i > 0));
  const sizes = { cfDim: 6, seed, userSeen: seen(dataset.users.length), itemSeen: seen(dataset.items.length) };
  const backendOf = {
    mf: () => MatrixFactorization.create(device, sizes),
    lightgcn: () => LightGcn.create(device, { ...sizes, layers: 2, graph: dataset.splits.train }),
  };
  const backend = usesCf(method) ? backendOf[cf]() : null;
  const { model } = await buildHybridModel(llm, backend ? [backend] : [], {
    seed,
    lora: { rank: 3, alpha: 6, dropout: 0.2, targets: ['q_proj', 'v_proj'] },
    alg: { hiddenFactor: 2, init: 'torch' },
    gate: { hidden: 9, activation: 'none', init: 'default', width: 'dimension' },
    slots: method.slots,
  });
  const builderOf = (template: string) =>
    new PromptBuilder(
      tinyTokenizer,
      dataset.items.map(({ title }) => title),
      { template: fillNoun(template, 'items'), historyLength: 3, maxLength: 200, slots: method.slots },
    );
  const builder = builderOf(method.template);
  const release = () => {
    llm.release();
    backend?.release();
    model.release();
  };
  return { model, builder, builderOf, release };
}

/** LoRA starts at zero; after this it takes part. */
export async function randomizeLora(model: HybridModel): Promise<void> {
  const lora = model.groups().get('lora')![0]!;
  const state = await readGroup(lora);
  for (const [name, { shape }] of state)
    state.set(name, { shape, data: toFloat32(randomNormal([...shape], name.length, 0.3)) });
  writeGroup(lora, state, 'test');
}

/** What every training test of a system has in common. */
export function trainerOptions(
  { model, builderOf }: TinySystem,
  dataset: Dataset,
  method: Method,
  changes: Partial<TrainerOptions> = {},
): TrainerOptions {
  const stages = stagesOf(method, defaultStrategy(method));
  return {
    model,
    builders: (changes.stages ?? stages).map(({ template }) => builderOf(template ?? method.template)),
    dataset,
    stages,
    settings: { stage1: defaultSettings, stage2: defaultSettings },
    trainCf: true,
    loss: { kind: 'eq5', k: 2, bprOn: 'probability' },
    seed: 5,
    validRows: null,
    checkpointEvery: null,
    ...changes,
  };
}

const digest = (data: Float32Array) =>
  createHash('sha256')
    .update(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');

/** SHA-256 of every tensor, by name. */
export function hashState(state: HostState): Record<string, string> {
  return Object.fromEntries([...state].map(([name, { data }]) => [name, digest(data)]));
}

/** SHA-256 of every parameter on the device, by group and name, and of every frozen weight under `base`. */
export async function hashModel(
  model: HybridModel,
): Promise<Record<'base', Record<string, string>> & Partial<Record<GroupName, Record<string, string>>>> {
  const base: Record<string, string> = {};
  for (const name of model.llm.weightNames) base[name] = digest(await model.llm.weight(name).read());
  const groups: Partial<Record<GroupName, Record<string, string>>> = {};
  for (const [name, named] of model.groups()) {
    groups[name] = {};
    for (const group of named) Object.assign(groups[name], hashState(await readGroup(group)));
  }
  return { base, ...groups };
}

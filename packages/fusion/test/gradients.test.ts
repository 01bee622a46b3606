// The whole wiring: loss, LoRA, GATE, ALG and both ENC tables against finite differences of the float64 model.
import { MatrixFactorization } from '@crossgate/cf';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { LlamaModel, weightsInMemory } from '@crossgate/llm';
import { type ActivationStorage, LossScaler, readGroup, Tape, writeGroup } from '@crossgate/tensor';
import type { CcfModel, Reference, ReferenceLlamaConfig } from '@crossgate/testing';
import {
  ccfLossOf,
  expectClose,
  finiteDifference,
  randomCcfParameters,
  randomLlamaWeights,
  referenceCcf,
  toFloat32,
} from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GateOptions, HybridPrompt } from '../src';
import { buildHybridModel } from '../src';
import { referenceBatch, referenceName } from './reference';
import { promptOf, tinyLlama } from './tiny';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

/** A reference model's weights as a source. */
function inMemory(config: ReferenceLlamaConfig, references: ReadonlyMap<string, Reference>, maxPositions = 64) {
  const weights = new Map(
    [...references].map(([name, value]) => [name, { shape: value.shape, data: toFloat32(value) }]),
  );
  const rest = { architecture: 'llama', maxPositions, bosTokenId: null, eosTokenIds: [] };
  return weightsInMemory({ ...config, ...rest }, weights);
}

const [users, items, cfDim] = [5, 7, 6];
const weights = randomLlamaWeights(tinyLlama, 8);
const lora = { rank: 3, alpha: 6, dropout: 0, targets: ['q_proj', 'v_proj'] };
const [yesToken, noToken] = [2, 3];

/**
 * Three prompts of different lengths: shared items, a user twice, a title with a repeated token, one without history.
 */
const prompts: HybridPrompt[] = [
  promptOf(
    Int32Array.of(1, 5, 9, 9, 6, 11, 7, -1, 8, 9, 12, 10),
    Int32Array.of(0, 0, 3, 3, 0, 4, 0, 0, 0, 2, 2, 0),
    Int32Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0),
  ),
  promptOf(
    Int32Array.of(1, 5, 7, -1, 8, 13, 9, 10),
    Int32Array.of(0, 0, 0, 0, 0, 3, 3, 0),
    Int32Array.of(0, 0, 0, 4, 0, 0, 0, 0),
  ),
  promptOf(
    Int32Array.of(1, 5, 14, 6, 9, 9, 7, -1, 8, 15, 10),
    Int32Array.of(0, 0, 6, 0, 3, 3, 0, 0, 0, 6, 0),
    Int32Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0),
  ),
];
const labels = [1, 0, 1];

const cases: [string, GateOptions, Partial<CcfModel>, ActivationStorage?][] = [
  ['the paper', { hidden: 9, activation: 'none', init: 'default', width: 'dimension' }, {}],
  ['activations in f16', { hidden: 9, activation: 'none', init: 'default', width: 'dimension' }, {}, 'f16'],
  [
    'a linear gate with sigmoid, BPR on logits',
    { hidden: null, activation: 'sigmoid', init: 'default', width: 'dimension' },
    { eq5: { k: 0.7, bprOn: 'logit' } },
  ],
  [
    'α ∈ R with tanh, loss on the Yes logit',
    { hidden: 9, activation: 'tanh', init: 'default', width: 'token' },
    { loss: 'yes-logit-bce' },
  ],
  [
    'α = 1, cross entropy of the answer',
    { hidden: null, activation: 'none', init: 'default', width: 'one' },
    { loss: 'answer-ce' },
  ],
];

describe.each(cases)('CCF-LLM with %s', (_, gate, variant, activations = 'f32') => {
  it('has the loss, scores and gradients of the float64 model', async () => {
    const sizes = {
      users,
      items,
      cfDim,
      algHidden: 2 * cfDim,
      gateHidden: gate.hidden,
      gateWidth: gate.width === 'dimension' ? tinyLlama.hiddenSize : gate.width === 'token' ? 1 : 0,
      loraRank: lora.rank,
    };
    const parameters = randomCcfParameters(tinyLlama, sizes, 4);
    // Row 0 is padding and zero, as the CF backend has it.
    for (const table of ['encoder.user', 'encoder.item']) parameters[table]!.data.fill(0, 0, cfDim);
    const model: CcfModel = {
      llama: tinyLlama,
      weights,
      yesToken,
      noToken,
      ...(gate.activation !== 'none' && { gateActivation: gate.activation }),
      ...variant,
    };
    const batch = referenceBatch(prompts, labels);
    const expected = referenceCcf(model, parameters, batch);

    const llm = await LlamaModel.load(device, inMemory(tinyLlama, weights));
    const seen = (count: number) => Uint8Array.from({ length: count }, (_, i) => Number(i > 0));
    const backend = MatrixFactorization.create(device, {
      cfDim,
      seed: 1,
      userSeen: seen(users),
      itemSeen: seen(items),
    });
    const { model: hybrid } = await buildHybridModel(llm, [backend], {
      seed: 1,
      lora,
      alg: { hiddenFactor: 2, init: 'torch' },
      gate,
    });
    const covered = new Set<string>();
    for (const group of hybrid.allGroups()) {
      const state = await readGroup(group);
      for (const [name, { shape }] of state) {
        const values = parameters[referenceName(name)] as Reference;
        expect(values?.shape, name).toEqual([...shape]);
        covered.add(referenceName(name));
        state.set(name, { shape, data: toFloat32(values) });
      }
      writeGroup(group, state, 'test');
      group.trainable = true;
      group.zeroGradients();
    }
    expect([...covered].sort()).toEqual(Object.keys(parameters).sort());

    using _step = device.step();
    const scaler = activations === 'f16' ? new LossScaler(device) : undefined;
    const scale = scaler ? 2 ** 16 : 1;
    const tape = new Tape({ activations, lossScale: scaler?.scale });
    const loss = {
      kind: variant.loss ?? 'eq5',
      k: variant.eq5?.k ?? 2,
      bprOn: variant.eq5?.bprOn ?? 'probability',
      yesToken,
      noToken,
    } as const;
    const { losses, scores } = tape.record(() => hybrid.loss(prompts, Float32Array.from(labels), loss, 1 / 3));
    tape.backward();
    const mean = (await losses.read()).reduce((sum, value) => sum + value, 0) / 3;
    expect(mean).toBeCloseTo(expected.loss, 4);
    // The reference's score is a probability where ours is the logit behind it.
    const logitScores =
      variant.loss === 'yes-logit-bce'
        ? expected.logits.data.filter((_, i) => i % 40 === yesToken)
        : [0, 1, 2].map(
            (row) => expected.logits.data[row * 40 + yesToken]! - expected.logits.data[row * 40 + noToken]!,
          );
    expectClose(await scores.read(), Float64Array.from(logitScores), {
      relative: 1e-4,
      absolute: 1e-4,
      label: 'scores',
    });

    for (const group of hybrid.allGroups()) {
      for (const parameter of group.parameters) {
        const name = referenceName(parameter.name);
        const { data } = parameters[name]!;
        // Every entry of small parameters, a spread of large ones.
        const stride = Math.max(1, Math.floor(data.length / 24));
        const indices = Array.from({ length: Math.ceil(data.length / stride) }, (_, i) => i * stride);
        const numeric = finiteDifference(ccfLossOf(model, parameters, batch, name), data, indices);
        const gradient = new Float32Array(await device.recorder.read(parameter.gradient));
        const analytic = Float64Array.from(indices, (i) => gradient[i]! / scale);
        const checked = Float64Array.from(
          numeric.length === indices.length ? numeric : indices.map((i) => numeric[i]!),
        );
        const largest = Math.max(...checked.map(Math.abs), 1e-3);
        const looser = scaler ? 10 : 1;
        const tolerance = { relative: 2e-3 * looser, absolute: looser * (2e-4 * largest + 1e-6) };
        expectClose(analytic, checked, { ...tolerance, label: name });
        if (!name.startsWith('encoder'))
          expect(Math.max(...checked.map(Math.abs)), `${name} matters`).toBeGreaterThan(0);
      }
    }
    scaler?.release();
    llm.release();
    backend.release();
  });
});

/** Rotary scalings against transformers, and those that depend on the length of a sequence against the float64 model. */
import { readFileSync } from 'node:fs';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { crossEntropy, RandomStream, Tape } from '@crossgate/tensor';
import { randomLlamaWeights, referenceLlama } from '@crossgate/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  configFromHuggingFace,
  contextOf,
  generate,
  LlamaModel,
  LoraAdapters,
  lastTokens,
  packSequences,
  rotaryFrequencies,
  rotaryScale,
  score,
} from '../src';
import { baseShape, inMemory } from './reference-model';

interface Case {
  readonly name: string;
  readonly headDim: number;
  readonly maxPositions: number;
  readonly parameters: Record<string, unknown>;
  readonly length: number | null;
  readonly frequencies: readonly number[];
  readonly attentionFactor: number;
}

/** Made by reference/rotary-frequencies.py. */
const { cases } = JSON.parse(readFileSync(new URL('fixtures/rotary-frequencies.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Case[];
};

const shape = { model_type: 'llama', num_hidden_layers: 1, intermediate_size: 8, vocab_size: 9 };

describe('frequencies and attention factors are those of transformers', () => {
  it.each(cases)('$name', ({ headDim, maxPositions, parameters, length, frequencies, attentionFactor }) => {
    const sizes = { hidden_size: 4 * headDim, num_attention_heads: 4, max_position_embeddings: maxPositions };
    const { rope_theta, rope_type, ...scaling } = parameters;
    // Under the names of newer releases, and of older ones.
    for (const json of [
      { rope_parameters: parameters },
      { rope_theta, rope_scaling: { type: rope_type, ...scaling } },
    ]) {
      const config = configFromHuggingFace({ ...shape, ...sizes, ...json }, 'config.json');
      const ours = rotaryFrequencies(config, length ?? undefined);
      expect(ours.length).toBe(frequencies.length);
      // Theirs are computed in f32.
      for (const [i, frequency] of frequencies.entries()) expect(ours[i]! / frequency).toBeCloseTo(1, 5);
      expect(rotaryScale(config)).toBeCloseTo(attentionFactor, 12);
      const plain = rotaryFrequencies({ headDim, ropeTheta: config.ropeTheta });
      expect(ours.some((value, i) => Math.abs(value / plain[i]! - 1) > 1e-9)).toBe(length !== 2048);
    }
  });
});

describe('the context that a scaling gives', () => {
  const sizes = { hidden_size: 24, num_attention_heads: 4, max_position_embeddings: 16 };
  const read = (json: Record<string, unknown>) => configFromHuggingFace({ ...shape, ...sizes, ...json }, 'config.json');
  const yarn = { type: 'yarn', factor: 4, original_max_position_embeddings: 16 };
  const linear = { type: 'linear', factor: 4 };

  it.each<[string, Record<string, unknown>, number]>([
    ["yarn beside the model's old context, as Qwen2.5's model card has it", { rope_scaling: yarn }, 64],
    ['yarn beside a context that is longer', { max_position_embeddings: 100, rope_scaling: yarn }, 100],
    ['dynamic', { rope_scaling: { type: 'dynamic', factor: 4 } }, 64],
    ["linear with Vicuna's max_sequence_length", { max_sequence_length: 64, rope_scaling: linear }, 64],
    ['linear alone', { rope_scaling: linear }, 16],
    ['max_sequence_length alone', { max_sequence_length: 64 }, 16],
  ])('%s', (_, json, context) => {
    expect(contextOf(read(json))).toBe(context);
  });

  it('is what a window is compared with', () => {
    const window = (json: Record<string, unknown>) =>
      read({ model_type: 'mistral', sliding_window: 16, ...json }).slidingWindow;
    expect(window({})).toBeUndefined();
    expect(window({ rope_scaling: { type: 'dynamic', factor: 4 } })).toBe(16);
    expect(window({ rope_scaling: yarn })).toBe(16);
    expect(window({ rope_scaling: yarn, sliding_window: 64 })).toBeUndefined();
  });
});

it('the original context may stand beside the scaling', () => {
  const scaling = { rope_type: 'llama3', factor: 4, low_freq_factor: 1, high_freq_factor: 4 };
  const sizes = { hidden_size: 24, num_attention_heads: 4, max_position_embeddings: 64 };
  const read = (json: Record<string, unknown>) => configFromHuggingFace({ ...shape, ...sizes, ...json }, 'config.json');
  const original = { original_max_position_embeddings: 16 };
  const beside = read({ rope_scaling: scaling, ...original });
  expect(beside).toEqual(read({ rope_scaling: { ...scaling, ...original } }));
  expect(() => read({ rope_scaling: scaling })).toThrow('original_max_position_embeddings is missing');
});

describe('dynamic scaling', () => {
  const maxPositions = 8;
  const ropeScaling = { type: 'dynamic' as const, factor: 3, maxPositions };
  const config = { ...baseShape, headDim: 6, ropeTheta: 100, ropeScaling };
  const weights = randomLlamaWeights(config, 3);
  const sequences = [5, 20, 8, 13].map((length, s) => Array.from({ length }, (_, i) => (i * 7 + s * 5 + 2) % 37));
  const referenceOf = (all: readonly (readonly number[])[]) => {
    const offsets = [0];
    for (const { length } of all) offsets.push(offsets.at(-1)! + length);
    const { logits } = referenceLlama(config, weights, { tokens: Uint32Array.from(all.flat()), offsets });
    return all.map((_, i) => logits.data.slice(37 * i, 37 * (i + 1)));
  };
  const largest = (values: ArrayLike<number>) => Array.from(values).reduce((most, x) => Math.max(most, Math.abs(x)), 0);

  let device: Device;
  let model: LlamaModel;
  beforeAll(async () => {
    device = await openDevice();
    model = await LlamaModel.load(device, inMemory(config, weights, maxPositions));
    return () => {
      model.release();
      device.destroy();
    };
  });

  it('stretches the context', async () => {
    expect([contextOf(model.config), model.maxPositions]).toEqual([24, 24]);
    expect(await generate(model, sequences[1]!, { maxNewTokens: 100 })).toHaveLength(4);
    await expect(generate(model, new Array(25).fill(1))).rejects.toThrow("exceed the model's context of 24");
  });

  it('rotates each sequence of a batch by its own length', async () => {
    using _step = device.step();
    const batch = packSequences(
      device,
      sequences.map(({ length }) => length),
    );
    const hidden = model.forward(model.embed(Uint32Array.from(sequences.flat())), batch, lastTokens(batch));
    const actual = await model.logits(hidden).read();
    const expected = referenceOf(sequences);
    const unscaled = referenceLlama({ ...config, ropeScaling: undefined as never }, weights, {
      ...{ tokens: Uint32Array.from(sequences[1]!), offsets: [0, 20] },
    }).logits.data;
    for (const [i, logits] of expected.entries()) {
      const difference = largest(logits.map((value, j) => value - actual[37 * i + j]!));
      expect(difference / largest(logits), `sequence ${i}`).toBeLessThan(2e-5);
    }
    expect(largest(expected[1]!.map((value, j) => value - unscaled[j]!)) / largest(unscaled)).toBeGreaterThan(1e-3);
  });

  it('scores candidates behind a prefix as whole sequences', async () => {
    const [prefix, answers] = [sequences[3]!.slice(0, 6), [4, 30]];
    const candidates = [[1], [2, 3, 4, 5, 6, 7], [8, 9]];
    const actual = await score(model, prefix, candidates, answers);
    const expected = referenceOf(candidates.map((candidate) => [...prefix, ...candidate]));
    const wanted = expected.flatMap((logits) => answers.map((token) => logits[token]!));
    expect(largest(wanted.map((value, i) => value - actual[i]!)) / largest(wanted)).toBeLessThan(2e-5);
  });

  it('has the same gradients where layers are computed again', async () => {
    const gradients: number[][][] = [];
    for (const checkpointing of [false, true]) {
      const options = { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj', 'k_proj'] };
      const adapters = new LoraAdapters(device, model.config, options, new RandomStream(1, 'lora'));
      adapters.group.trainable = true;
      const trained = model.with({ adapters, checkpointing });
      using _step = device.step();
      adapters.group.zeroGradients();
      const tape = new Tape();
      tape.record(() => {
        const batch = packSequences(
          device,
          sequences.map(({ length }) => length),
        );
        const hidden = trained.forward(trained.embed(Uint32Array.from(sequences.flat())), batch, lastTokens(batch));
        crossEntropy(trained.logits(hidden), Uint32Array.of(3, 17, 30, 8), 1 / 4);
      });
      tape.backward([]);
      const read = adapters.group.parameters.map(({ gradient }) => device.recorder.read(gradient));
      gradients.push((await Promise.all(read)).map((bytes) => [...new Float32Array(bytes)]));
      adapters.release();
    }
    expect(gradients[1]).toEqual(gradients[0]);
    expect(gradients[0]!.flat().some((value) => value !== 0)).toBe(true);
  });
});

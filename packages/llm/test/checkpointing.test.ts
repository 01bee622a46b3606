// Checkpointing changes what a step holds, and not one bit of what it computes. Packing: prompts together are prompts apart.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { crossEntropy, fromHost, RandomStream, readGroup, Tape, tidy, writeGroup } from '@crossgate/tensor';
import { expectClose, randomLlamaWeights, randomNormal, toFloat32 } from '@crossgate/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LlamaModel, LoraAdapters, lastTokens, packSequences } from '../src';
import { inMemory } from './reference-model';

const config = {
  vocabSize: 41,
  hiddenSize: 32,
  intermediateSize: 88,
  layers: 6,
  heads: 4,
  keyValueHeads: 2,
  headDim: 8,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  tieWordEmbeddings: true,
};
/** A prompt of a batch: `length` rows of a table of embeddings, from `start` on. */
interface Prompt {
  readonly start: number;
  readonly length: number;
}

const prompts: readonly Prompt[] = [
  { start: 0, length: 1 },
  { start: 1, length: 61 },
  { start: 62, length: 30 },
  { start: 92, length: 90 },
];
const table = toFloat32(randomNormal([182, config.hiddenSize], 9, 0.5));

let device: Device;
// The peak of a device is over its whole life, so every test has its own.
beforeEach(async () => {
  device = await openDevice();
});
afterEach(() => device.destroy());

async function adapted(options: { slidingWindow?: number; dropout?: number } = {}): Promise<LlamaModel> {
  const { slidingWindow, dropout = 0 } = options;
  const shape = { ...config, ...(slidingWindow !== undefined && { slidingWindow }) };
  const base = await LlamaModel.load(device, inMemory(shape, randomLlamaWeights(shape, 3), 128));
  const targets = ['q_proj', 'v_proj', 'down_proj'];
  const lora = { rank: 3, alpha: 6, dropout, targets };
  const model = base.with({ adapters: new LoraAdapters(device, base.config, lora, new RandomStream(1, 'lora')) });
  const { group } = model.adapters!;
  const state = await readGroup(group);
  let seed = 50;
  for (const [name, { shape }] of state)
    state.set(name, { shape, data: toFloat32(randomNormal([...shape], seed++, 0.2)) });
  writeGroup(group, state, 'test');
  group.trainable = true;
  return model;
}

/**
 * One step on packed prompts: logits, and the gradients of embeddings and adapters.
 * @param nested forwards in a scope of its own, which ends before the backward
 */
async function step(model: LlamaModel, batch: readonly Prompt[] = prompts, nested = false) {
  const { hiddenSize } = config;
  const data = batch.flatMap(({ start, length }) => [
    ...table.subarray(start * hiddenSize, (start + length) * hiddenSize),
  ]);
  const { group } = model.adapters!;
  using _ = device.step();
  group.zeroGradients();
  const input = fromHost(device, [data.length / hiddenSize, hiddenSize], Float32Array.from(data));
  input.requiresGrad = true;
  const tape = new Tape();
  const forward = () => {
    const lengths = batch.map(({ length }) => length);
    const packed = packSequences(device, lengths);
    return model.logits(model.forward(input, packed, lastTokens(packed), { seed: 4, counter: 2 }));
  };
  const logits = tape.record(() => {
    const output = nested ? tidy(device, forward) : forward();
    const targets = Uint32Array.from(batch, ({ start }) => (3 + 5 * start) % config.vocabSize);
    crossEntropy(output, targets, 1 / prompts.length);
    return output;
  });
  const answers = await logits.read();
  const [gradient] = tape.backward([], [input]);
  const embeddings = await gradient!.read();
  const adapters = new Map<string, Float32Array>();
  for (const parameter of group.parameters) {
    adapters.set(parameter.name, new Float32Array(await device.recorder.read(parameter.gradient)));
  }
  return { answers, embeddings, adapters, peak: device.report().step.peak };
}

describe('checkpointing', () => {
  it.each([
    ['with dropout', { dropout: 0.3 }, false],
    ['behind a window', { slidingWindow: 7 }, false],
    ['in a scope that has ended', {}, true],
  ])('gives the same bits %s', async (_, options, nested) => {
    const model = await adapted(options);
    const plain = await step(model, undefined, nested);
    const again = await step(model.with({ checkpointing: true }), undefined, nested);
    expect(again.answers).toEqual(plain.answers);
    expect(again.embeddings).toEqual(plain.embeddings);
    expect(again.adapters).toEqual(plain.adapters);
    expect(Math.max(...plain.embeddings)).toBeGreaterThan(1e-4);
    for (const [name, gradient] of plain.adapters)
      expect([name, gradient.some((value) => value !== 0)]).toEqual([name, true]);
  });

  it('holds less than half', async () => {
    const model = await adapted();
    const { peak } = await step(model.with({ checkpointing: true }));
    expect((await step(model)).peak / peak).toBeGreaterThan(2);
  });
});

describe('a packed batch', () => {
  it('gives what each of its prompts gives alone', async () => {
    const model = await adapted();
    const together = await step(model);
    const sums = new Map([...together.adapters].map(([name, { length }]) => [name, new Float64Array(length)]));
    for (const [i, prompt] of prompts.entries()) {
      const alone = await step(model, [prompt]);
      const close = { relative: 1e-4, absolute: 1e-6 };
      const answers = together.answers.subarray(i * config.vocabSize, (i + 1) * config.vocabSize);
      expectClose(alone.answers, Float64Array.from(answers), { ...close, label: `logits of prompt ${i}` });
      const begin = prompt.start * config.hiddenSize;
      const embeddings = together.embeddings.subarray(begin, begin + prompt.length * config.hiddenSize);
      expectClose(alone.embeddings, Float64Array.from(embeddings), { ...close, label: `gradient of prompt ${i}` });
      for (const [name, gradient] of alone.adapters) {
        const sum = sums.get(name)!;
        gradient.forEach((value, j) => {
          sum[j] = sum[j]! + value;
        });
      }
    }
    for (const [name, sum] of sums) {
      expectClose(together.adapters.get(name)!, sum, { relative: 1e-3, absolute: 1e-6, label: name });
    }
  });

  it('pays for its tokens, not for its longest prompt', async () => {
    const model = await adapted();
    const { peak } = await step(model);
    const padded = await step(
      model,
      prompts.map(() => ({ start: 92, length: 90 })),
    );
    expect(padded.peak / peak).toBeGreaterThan(1.7);
  });
});

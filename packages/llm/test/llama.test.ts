// The forward pass against float64, in every shape that configurations allow, and a real model's known text.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { RandomStream, readGroup, withoutTape, writeGroup } from '@crossgate/tensor';
import type { ReferenceLlamaConfig } from '@crossgate/testing';
import { expectClose, randomLlamaWeights, randomNormal, referenceLlama, toFloat32 } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate, generateText, LlamaModel, LoraAdapters, lastLogits, lastTokens, packSequences } from '../src';
import { openModel } from '../src/node';
import { baseShape as base, inMemory } from './reference-model';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const shapes: [string, ReferenceLlamaConfig][] = [
  ['grouped heads, tied head', base],
  ['one key/value head, separate head', { ...base, keyValueHeads: 1, tieWordEmbeddings: false }],
  ['as many key/value heads as heads', { ...base, keyValueHeads: 4 }],
  ['heads wider than hidden / heads', { ...base, headDim: 10, heads: 3, keyValueHeads: 3 }],
  ['odd widths', { ...base, hiddenSize: 27, intermediateSize: 35, heads: 3, keyValueHeads: 1, headDim: 6, layers: 3 }],
  ['another base of rotary frequencies', { ...base, ropeTheta: 500000, rmsNormEpsilon: 1e-3 }],
];

describe.each(shapes)('a model with %s', (_, config) => {
  const weights = randomLlamaWeights(config, 3);
  const lengths = [1, 9, 4, 17];
  const tokens = Uint32Array.from({ length: 31 }, (_, i) => (i * 7 + 3) % config.vocabSize);
  const offsets = [0, 1, 10, 14, 31];

  it('gives the reference logits for a packed batch and for each sequence alone', async () => {
    const model = await LlamaModel.load(device, inMemory(config, weights));
    const expected = referenceLlama(config, weights, { tokens, offsets }).logits;
    {
      using _step = device.step();
      const batch = packSequences(device, lengths);
      const logits = model.logits(model.forward(model.embed(tokens), batch, lastTokens(batch)));
      expectClose(await logits.read(), expected.data, { relative: 1e-4, absolute: 1e-4, label: 'packed logits' });
    }
    for (let i = 0; i < lengths.length; i++) {
      const alone = await lastLogits(model, Array.from(tokens.subarray(offsets[i], offsets[i + 1])));
      const row = expected.data.subarray(i * config.vocabSize, (i + 1) * config.vocabSize);
      expectClose(alone, row, { relative: 1e-4, absolute: 1e-4, label: `sequence ${i}` });
    }
    model.release();
  });

  it('applies LoRA as the reference does', async () => {
    const base = await LlamaModel.load(device, inMemory(config, weights));
    const options = { rank: 3, alpha: 6, dropout: 0, targets: ['q_proj', 'v_proj', 'down_proj'] };
    const adapters = new LoraAdapters(device, base.config, options, new RandomStream(1, 'lora'));
    const model = base.with({ adapters });
    const { group } = adapters;
    const state = await readGroup(group);
    const lora = new Map<
      string,
      { a: ReturnType<typeof randomNormal>; b: ReturnType<typeof randomNormal>; scale: number }
    >();
    for (const [name, { shape }] of state) {
      const values = randomNormal([...shape], name.length + name.charCodeAt(13), 0.3);
      state.set(name, { shape, data: toFloat32(values) });
      const [module, part] = name.split('.lora_') as [string, string];
      const entry = lora.get(module) ?? { a: values, b: values, scale: 2 };
      lora.set(module, part.startsWith('A') ? { ...entry, a: values } : { ...entry, b: values });
    }
    writeGroup(group, state, 'test');
    expect(lora.size).toBe(3 * config.layers);
    const expected = referenceLlama(config, weights, { tokens, offsets, lora }).logits;
    const plain = referenceLlama(config, weights, { tokens, offsets }).logits;
    using _step = device.step();
    const batch = packSequences(device, lengths);
    const logits = withoutTape(() => model.logits(model.forward(model.embed(tokens), batch, lastTokens(batch))));
    expectClose(await logits.read(), expected.data, { relative: 2e-4, absolute: 2e-4, label: 'logits with LoRA' });
    expect(Math.max(...expected.data.map((value, i) => Math.abs(value - plain.data[i]!)))).toBeGreaterThan(0.05);
    model.adapters!.release();
    base.release();
  });
});

describe('errors', () => {
  it('name what does not fit', async () => {
    const model = await LlamaModel.load(device, inMemory(base, randomLlamaWeights(base, 1), 16));
    await expect(lastLogits(model, [])).rejects.toThrow(/at least one token/);
    await expect(lastLogits(model, [1, 37])).rejects.toThrow(/token 37 is outside the vocabulary of 37/);
    await expect(lastLogits(model, new Array(17).fill(1))).rejects.toThrow(
      /17 tokens exceeds the model's context of 16/,
    );
    const lora = { rank: 2, alpha: 2, dropout: 0, targets: ['query'] };
    expect(() => new LoraAdapters(device, model.config, lora, new RandomStream(1, 'x'))).toThrow(
      /no layer is named "query"; there are q_proj/,
    );
    model.release();
    expect(device.report().persistent.weights).toBeUndefined();
  });
});

// A damaged row of a separate head makes one logit NaN, a damaged norm all of them.
it.each([
  ['one', 'lm_head.weight', 5 * base.hiddenSize],
  ['all', 'model.norm.weight', 0],
])('tells that the output is broken where %s of the logits are NaN', async (which, name, index) => {
  const shape = { ...base, tieWordEmbeddings: false };
  const weights = randomLlamaWeights(shape, 1);
  weights.get(name)!.data[index] = Number.NaN;
  const model = await LlamaModel.load(device, inMemory(shape, weights));
  const token = which === 'one' ? 5 : 0;
  const broken = (what: string) =>
    expect.objectContaining({ name: 'InputError', message: expect.stringMatching(what) });
  await expect(lastLogits(model, [1, 2])).rejects.toEqual(
    broken(`the logits after 2 tokens are not finite: that of token ${token} is NaN; the model's output is broken`),
  );
  await expect(generate(model, [1, 2])).rejects.toEqual(broken('the logits of new token 1 are not finite'));
  await expect(generate(model, [1, 2], { temperature: 1 })).rejects.toEqual(
    broken('the logits of new token 1 are not finite'),
  );
  model.release();
});

const models = process.env.CROSSGATE_MODELS;
const stories = models ? join(models, 'stories260K') : '';
describe.skipIf(!models || !existsSync(stories))('stories260K (needs CROSSGATE_MODELS)', () => {
  it.each(['hf', 'stories260K.gguf'])('continues BOS with its known text from %s', async (file) => {
    const opened = await openModel(join(stories, file));
    const { source } = opened;
    const tokenizer = await opened.tokenizer();
    const model = await LlamaModel.load(device, source);
    await source.close();
    const known = 'Once upon a time, there was a little girl named Lily. She loved to play outside in the park.';
    const tokens = await generate(model, [tokenizer.bosTokenId!], { maxNewTokens: 40 });
    expect(tokenizer.decode(tokens).trim().slice(0, known.length)).toBe(known);
    const pieces: string[] = [];
    for await (const piece of generateText(model, tokenizer, '', { stop: [' to play', 'never'] })) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(10);
    expect(pieces.join('').trim()).toBe('Once upon a time, there was a little girl named Lily. She loved');
    model.release();
  });
});

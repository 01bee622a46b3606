// What goes on from a cache is what whole sequences give: logits, candidates behind a prefix, generated tokens.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { RandomStream, readGroup, Tape, writeGroup } from '@crossgate/tensor';
import type { ReferenceLlamaConfig } from '@crossgate/testing';
import { expectClose, randomLlamaWeights, randomNormal, referenceLlama, toFloat32 } from '@crossgate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  generate,
  generateTokens,
  KeyValueCache,
  LlamaModel,
  LoraAdapters,
  lastLogits,
  lastTokens,
  packSequences,
  score,
} from '../src';
import { baseShape, inMemory } from './reference-model';

const base = { ...baseShape, ropeTheta: 100 };
const shapes: [string, ReferenceLlamaConfig][] = [
  ['grouped heads', base],
  ['odd heads and q/k norms', { ...base, heads: 3, keyValueHeads: 1, headDim: 6, queryKeyNorm: true }],
  ['a window shorter than the prefix', { ...base, slidingWindow: 5 }],
  ['a window longer than the prefix', { ...base, slidingWindow: 15, headDim: 8 }],
];
const prefix = Array.from({ length: 11 }, (_, i) => (i * 5 + 2) % 37);
const candidates = [[7], [1, 2, 3, 4], [30, 31], Array.from({ length: 13 }, (_, i) => (i * 11) % 37)];
const answers = [5, 0, 36];

let device: Device;
let model: LlamaModel;
beforeAll(async () => {
  device = await openDevice();
});
afterEach(() => {
  // Whatever a test did: no cache is left.
  expect(device.report().persistent.cache ?? 0).toBe(0);
});
afterAll(() => device.destroy());

describe.each(shapes)('a model with %s', (_, config) => {
  const weights = randomLlamaWeights(config, 3);
  beforeAll(async () => {
    model = await LlamaModel.load(device, inMemory(config, weights));
    return () => model.release();
  });
  const reference = (sequences: readonly (readonly number[])[]) => {
    const offsets = [0];
    for (const { length } of sequences) offsets.push(offsets.at(-1)! + length);
    return referenceLlama(config, weights, { tokens: Uint32Array.from(sequences.flat()), offsets }).logits.data;
  };

  it('scores candidates behind a prefix as whole sequences, in any batches', async () => {
    const whole = reference(candidates.map((candidate) => [...prefix, ...candidate]));
    const expected = candidates.flatMap((_, row) => answers.map((token) => whole[row * config.vocabSize + token]!));
    for (const batchTokens of [1, 6, 1000]) {
      const done: number[] = [];
      const actual = await score(model, prefix, candidates, answers, { batchTokens, onProgress: (n) => done.push(n) });
      expectClose(actual, Float64Array.from(expected), {
        relative: 1e-4,
        absolute: 1e-4,
        label: `${batchTokens} tokens`,
      });
      expect(done.at(-1)).toBe(candidates.length);
      expect(done).toHaveLength({ 1: 4, 6: 3, 1000: 1 }[batchTokens]!);
    }
  });

  it('has the logits of the whole sequence, however it is cut', async () => {
    const tokens = [...prefix, ...candidates[3]!];
    for (const cuts of [[1], [11], [4, 7, 8], Array.from({ length: 23 }, (_, i) => i + 1)]) {
      using cache = new KeyValueCache(model, tokens.length);
      let logits = new Float32Array();
      for (const [i, cut] of [...cuts, tokens.length].entries()) {
        using _ = device.step();
        const part = Uint32Array.from(tokens.slice(i === 0 ? 0 : cuts[i - 1]!, cut));
        logits = await model.logits(model.extend(cache, model.embed(part))).read();
      }
      expect(cache.length).toBe(tokens.length);
      expectClose(logits, reference([tokens]), { relative: 1e-4, absolute: 1e-4, label: `cut at ${cuts}` });
    }
  });

  it('generates what whole sequences give, greedily', async () => {
    const tokens = [...prefix];
    for (let i = 0; i < 9; i++) {
      const logits = reference([tokens]);
      tokens.push(logits.indexOf(Math.max(...logits)));
    }
    expect(await generate(model, prefix, { maxNewTokens: 9 })).toEqual(tokens.slice(prefix.length));
  });
});

describe('a cache', () => {
  beforeAll(async () => {
    const plain = await LlamaModel.load(device, inMemory(base, randomLlamaWeights(base, 1), 24));
    const lora = { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj', 'v_proj'] };
    model = plain.with({ adapters: new LoraAdapters(device, plain.config, lora, new RandomStream(1, 'x')) });
    const { group } = model.adapters!;
    const state = await readGroup(group);
    for (const [name, { shape }] of state)
      state.set(name, { shape, data: toFloat32(randomNormal([...shape], name.length, 0.5)) });
    writeGroup(group, state, 'test');
    return () => {
      model.adapters!.release();
      plain.release();
    };
  });
  const extend = async (cache: KeyValueCache, tokens: readonly number[]) => {
    using _ = device.step();
    return await model.logits(model.extend(cache, model.embed(Uint32Array.from(tokens)))).read();
  };

  it('is of the adapted model, and can be cut back', async () => {
    using cache = new KeyValueCache(model, 20);
    await extend(cache, prefix);
    await extend(cache, [1, 2, 3]);
    cache.truncate(prefix.length);
    const expected = await lastLogits(model, [...prefix, 4, 5]);
    expectClose(await extend(cache, [4, 5]), Float64Array.from(expected), { relative: 1e-4, absolute: 1e-4 });
    expect(() => cache.truncate(14)).toThrow('cannot cut a cache of 13 tokens to 14');
    expect(device.report().persistent.cache).toBeGreaterThanOrEqual(8 * 20 * 2 * 2 * 4);
  });

  it('refuses what does not fit it or the context, and batches that begin elsewhere', async () => {
    using cache = new KeyValueCache(model, 12);
    await extend(cache, prefix);
    await expect(extend(cache, [1, 2])).rejects.toThrow('13 tokens do not fit a cache of 12');
    using large = new KeyValueCache(model, 40);
    await expect(extend(large, new Array(25).fill(1))).rejects.toThrow("25 tokens exceeds the model's context of 24");
    await extend(large, new Array(20).fill(1));
    await expect(extend(large, new Array(5).fill(1))).rejects.toThrow("25 tokens exceeds the model's context of 24");
    using _ = device.step();
    const forward = (lengths: number[], at: number, past?: { cache: KeyValueCache; keep?: boolean }) => {
      const batch = packSequences(device, lengths, at);
      return model.forward(model.embed(new Uint32Array(batch.tokens)), batch, lastTokens(batch), undefined, past);
    };
    expect(() => forward([1], 3, { cache })).toThrow('the batch begins at position 3, the cache ends at 11');
    expect(() => forward([1], 3)).toThrow('a batch from position 3 on needs a cache');
    expect(() => forward([1, 1], 20, { cache: large, keep: true })).toThrow(
      'a cache holds one sequence; 2 cannot be kept',
    );
  });

  it('refuses to be trained through', async () => {
    using cache = new KeyValueCache(model, 12);
    await extend(cache, prefix);
    model.adapters!.group.trainable = true;
    using _ = device.step();
    const tape = new Tape();
    const batch = packSequences(device, [2], prefix.length);
    const run = () => model.forward(model.embed(Uint32Array.of(1, 2)), batch, lastTokens(batch), undefined, { cache });
    expect(() => tape.record(run)).toThrow('attentionCached has no gradient');
    model.adapters!.group.trainable = false;
  });

  it('is released when a generation ends early', async () => {
    for await (const token of generateTokens(model, prefix, { maxNewTokens: 5 })) {
      expect(token).toBeLessThan(37);
      break;
    }
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(generate(model, prefix, { signal })).rejects.toThrow('enough');
    expect(await generate(model, prefix, { maxNewTokens: 100 })).toHaveLength(24 - prefix.length);
    expect(await generate(model, prefix, { maxNewTokens: 0 })).toEqual([]);
  });

  it('refuses tokens, prompts and options that do not fit', async () => {
    await expect(score(model, [], [[1]], [1])).rejects.toThrow('at least one token');
    await expect(score(model, [1], [[]], [1])).rejects.toThrow('at least one token');
    await expect(score(model, [1], [[2]], [37])).rejects.toThrow('token 37 is outside the vocabulary of 37');
    await expect(score(model, prefix, [new Array(14).fill(1)], [1])).rejects.toThrow(/25 tokens exceeds/);
    await expect(generate(model, new Array(25).fill(1))).rejects.toThrow(
      "prompt's 25 tokens exceed the model's context of 24",
    );
    await expect(generate(model, prefix, { topK: 0 })).rejects.toThrow('topK is 0');
  });

  it('draws the same tokens for the same seed, and only likely ones under top-k', async () => {
    const options = { maxNewTokens: 12, temperature: 2 };
    const drawn: number[][] = [];
    for (const seed of [1, 1, 2]) drawn.push(await generate(model, prefix, { ...options, seed }));
    expect(drawn[1]).toEqual(drawn[0]);
    expect(drawn[2]).not.toEqual(drawn[0]);
    expect(await generate(model, prefix, { ...options, topK: 1 })).toEqual(
      await generate(model, prefix, { maxNewTokens: 12 }),
    );
  });

  it('draws among the tokens of a tokenizer alone, and ends with its ends', async () => {
    const free = await generate(model, prefix, { maxNewTokens: 8 });
    const only = [3, 8, 20, 29];
    const tokenizer = { eosTokenIds: [], has: (id: number) => only.includes(id) };
    for (const drawn of [{}, { temperature: 2, seed: 3 }, { temperature: 50, topK: 30 }]) {
      const tokens = await generate(model, prefix, { maxNewTokens: 8, tokenizer, ...drawn });
      expect(tokens).toHaveLength(8);
      expect(tokens.filter((token) => !only.includes(token))).toEqual([]);
    }
    // The likeliest of those that are left, by the logits themselves.
    const logits = await lastLogits(model, prefix);
    const best = only.reduce((a, b) => (logits[b]! > logits[a]! ? b : a));
    expect(await generate(model, prefix, { maxNewTokens: 1, tokenizer })).toEqual([best]);
    // A tokenizer with a token for every row changes nothing but the end.
    const whole = { eosTokenIds: [free[0]!], has: () => true };
    expect(await generate(model, prefix, { maxNewTokens: 8, tokenizer: { ...whole, eosTokenIds: [] } })).toEqual(free);
    expect(await generate(model, prefix, { maxNewTokens: 8, tokenizer: whole })).toEqual([]);
  });
});

/** Sequences beyond the rows that the rotary table has at first: it grows, and whole and cached sequences agree. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { randomLlamaWeights, toFloat32 } from '@crossgate/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  contextOf,
  contextWords,
  KeyValueCache,
  LlamaModel,
  lastTokens,
  packSequences,
  rotaryRows,
  weightsInMemory,
} from '../src';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const shape = {
  ...{ vocabSize: 32, hiddenSize: 8, intermediateSize: 8, layers: 1, heads: 2, keyValueHeads: 1, headDim: 4 },
  ...{ rmsNormEpsilon: 1e-5, ropeTheta: 1e6, tieWordEmbeddings: true },
};
const config = { ...shape, architecture: 'llama', maxPositions: 40_000, bosTokenId: 1, eosTokenIds: [2] };

it('has rows for the first 8,192 positions, then twice as many until they suffice, and at most the context', () => {
  expect([0, 8192, 8193, 16_385, 40_000].map((length) => rotaryRows(config, length))).toEqual([
    ...[8192, 8192, 16_384, 32_768, 40_000],
  ]);
  expect(rotaryRows({ maxPositions: 512 }, 100)).toBe(512);
  expect([contextOf(config), contextWords(config)]).toEqual([40_000, "the model's context of 40000"]);
});

it('a sequence of 8,300 tokens gives the logits that its parts give behind a cache', async () => {
  const weights = new Map(
    [...randomLlamaWeights(shape, 3)].map(([name, { shape, data }]) => [
      name,
      { shape, data: toFloat32({ shape, data }) },
    ]),
  );
  const model = await LlamaModel.load(device, weightsInMemory(config, weights));
  const before = device.report().persistent.weights!;
  const tokens = Uint32Array.from({ length: 8300 }, (_, i) => (7 * i + (i >> 5)) % 32);
  const whole = await (async () => {
    using _ = device.step();
    const batch = packSequences(device, [tokens.length]);
    return model.logits(model.forward(model.embed(tokens), batch, lastTokens(batch))).read();
  })();
  // The longer table, beside the first.
  expect(device.report().persistent.weights! - before).toBe(4 * 16_384 * 4);
  const cache = new KeyValueCache(model, tokens.length);
  let last: Float32Array = new Float32Array();
  for (const [start, end] of [
    [0, 8190],
    [8190, 8299],
    [8299, 8300],
  ] as const) {
    using _ = device.step();
    last = await model.logits(model.extend(cache, model.embed(tokens.subarray(start, end)))).read();
  }
  for (const [i, value] of whole.entries()) expect(last[i]).toBeCloseTo(value, 4);
  cache.release();
  model.release();
  expect(device.report().persistent).toEqual({});
});

/** Every stored type against the Python package gguf, bit for bit; and models made of quantized blocks. */
import { readFileSync } from 'node:fs';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { memorySource } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LlamaModel } from '../src';
import { openGgufModel, storedTypes } from '../src/formats/index';
import { encodeGguf, randomModel, seededUniform } from './fixtures';
import { quantized } from './quantized';

/** Made by reference/ggml-blocks.py. */
const fixture = JSON.parse(readFileSync(new URL('fixtures/ggml-blocks.json', import.meta.url), 'utf8')) as {
  types: Record<string, { bytes: string; values: string }>;
};
const decodeBase64 = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

/** Equality of arrays as vitest has it takes seconds for so many values. */
function expectSameBits(actual: Float32Array, expected: Float32Array, label: string): void {
  const [found, wanted] = [actual, expected].map((values) => new Uint32Array(values.slice().buffer)) as [
    Uint32Array,
    Uint32Array,
  ];
  expect(found.length, label).toBe(wanted.length);
  expect(
    found.findIndex((bits, i) => bits !== wanted[i]),
    label,
  ).toBe(-1);
}

// So low that weights travel in several chunks.
let device: Device;
beforeAll(async () => {
  device = await openDevice({ limits: { maxStorageBufferBindingSize: 65_536 } });
});
afterAll(() => device.destroy());

test('the fixture covers every type', () => {
  expect(Object.keys(fixture.types).sort()).toEqual([...storedTypes.keys()].sort());
});

describe.each(Object.entries(fixture.types))('%s', (name, { bytes, values }) => {
  const type = storedTypes.get(name)!;
  const stored = decodeBase64(bytes);

  test('has the bits that gguf gives', () => {
    const actual = new Uint32Array(type.decode(stored).buffer);
    expect(actual).toEqual(new Uint32Array(decodeBase64(values).buffer));
    expect(actual.length).toBe((stored.length / type.blockBytes) * type.blockSize);
  });

  test('is read from any place of a buffer', () => {
    const shifted = new Uint8Array(stored.length + 3);
    shifted.set(stored, 3);
    expect(type.decode(shifted.subarray(3))).toEqual(type.decode(stored));
  });

  test('is widened to the same bits on the device, in chunks and in rotated order', async () => {
    const shape = { vocabSize: 33, hiddenSize: 256, intermediateSize: 512, layers: 1, heads: 4, keyValueHeads: 1 };
    const model = quantized(randomModel(shape, 6), type, seededUniform(8));
    const { source } = await openGgufModel(memorySource('m.gguf', encodeGguf(model)));
    const loaded = await LlamaModel.load(device, source, { weights: 'f32' });
    for (const [weight, { data }] of model.weights) {
      expectSameBits(await loaded.weight(weight).read(), data, weight);
    }
    loaded.release();
    expect(device.report().persistent).toEqual({});
  });

  test('refuses parts of blocks', () => {
    if (type.blockBytes > 1) expect(() => type.decode(stored.subarray(1))).toThrow(/whole number of/);
  });

  test('makes up a model whose rows stream in chunks, q and k in rotated order', async () => {
    const shape = { vocabSize: 33, hiddenSize: 256, intermediateSize: 256, layers: 1, heads: 4, keyValueHeads: 1 };
    const model = quantized(randomModel(shape, 6), type, seededUniform(8));
    const { source } = await openGgufModel(memorySource('m.gguf', encodeGguf(model)));
    for (const [weight, { shape: extents, data }] of model.weights) {
      const isMatrix = extents.length === 2;
      expect(source.tensors.get(weight)).toEqual({ shape: extents, dtype: isMatrix ? name : 'F32' });
      expectSameBits(await source.readAll(weight), data, weight);
      let next = 0;
      for await (const { offset, data: part } of source.read(weight, { chunkBytes: 3000 })) {
        expect(offset).toBe(next);
        expect(part.length).toBeLessThanOrEqual(750);
        next += part.length;
      }
      expect(next).toBe(data.length);
    }
  });
});

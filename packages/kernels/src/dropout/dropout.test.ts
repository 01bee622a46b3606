/** dropout against the float64 mask of the same generator, bit by bit. */
import { expectClose, philox4x32, randomNormal, uniformFloat } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { dropout } from './dropout';

const key = 0x43524f53;

describe.each(deviceConfigurations)('dropout, $name', ({ options }) => {
  it.each([0, 0.05, 0.5, 0.9])('keeps what the generator says, probability %s', async (probability) => {
    await withDevice(async (device) => {
      for (const count of [1, 3, 64, 257, 9001, 10_000]) {
        const random = { seed: 0xdeadbeef, stream: 7, counter: 3_000_000_000 };
        const x = randomNormal([count], 4);
        const out = uploadFilled(device, count);
        dropout(device, { x: upload(device, x), out, count, probability, ...random });
        const expected = x.data.map((value, i) => {
          const words = philox4x32([Math.floor(i / 4), random.counter, random.stream, 0], [random.seed, key]);
          return uniformFloat(words[i % 4]!) >= probability ? value / (1 - probability) : 0;
        });
        const label = `dropout ${count}`;
        const actual = await download(device, out);
        expectClose(actual, expected, { relative: 1e-6, absolute: 0, label });
        const before = randomNormal([count], 5);
        const sum = upload(device, before);
        dropout(device, { x: upload(device, x), out: sum, count, probability, ...random, accumulate: true });
        const sums = expected.map((value, i) => value + before.data[i]!);
        expectClose(await download(device, sum), sums, { label: `${label}, accumulated` });
      }
    }, options);
  });
});

it('differs by seed, stream and counter, and drops about its share', async () => {
  await withDevice(async (device) => {
    const count = 40_000;
    const ones = upload(device, new Float32Array(count).fill(1));
    const mask = async (seed: number, stream: number, counter: number) => {
      const out = uploadFilled(device, count);
      dropout(device, { x: ones, out, count, probability: 0.25, seed, stream, counter });
      return download(device, out);
    };
    const masks = [await mask(1, 1, 1), await mask(2, 1, 1), await mask(1, 2, 1), await mask(1, 1, 2)];
    for (const values of masks) {
      const dropped = values.filter((value) => value === 0).length / count;
      // Five standard deviations of a share of 0.25 over 40,000 draws.
      expect(Math.abs(dropped - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / count));
    }
    expect(new Set(masks.map((values) => values.join(''))).size).toBe(4);
    expect(await mask(1, 1, 1)).toEqual(masks[0]);
  });
});

it('gives a part of a tensor the mask that it has in the whole', async () => {
  await withDevice(async (device) => {
    const [count, first] = [1000, 396];
    const random = { probability: 0.5, seed: 1, stream: 2, counter: 3 };
    const ones = (length: number) => upload(device, new Float32Array(length).fill(1));
    const [whole, part] = [uploadFilled(device, count), uploadFilled(device, count - first)];
    dropout(device, { x: ones(count), out: whole, count, ...random });
    dropout(device, { x: ones(count - first), out: part, count: count - first, first, ...random });
    expect(await download(device, part)).toEqual((await download(device, whole)).slice(first));
    const odd = () => dropout(device, { x: ones(4), out: part, count: 4, first: 2, ...random });
    expect(odd).toThrow(/first 2 must be a multiple of 4/);
  });
});

it('refuses a probability of 1', async () => {
  await withDevice(async (device) => {
    const x = uploadFilled(device, 4);
    const out = uploadFilled(device, 4);
    const call = () => dropout(device, { x, out, count: 4, probability: 1, seed: 0, stream: 0, counter: 0 });
    expect(call).toThrow(/probability 1 must be in/);
  });
});

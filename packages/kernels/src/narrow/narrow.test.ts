/** narrow against halves rounded in float64, to the bit; and back by dequantize. */
import { expectClose, halfValue, nearestHalf, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, downloadIntegers, upload, uploadFilled, withDevice } from '../../test/harness';
import { dequantize } from '../dequantize/dequantize';
import { narrow } from './narrow';

/** Ties both ways, the edges of normal, subnormal and infinite halves, both zeros. */
// biome-ignore format: a table
const edges = [
  0, -0, 1, -1, 65_504, 65_519.996, 65_520, -70_000, 3e38, 2 ** -14, 2 ** -14 * (1 - 2 ** -12), 2 ** -24, 2 ** -25,
  2 ** -25 * (1 + 2 ** -20), -3 * 2 ** -25, 5 * 2 ** -25, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 - 2 ** -12, 1e-10, 1e-40,
  Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1,
];

const halvesOf = (words: Uint32Array, count: number) =>
  Array.from({ length: count }, (_, i) => (words[i >> 1]! >>> (16 * (i & 1))) & 0xffff);

describe.each(deviceConfigurations)('narrow, $name', ({ options }) => {
  it('rounds to the nearest half, ties to even', async () => {
    await withDevice(async (device) => {
      for (const count of [1, 2, 3, 24, 257, 4100, 9001]) {
        const x = Float32Array.from(randomNormal([count], count).data, (v, i) => edges[i] ?? v * 10 ** ((i % 13) - 7));
        const out = uploadFilled(device, Math.ceil(count / 2) + 3);
        narrow(device, { x: upload(device, x), out, count });
        const words = await downloadIntegers(device, out);
        expect(halvesOf(words, count)).toEqual(Array.from(x, nearestHalf));
        if (count % 2 === 1) expect(words[count >> 1]! >>> 16).toBe(0);
        const untouched = new Float32Array(words.slice(Math.ceil(count / 2)).buffer);
        expect([...untouched]).toEqual([...new Float32Array(3).fill(-12345.678)]);
      }
    }, options);
  });

  it('multiplies first, and comes back by dequantize within half a unit of the last place', async () => {
    await withDevice(async (device) => {
      for (const count of [3, 8000, 9002]) {
        const x = randomNormal([count], 3);
        const padded = 4 * Math.ceil(count / 4);
        const [half, back] = [uploadFilled(device, padded / 2), uploadFilled(device, padded)];
        narrow(device, { x: upload(device, x), out: half, count, scale: upload(device, Float32Array.of(1024)) });
        dequantize(device, { type: 'F16', blocks: half, out: back, count: padded });
        const expected = x.data.map((v) => 1024 * v);
        expectClose((await download(device, back)).subarray(0, count), expected, {
          relative: 2 ** -11,
          absolute: 1e-4,
        });
      }
    }, options);
  });
});

it('keeps NaN, and refuses slices that are too small', async () => {
  await withDevice(async (device) => {
    const out = uploadFilled(device, 2);
    narrow(device, { x: upload(device, Float32Array.of(Number.NaN, 1, -Number.NaN, 2)), out, count: 4 });
    const [first, , third] = halvesOf(await downloadIntegers(device, out), 4);
    expect([halfValue(first!), halfValue(third!)]).toEqual([Number.NaN, Number.NaN]);
    expect(() => narrow(device, { x: out, out, count: 8 })).toThrow(/"x" holds 8 bytes, 32 are needed/);
  });
});

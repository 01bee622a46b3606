/** shuffle against the same network in big integers, and as an order: complete, uniform, by its keys. */
import { feistelOrder, randomIntegers } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, downloadIntegers, upload, withDevice } from '../../test/harness';
import { batchStride } from '../batches';
import { shuffledRow } from './permutation';
import { shuffle } from './shuffle';

const keysOf = (seed: number) => Array.from(randomIntegers(8, 2 ** 31, seed), (key) => (key * 2 + (key % 2)) >>> 0);

describe.each(deviceConfigurations)('shuffle, $name', ({ options }) => {
  it('gives the reference order, a part of the batches at a time', async () => {
    await withDevice(async (device) => {
      for (const [rows, batchSize] of [
        [1, 1],
        [2, 5],
        [5, 2],
        [64, 64],
        [65, 20],
        [1000, 130],
      ] as const) {
        const keys = keysOf(rows);
        const expected = feistelOrder(rows, keys);
        expect([...expected].sort((a, b) => a - b)).toEqual([...expected.keys()]);
        expect(expected.map((_, position) => shuffledRow(position, rows, keys))).toEqual(expected);
        const stride = batchStride(device, batchSize);
        const all = Math.ceil(rows / batchSize);
        for (let first = 0; first < all; first += 3) {
          const batches = Math.min(3, all - first);
          const out = upload(device, new Uint32Array(batches * stride));
          shuffle(device, { out, first: first * batchSize, rows, keys, batches, batchSize, stride });
          const wanted = Array.from({ length: batches * stride }, (_, place) => {
            const inBatch = place % stride;
            const position = (first + Math.floor(place / stride)) * batchSize + inBatch;
            return inBatch < batchSize && position < rows ? expected[position]! : 0xffffffff;
          });
          expect(Array.from(await downloadIntegers(device, out))).toEqual(wanted);
        }
      }
    }, options);
  });
});

describe('shuffledRow', () => {
  it('puts every row at every position about as often', () => {
    for (const rows of [6, 13]) {
      const draws = 4000;
      const counts = new Float64Array(rows * rows);
      for (let draw = 0; draw < draws; draw++) {
        const keys = keysOf(draw + 1);
        for (let position = 0; position < rows; position++)
          counts[position * rows + shuffledRow(position, rows, keys)]!++;
      }
      const mean = draws / rows;
      const chiSquare = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
      // (rows − 1)² degrees of freedom: five standard deviations.
      expect(chiSquare).toBeLessThan((rows - 1) ** 2 + 5 * Math.sqrt(2) * (rows - 1));
    }
  });

  it('leaves no trace of the order before: neighbors part', () => {
    const rows = 5000;
    const order = Array.from({ length: rows }, (_, position) => shuffledRow(position, rows, keysOf(3)));
    const ascending = order.filter((row, position) => position > 0 && row > order[position - 1]!).length;
    expect(Math.abs(ascending / rows - 0.5)).toBeLessThan(0.03);
    const same = order.filter((row, position) => shuffledRow(position, rows, keysOf(4)) === row).length;
    expect(same).toBeLessThan(10);
  });

  it('refuses what it cannot order', () => {
    expect(() => shuffledRow(0, 0, keysOf(1))).toThrow(/0 rows/);
    expect(() => shuffledRow(0, 2 ** 31, keysOf(1))).toThrow(/2147483648 rows/);
  });
});

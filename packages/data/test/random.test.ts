/** Philox, shuffles and samples. */

import { philox4x32 } from '@crossgate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchRows, RandomStream, sampleRows, shuffledRows } from '../src/index';

describe('philox4x32', () => {
  it('gives the known answers of Random123', () => {
    const hex = (words: number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
    const ones = 0xffffffff;
    expect(hex(philox4x32([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    expect(hex(philox4x32([ones, ones, ones, ones], [ones, ones]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd');
    expect(hex(philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    );
  });
});

describe('RandomStream', () => {
  it('is uniform below a bound that does not divide 2^32', () => {
    const random = new RandomStream(5);
    const counts = new Array<number>(7).fill(0);
    const draws = 70_000;
    for (let draw = 0; draw < draws; draw++) {
      const value = random.below(7);
      counts[value] = (counts[value] as number) + 1;
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - draws / 7) ** 2 / (draws / 7), 0);
    // 99.9th percentile of chi-square with 6 degrees of freedom.
    expect(chiSquare).toBeLessThan(22.46);
  });

  it('separates seeds (beyond 32 bits), purposes and indices', () => {
    const first = (...name: ConstructorParameters<typeof RandomStream>) => new RandomStream(...name).uint32();
    const values = [first(1), first(2), first(1 + 2 ** 32), first(1, 1), first(1, 0, 1), first(1, 2)];
    expect(new Set(values).size).toBe(values.length);
    expect(first(1)).toBe(values[0]);
  });

  it('refuses what is not a seed', () => {
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53])
      expect(() => new RandomStream(seed)).toThrow(/seed must be an integer/);
  });
});

describe('shuffledRows', () => {
  it('is a permutation, the same for the same name, another for another', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(), fc.nat(50), (rows, seed, epoch) => {
        const order = shuffledRows(rows, seed, epoch);
        expect([...order].sort((a, b) => a - b)).toEqual([...Array(rows).keys()]);
        expect(shuffledRows(rows, seed, epoch)).toEqual(order);
        if (rows > 30) {
          expect(shuffledRows(rows, seed, epoch + 1)).not.toEqual(order);
          expect(shuffledRows(rows, seed + 1, epoch)).not.toEqual(order);
        }
      }),
    );
  });

  it('keeps its orders from version to version', () => {
    expect([...shuffledRows(8, 42, 0)]).toEqual([5, 0, 3, 6, 7, 2, 4, 1]);
    expect([...sampleRows(100, 5, 42)]).toEqual([2, 58, 64, 82, 98]);
  });

  it('shuffles given rows and leaves them unchanged', () => {
    const rows = Int32Array.of(10, 20, 30, 40);
    const order = shuffledRows(rows, 1, 1);
    expect([...rows]).toEqual([10, 20, 30, 40]);
    expect([...order].sort((a, b) => a - b)).toEqual([10, 20, 30, 40]);
  });

  it('reaches each of the 24 orders of 4 rows about equally often', () => {
    const counts = new Map<string, number>();
    const epochs = 12_000;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const key = shuffledRows(4, 3, epoch).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - epochs / 24) ** 2 / (epochs / 24), 0);
    // 99.9th percentile of chi-square with 23 degrees of freedom.
    expect(chiSquare).toBeLessThan(49.73);
  });
});

describe('sampleRows', () => {
  it('gives distinct rows in ascending order, and all of them when asked for more', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(150), fc.nat(), (rows, count, seed) => {
        const sample = [...sampleRows(rows, count, seed)];
        expect(sample.length).toBe(Math.min(rows, count));
        for (const [index, row] of sample.entries()) {
          expect(row).toBeGreaterThan(index === 0 ? -1 : (sample[index - 1] as number));
          expect(row).toBeLessThan(rows);
        }
      }),
    );
  });
});

describe('batchRows', () => {
  it('cuts in order; the last batch is shorter or dropped', () => {
    const order = Int32Array.of(4, 3, 2, 1, 0);
    const cut = (options?: { dropLast?: boolean }) => [...batchRows(order, 2, options)].map((batch) => [...batch]);
    expect(cut()).toEqual([[4, 3], [2, 1], [0]]);
    expect(cut({ dropLast: true })).toEqual([
      [4, 3],
      [2, 1],
    ]);
    expect(() => [...batchRows(order, 0)]).toThrow(/batch size/);
  });
});

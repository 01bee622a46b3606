// The seeded generator: known answers, repeatable streams, moments.

import { philox4x32 } from '@crossgate/core';
import { philox4x32 as referencePhilox } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { RandomStream } from '../src';

/** Known answers of Random123, by its authors: counter, key, words. */
const knownAnswers = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
] as const;

describe('philox4x32', () => {
  it.each(knownAnswers)('of counter %j under key %j', (counter, key, words) => {
    expect(philox4x32(counter, key)).toEqual(words);
  });

  it('equals the other implementation on scattered counters', () => {
    let state = 1;
    const word = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state;
    };
    for (let i = 0; i < 500; i++) {
      const counter = [word(), word(), word(), word()] as const;
      const key = [word(), word()] as const;
      expect(philox4x32(counter, key)).toEqual(referencePhilox(counter, key));
    }
  });
});

const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const moment = (values: Float32Array, center: number, power: number) =>
  values.reduce((sum, value) => sum + (value - center) ** power, 0) / values.length;

describe('RandomStream', () => {
  it('repeats with the same seed and stream, however values are asked for', () => {
    const whole = new RandomStream(3, 'weights').uniforms(100, -1, 1);
    const parts = new RandomStream(3, 'weights');
    const joined = [7, 1, 30, 62].flatMap((count) => Array.from(parts.uniforms(count, -1, 1)));
    expect(joined).toEqual(Array.from(whole));
    expect(new RandomStream(3, 'weights').normals(10)).toEqual(new RandomStream(3, 'weights').normals(11).slice(0, 10));
  });

  it('differs by seed and by stream, without correlation', () => {
    const base = new RandomStream(3, 'lora').normals(4000);
    for (const other of [
      new RandomStream(4, 'lora'),
      new RandomStream(3, 'fusion'),
      new RandomStream(3, 'arol'),
      new RandomStream(0x80000003, 'lora'),
    ]) {
      const values = other.normals(4000);
      const correlation = mean(values.map((value, i) => value * base[i]!));
      expect(values).not.toEqual(base);
      expect(Math.abs(correlation)).toBeLessThan(4 / Math.sqrt(4000));
    }
  });

  it('draws uniforms with their range and moments', () => {
    const values = new RandomStream(1, 'uniform').uniforms(40_000, -2, 4);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-2);
    expect(Math.max(...values)).toBeLessThan(4);
    expect(Math.abs(mean(values) - 1)).toBeLessThan((4 * Math.sqrt(3)) / 200); // four standard errors
    expect(moment(values, 1, 2)).toBeCloseTo(3, 1);
    expect(Math.min(...values)).toBeLessThan(-1.99);
    expect(Math.max(...values)).toBeGreaterThan(3.99);
  });

  it('draws normals with their moments and tails, also an odd number of them', () => {
    const values = new RandomStream(1, 'normal').normals(40_001, 0.5);
    expect(values).toHaveLength(40_001);
    expect(values.every(Number.isFinite)).toBe(true);
    const standard = values.map((value) => value / 0.5);
    expect(Math.abs(mean(standard))).toBeLessThan(4 / 200);
    expect(Math.abs(moment(standard, 0, 2) - 1)).toBeLessThan(0.03);
    expect(Math.abs(moment(standard, 0, 3))).toBeLessThan(0.05);
    expect(Math.abs(moment(standard, 0, 4) - 3)).toBeLessThan(0.15);
    // 0.27 % lie beyond three deviations.
    const beyond = standard.filter((value) => Math.abs(value) > 3).length / standard.length;
    expect(beyond).toBeGreaterThan(0.0015);
    expect(beyond).toBeLessThan(0.004);
  });

  it("has torch's bound for linear layers", () => {
    const values = new RandomStream(1, 'kaiming').kaimingUniform(5000, 16);
    expect(Math.max(...values)).toBeLessThan(0.25);
    expect(Math.max(...values)).toBeGreaterThan(0.249);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.25);
    expect(Math.min(...values)).toBeLessThan(-0.249);
  });
});

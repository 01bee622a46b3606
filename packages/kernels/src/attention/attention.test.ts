/** Attention against the float64 reference: ragged sequences, grouped heads, odd head sizes, both plans. */
import type { Device } from '@crossgate/gpu';
import * as reference from '@crossgate/testing';
import { expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { type AttentionCase, checkAttention, packing, runAttention } from '../../test/attention';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { attention, attentionCached, type DecodePlan, planAttention, planDecode } from './attention';

const lowLimits = deviceConfigurations.find(({ name }) => name === 'low limits')!.options;

/** Compares one case with the reference, and gives what was computed. */
const check = (device: Device, testCase: AttentionCase) =>
  // Scores grow with the spread, and an error of a score is a relative error of its exponential.
  checkAttention(device, testCase, { relative: 1e-5, absolute: 1e-5 * Math.max(1, testCase.spread ?? 1) });

describe('planAttention', () => {
  const plan = (headDim: number, software: boolean, keyValueHeads = 8, tokens = 4096) =>
    planAttention({ tokens, heads: 24, keyValueHeads, headDim }, { software, name: 'some-gpu', architecture: '' });

  it('holds less per invocation as heads grow', () => {
    const held = [8, 16, 32, 64, 128].map((headDim) => {
      const tile = plan(headDim, true).forward;
      return 'rows' in tile ? tile.rows * tile.step : 0;
    });
    expect(held).toEqual([...held].sort((a, b) => b - a));
    expect(held.at(-1)).toBe(1);
  });

  it('has short rows held by invocations and long ones shared by more of them on hardware', () => {
    expect(plan(8, false).backwardKey).toEqual({ workgroupSize: 64, rows: 1, step: 2 });
    const tiles = [32, 64, 128, 256].map((headDim) => plan(headDim, false).backwardKey);
    expect(tiles).toMatchObject([128, 128, 128, 256].map((workgroupSize) => ({ workgroupSize })));
  });

  it('divides the query heads of a group where blocks of keys are few', () => {
    const members = (keyValueHeads: number, tokens: number) => plan(64, false, keyValueHeads, tokens).backwardKey;
    expect(members(8, 4096)).toMatchObject({ members: 3 });
    expect(members(3, 4096)).toMatchObject({ members: 2 });
    expect(members(3, 2100)).toMatchObject({ members: 1 });
    expect(members(24, 10)).toMatchObject({ members: 1 });
  });
});

describe('attention', () => {
  it('agrees with the reference on ragged sequences and heads', () =>
    withDevice(async (device) => {
      await check(device, { lengths: [1], heads: 1, keyValueHeads: 1, headDim: 4 });
      await check(device, { lengths: [3, 1, 17], heads: 2, keyValueHeads: 1, headDim: 6 });
      await check(device, { lengths: [1, 1, 1, 1, 1, 1, 1, 1, 1], heads: 4, keyValueHeads: 2, headDim: 8 });
      await check(device, { lengths: [65, 40, 3, 0, 70], heads: 8, keyValueHeads: 4, headDim: 8 });
      await check(device, { lengths: [129, 1, 130], heads: 3, keyValueHeads: 3, headDim: 8 });
      await check(device, { lengths: [33, 31], heads: 6, keyValueHeads: 2, headDim: 20 });
      await check(device, { lengths: [5, 70], heads: 2, keyValueHeads: 2, headDim: 16 });
    }));

  it('agrees with the reference for long heads', () =>
    withDevice(async (device) => {
      await check(device, { lengths: [20, 19], heads: 4, keyValueHeads: 2, headDim: 32 });
      await check(device, { lengths: [37, 9], heads: 3, keyValueHeads: 1, headDim: 64 });
      await check(device, { lengths: [18], heads: 2, keyValueHeads: 1, headDim: 128 });
      await check(device, { lengths: [18, 2], heads: 1, keyValueHeads: 1, headDim: 3 });
    }));

  it('gives the same function under other tiles', () =>
    withDevice(async (device) => {
      const tiles = [
        { workgroupSize: 64, rows: 1, step: 2 },
        { workgroupSize: 8, rows: 3, step: 2 },
        { workgroupSize: 1, rows: 2, step: 3 },
      ];
      for (const tile of tiles) {
        const plan = { forward: tile, backwardQuery: tile, backwardKey: tile };
        await check(device, { lengths: [65, 2, 30, 100], heads: 4, keyValueHeads: 2, headDim: 8, plan });
      }
    }));

  describe('by blocks that a workgroup shares', () => {
    it.each([64, 128])('agrees with the reference for heads of %i', (headDim) =>
      withDevice(async (device) => {
        // Two ragged sequences in two blocks; the plan is what hardware gets.
        const shape = { lengths: [20, 14], heads: 2, keyValueHeads: 1, headDim };
        const plan = planAttention({ ...shape, tokens: 34 }, { ...device.capabilities, software: false });
        await check(device, { ...shape, plan });
      }),
    );

    it('agrees with the reference for other sizes, repeatably, under low limits', () =>
      withDevice(async (device) => {
        const tile = { workgroupSize: 256, members: 1 };
        const plan = { forward: tile, backwardQuery: tile, backwardKey: { ...tile, members: 2 } };
        const shape = { heads: 3, keyValueHeads: 1, headDim: 6, plan };
        await check(device, { ...shape, lengths: [33, 0, 3, 1, 28] });
        const sharp = { ...shape, lengths: [20, 14], spread: 30 };
        const first = await check(device, sharp);
        expect((await runAttention(device, sharp)).actual).toEqual(first);
      }, lowLimits));
  });

  it('stays exact where the softmax is nearly one-hot', () =>
    withDevice(async (device) => {
      await check(device, { lengths: [50, 40], heads: 2, keyValueHeads: 1, headDim: 8, spread: 30 });
    }));

  it('is repeatable to the bit and blind to other sequences', () =>
    withDevice(async (device) => {
      const shape = { heads: 4, keyValueHeads: 2, headDim: 8 };
      const first = await runAttention(device, { lengths: [40, 33], ...shape });
      const second = await runAttention(device, { lengths: [40, 33], ...shape });
      expect(second.actual).toEqual(first.actual);
      // The values of a sequence do not depend on what follows it.
      const longer = await runAttention(device, { lengths: [40, 50], ...shape });
      const length = 40 * 4 * 8;
      expectClose(longer.actual.out.slice(0, length), first.actual.out.slice(0, length));
    }));

  for (const { name, options } of deviceConfigurations) {
    it(`works under ${name}`, () =>
      withDevice(async (device) => {
        await check(device, { lengths: [61, 30, 29], heads: 4, keyValueHeads: 2, headDim: 8 });
      }, options));
  }

  it('refuses heads that do not group, long heads and short slices', () =>
    withDevice(async (device) => {
      const slice = uploadFilled(device, 64);
      const names = ['query', 'key', 'value', 'offsets', 'sequenceOfToken', 'out', 'logSumExp'] as const;
      const slices = Object.fromEntries(names.map((name) => [name, slice])) as Record<
        (typeof names)[number],
        typeof slice
      >;
      const args = { ...slices, tokens: 2, heads: 4, keyValueHeads: 2, headDim: 8, scale: 1 };
      expect(() => attention(device, { ...args, keyValueHeads: 3 })).toThrow('no multiple of 3');
      expect(() => attention(device, { ...args, headDim: 260 })).toThrow('at most 256');
      expect(() => attention(device, { ...args, tokens: 3 })).toThrow('"query" holds 256 bytes, 384 are needed');
    }));
});

interface CachedCase extends AttentionCase {
  readonly cached: number;
  readonly window?: number;
  readonly decode?: DecodePlan | null;
}

describe('attentionCached', () => {
  /** Sequences behind one prefix: the reference sees each with the whole prefix before it. */
  async function checkCached(
    device: Device,
    { lengths, heads, keyValueHeads, headDim, plan, decode, cached, window, spread = 1 }: CachedCase,
  ): Promise<void> {
    const { offsets, sequenceOfToken } = packing(lengths);
    const tokens = sequenceOfToken.length;
    const q = randomNormal([tokens, heads, headDim], 1, spread);
    const [k, v] = [2, 3].map((seed) => randomNormal([tokens, keyValueHeads, headDim], seed));
    const [prefixKey, prefixValue] = [4, 5].map((seed) => randomNormal([cached, keyValueHeads, headDim], seed));
    const out = uploadFilled(device, q.data.length);
    // The cache has room for more than it holds; what lies there must not be seen.
    const room = (values: ArrayLike<number>) =>
      upload(device, Float32Array.from([...Array.from(values), 1e30, 1e30, 1e30, 1e30]));
    attentionCached(device, {
      ...{ query: upload(device, q), key: upload(device, k!), value: upload(device, v!), out },
      ...{ cachedKey: room(prefixKey!.data), cachedValue: room(prefixValue!.data), cacheLength: cached, window },
      ...{ offsets: upload(device, offsets), sequenceOfToken: upload(device, sequenceOfToken) },
      ...{ tokens, heads, keyValueHeads, headDim, scale: 1 / Math.sqrt(headDim) },
      ...(plan && { plan }),
      ...(decode !== undefined && { decode }),
    });
    const actual = await download(device, out);
    for (const [sequence, length] of lengths.entries()) {
      if (length === 0) continue;
      const rows = (values: ArrayLike<number>, columns: number) =>
        Array.from(values).slice(offsets[sequence]! * columns, offsets[sequence + 1]! * columns);
      const behind = (prefix: ArrayLike<number>, own: ArrayLike<number>, count: number) => ({
        shape: [cached + length, count, headDim],
        data: Float64Array.from([...Array.from(prefix), ...rows(own, count * headDim)]),
      });
      const { output } = reference.attention({
        q: behind(new Float64Array(cached * heads * headDim), q.data, heads),
        k: behind(prefixKey!.data, k!.data, keyValueHeads),
        v: behind(prefixValue!.data, v!.data, keyValueHeads),
        offsets: [0, cached + length],
        ...(window !== undefined && { window }),
      });
      expectClose(Float32Array.from(rows(actual, heads * headDim)), output.data.slice(cached * heads * headDim), {
        relative: 1e-5,
        absolute: 1e-5 * Math.max(1, spread),
        label: `${cached} + [${lengths}] ${heads}/${keyValueHeads} × ${headDim}, window ${window}`,
      });
    }
  }

  it('agrees with the reference on whole sequences', () =>
    withDevice(async (device) => {
      await checkCached(device, { lengths: [1], heads: 1, keyValueHeads: 1, headDim: 4, cached: 1 });
      await checkCached(device, { lengths: [1], heads: 4, keyValueHeads: 2, headDim: 8, cached: 61 });
      await checkCached(device, { lengths: [3, 1, 0, 17], heads: 2, keyValueHeads: 1, headDim: 6, cached: 7 });
      await checkCached(device, { lengths: [40, 33, 2], heads: 4, keyValueHeads: 2, headDim: 8, cached: 33 });
      await checkCached(device, { lengths: [5, 9], heads: 3, keyValueHeads: 1, headDim: 64, cached: 12 });
      await checkCached(device, { lengths: [1], heads: 2, keyValueHeads: 1, headDim: 256, cached: 40 });
    }));

  it('agrees with the reference under a window, shorter or longer than what a sequence has of its own', () =>
    withDevice(async (device) => {
      for (const window of [1, 4, 30, 1000]) {
        await checkCached(device, { lengths: [1, 20, 35], heads: 2, keyValueHeads: 1, headDim: 8, cached: 21, window });
      }
    }));

  it('gives the same function under other tiles', () =>
    withDevice(async (device) => {
      for (const tile of [
        { workgroupSize: 64, rows: 1, step: 2 },
        { workgroupSize: 8, rows: 3, step: 5 },
      ]) {
        const plan = { forward: tile, backwardQuery: tile, backwardKey: tile };
        await checkCached(device, { lengths: [65, 2, 30], heads: 4, keyValueHeads: 2, headDim: 8, cached: 19, plan });
      }
    }));

  it('gives the same function by blocks that a workgroup shares', () =>
    withDevice(async (device) => {
      const tile = { workgroupSize: 256, members: 1 };
      const shape = { heads: 4, keyValueHeads: 2, headDim: 8, cached: 41 };
      const plan = { forward: tile, backwardQuery: tile, backwardKey: tile };
      await checkCached(device, { ...shape, lengths: [30, 2, 9], plan });
      for (const window of [1, 25]) await checkCached(device, { ...shape, lengths: [1, 35], plan, window });
    }));

  it.each<DecodePlan>([
    { workgroupSize: 8, sharedQuery: false },
    { workgroupSize: 64, sharedQuery: true },
    { workgroupSize: 2, sharedQuery: true },
  ])('gives it spread over the keys, %o', (decode) =>
    withDevice(async (device) => {
      const shape = { heads: 4, keyValueHeads: 2, headDim: 8, decode };
      await checkCached(device, { ...shape, lengths: [1], cached: 1 });
      await checkCached(device, { ...shape, lengths: [1], cached: 301 });
      await checkCached(device, { ...shape, lengths: [3, 0, 20], cached: 70 });
      await checkCached(device, { ...shape, lengths: [1, 2], cached: 150, spread: 30 });
      await checkCached(device, { ...shape, heads: 3, keyValueHeads: 1, headDim: 6, lengths: [1, 1], cached: 40 });
      if (decode.workgroupSize === 64) await checkCached(device, { ...shape, headDim: 64, lengths: [1], cached: 99 });
      for (const window of [1, 25]) await checkCached(device, { ...shape, lengths: [1, 9], cached: 21, window });
    }),
  );

  it('is spread over the keys where tokens are few and keys many', () => {
    const few = { tokens: 1, headDim: 64, cacheLength: 500 };
    expect(planDecode(few, { software: false })).toEqual({ workgroupSize: 64, sharedQuery: true });
    expect(planDecode({ ...few, headDim: 128 }, { software: false })?.workgroupSize).toBe(32);
    expect(planDecode({ ...few, headDim: 256 }, { software: false })?.workgroupSize).toBe(16);
    expect(planDecode(few, { software: true })).toEqual({ workgroupSize: 8, sharedQuery: false });
    expect(planDecode({ ...few, tokens: 64 }, { software: false })).toBeNull();
    expect(planDecode({ ...few, tokens: 4 }, { software: true })).toBeNull();
  });

  for (const { name, options } of deviceConfigurations) {
    it(`works under ${name}`, () =>
      withDevice(async (device) => {
        const shape = { heads: 4, keyValueHeads: 2, headDim: 8 };
        await checkCached(device, { ...shape, lengths: [1], cached: 90 });
        await checkCached(device, { ...shape, lengths: [31, 20], cached: 30 });
      }, options));
  }

  it('refuses an empty cache and one that is too short', () =>
    withDevice(async (device) => {
      const slice = uploadFilled(device, 64);
      const slices = { query: slice, key: slice, value: slice, offsets: slice, sequenceOfToken: slice, out: slice };
      const shape = { tokens: 2, heads: 4, keyValueHeads: 2, headDim: 8, scale: 1 };
      const args = { ...slices, ...shape, cachedKey: slice, cachedValue: slice, cacheLength: 4 };
      expect(() => attentionCached(device, { ...args, cacheLength: 0 })).toThrow('cacheLength is 0');
      expect(() => attentionCached(device, { ...args, cacheLength: 5 })).toThrow('"cachedKey" holds 256 bytes');
      expect(() => attentionCached(device, { ...args, window: 0 })).toThrow('window is 0');
    }));
});

/** sampleNegatives against the reference draws, whatever the windows, and against chance. */
import { drawNegative } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, downloadIntegers, upload, withDevice } from '../../test/harness';
import { batchStride } from '../batches';
import { negativeAttempts, sampleNegatives } from './sample-negatives';

const candidates = Array.from({ length: 40 }, (_, i) => 3 * i + 2);
/** User 0 likes nothing, user 1 everything, three all but one in the middle, the first, the last two; others some. */
const positives = [
  [],
  candidates,
  candidates.filter((item) => item !== 50),
  candidates.slice(1),
  candidates.slice(0, -2),
  ...Array.from({ length: 5 }, (_, u) => candidates.filter((item) => item % (u + 2) === 0)),
];

describe.each(deviceConfigurations)('sampleNegatives, $name', ({ options }) => {
  it('draws what the reference draws', async () => {
    await withDevice(async (device) => {
      const offsets = [0];
      for (const own of positives) offsets.push(offsets.at(-1)! + own.length);
      const shared = {
        candidates: upload(device, Uint32Array.from(candidates)),
        candidateCount: candidates.length,
        positiveOffsets: upload(device, Uint32Array.from(offsets)),
        positives: upload(device, Uint32Array.from(positives.flat())),
      };
      const random = { epoch: 3, seed: 0xdeadbeef };
      const batchSize = 70;
      const stride = batchStride(device, batchSize);
      for (const [first, count] of [
        [0, 70],
        [140, 163],
      ] as const) {
        const batches = Math.ceil(count / batchSize);
        const users = new Uint32Array(batches * stride);
        const placeOf = (row: number) => Math.floor(row / batchSize) * stride + (row % batchSize);
        for (let row = 0; row < count; row++) users[placeOf(row)] = (row * 7) % positives.length;
        const out = upload(device, new Uint32Array(batches * stride).fill(999));
        sampleNegatives(device, {
          ...{ ...shared, ...random, users: upload(device, users), out },
          ...{ count, first, batches, batchSize, stride },
        });
        const got = await downloadIntegers(device, out);
        for (let row = 0; row < count; row++) {
          const own = new Set(positives[users[placeOf(row)]!]!);
          const item = got[placeOf(row)]!;
          expect(item).toBe(drawNegative(first + row, { ...random, attempts: negativeAttempts }, candidates, own));
          if (own.size < 40) expect(own.has(item)).toBe(false);
        }
        expect(got[placeOf(batchSize - 1) + 1]).toBe(999);
      }
    }, options);
  });
});

it('chooses evenly among the few that are left to who likes nearly everything', async () => {
  await withDevice(async (device) => {
    const count = 3000;
    const items = Uint32Array.from({ length: 5000 }, (_, i) => 2 * i + 1);
    const left = [1, 4999, 9999];
    const own = items.filter((item) => !left.includes(item));
    const out = upload(device, new Uint32Array(count + 1));
    sampleNegatives(device, {
      users: upload(device, new Uint32Array(count + 1)),
      candidates: upload(device, items),
      candidateCount: items.length,
      positiveOffsets: upload(device, Uint32Array.of(0, own.length)),
      positives: upload(device, own),
      ...{ out, count, first: 0, epoch: 0, seed: 3, batches: 1, batchSize: count, stride: count + 1 },
    });
    const drawn = [...(await downloadIntegers(device, out)).subarray(0, count)];
    const counts = left.map((item) => drawn.filter((other) => other === item).length);
    expect(counts.reduce((sum, value) => sum + value)).toBe(count);
    // Five standard deviations.
    for (const value of counts) expect(Math.abs(value - count / 3)).toBeLessThan(5 * Math.sqrt((count * 2) / 9));
  });
});

it('draws every candidate about as often', async () => {
  await withDevice(async (device) => {
    const count = 20_000;
    const out = upload(device, new Uint32Array(count + 1));
    sampleNegatives(device, {
      users: upload(device, new Uint32Array(count + 1)),
      candidates: upload(
        device,
        Uint32Array.from({ length: 50 }, (_, i) => i),
      ),
      candidateCount: 50,
      positiveOffsets: upload(device, Uint32Array.of(0, 1)),
      positives: upload(device, Uint32Array.of(7)),
      ...{ out, count, first: 0, epoch: 0, seed: 1, batches: 1, batchSize: count, stride: count + 1 },
    });
    const counts = new Float64Array(50);
    for (const item of (await downloadIntegers(device, out)).subarray(0, count)) counts[item]!++;
    expect(counts[7]).toBe(0);
    const mean = count / 49;
    const chiSquare = counts.reduce((sum, drawn, item) => (item === 7 ? sum : sum + (drawn - mean) ** 2 / mean), 0);
    // 48 degrees of freedom: five standard deviations.
    expect(chiSquare).toBeLessThan(48 + 5 * Math.sqrt(2 * 48));
  });
});

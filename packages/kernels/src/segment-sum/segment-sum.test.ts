/** segmentSum against the float64 scatter-add, and the host's grouping. */
import { expectClose, randomIntegers, randomNormal, reference, scatterAddRows, toFloat32 } from '@crossgate/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { segmentSum } from './segment-sum';
import { buildSegments } from './segments';

const shapes = [
  { n: 1, columns: 1, tableRows: 1 },
  { n: 17, columns: 3, tableRows: 5 },
  { n: 257, columns: 20, tableRows: 65 },
  { n: 65, columns: 63, tableRows: 300 },
  { n: 400, columns: 16, tableRows: 300 },
];

describe.each(deviceConfigurations)('segmentSum, $name', ({ options }) => {
  it('adds rows into their targets', async () => {
    await withDevice(async (device) => {
      for (const { n, columns, tableRows } of shapes) {
        for (const accumulate of [false, true]) {
          const values = randomNormal([n, columns], 3);
          const indices = randomIntegers(n, tableRows, 5);
          if (n > 4) indices[3] = -1;
          const { offsets, positions, targets } = buildSegments(indices, true);
          const before = reference([tableRows, columns], (i) => (i % 11) - 5);
          const out = upload(device, toFloat32(before));
          segmentSum(device, {
            values: upload(device, toFloat32(values)),
            segmentOffsets: upload(device, offsets),
            segmentPositions: upload(device, positions),
            targets: upload(device, targets),
            out,
            segments: targets.length,
            columns,
            accumulate,
          });
          const sums = scatterAddRows(values, indices, tableRows);
          const isTarget = new Set(targets);
          const expected = before.data.map((old, i) =>
            isTarget.has(Math.floor(i / columns)) ? (accumulate ? old : 0) + sums.data[i]! : old,
          );
          expectClose(await download(device, out), expected, {
            absolute: 2e-6,
            label: `segmentSum ${n}x${columns} into ${tableRows}, accumulate ${accumulate}`,
          });
        }
      }
    }, options);
  });
});

it('gives the same bits every time', async () => {
  await withDevice(async (device) => {
    const n = 999;
    const indices = randomIntegers(n, 7, 1);
    const { offsets, positions, targets } = buildSegments(indices);
    const values = upload(device, toFloat32(randomNormal([n, 12], 2)));
    const results: string[] = [];
    for (let run = 0; run < 3; run++) {
      const out = uploadFilled(device, 7 * 12);
      segmentSum(device, {
        values,
        segmentOffsets: upload(device, offsets),
        segmentPositions: upload(device, positions),
        targets: upload(device, targets),
        out,
        segments: targets.length,
        columns: 12,
      });
      results.push((await download(device, out)).join());
    }
    expect(new Set(results).size).toBe(1);
  });
});

describe('buildSegments', () => {
  it('groups positions stably by ascending target', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2, max: 9 })), fc.constantFrom(1, 1_000_000), (raw, spread) => {
        // A large spread takes the comparison sort, a small one the counting sort.
        const indices = Int32Array.from(raw, (index) => index * spread);
        const { offsets, positions, targets } = buildSegments(indices, true);
        const expected = [...new Set(raw.filter((index) => index >= 0))].sort((a, b) => a - b);
        expect([...targets]).toEqual(expected.map((index) => index * spread));
        expect(offsets.length).toBe(targets.length + 1);
        targets.forEach((target, s) => {
          const members = [...positions.subarray(offsets[s], offsets[s + 1])];
          expect(members).toEqual([...indices.keys()].filter((i) => indices[i] === target));
        });
        expect(offsets.at(-1)).toBe(positions.length);
      }),
    );
  });

  it('skips 0xffffffff like −1, or refuses it', () => {
    const { positions, targets } = buildSegments(Uint32Array.of(4, 0xffffffff, 4), true);
    expect([...positions]).toEqual([0, 2]);
    expect([...targets]).toEqual([4]);
    expect(() => buildSegments(Int32Array.of(0, -1))).toThrow(/position 1 is negative/);
  });
});

/** sortedSegments against the host's grouping, and what segmentSum makes of either. */
import { randomIntegers, randomNormal, toFloat32 } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, downloadIntegers, upload, withDevice } from '../../test/harness';
import { batchStride } from '../batches';
import { segmentSum } from '../segment-sum/segment-sum';
import { buildSegments } from '../segment-sum/segments';
import { elements } from '../slices';
import { sortedSegments } from './sorted-segments';

const none = 0xffffffff;
const shapes = [
  { count: 1, batchSize: 1, bound: 1 },
  { count: 3, batchSize: 1, bound: 2 },
  { count: 5, batchSize: 8, bound: 3 },
  { count: 64, batchSize: 64, bound: 7 },
  { count: 200, batchSize: 67, bound: 30 },
  { count: 700, batchSize: 257, bound: 5 },
  { count: 500, batchSize: 500, bound: 1_000_000 },
];

describe.each(deviceConfigurations)('sortedSegments, $name', ({ options }) => {
  it('groups each batch as the host does, and adds up to the same bits', async () => {
    await withDevice(async (device) => {
      for (const { count, batchSize, bound } of shapes) {
        const stride = batchStride(device, batchSize);
        const batches = Math.ceil(count / batchSize);
        const drawn = randomIntegers(count, bound, count);
        // What lies between the batches is nobody's.
        const keys = new Uint32Array(batches * stride).fill(12345);
        const hostKeys = Array.from({ length: batches }, (_, b) =>
          Uint32Array.from(drawn.slice(b * batchSize, (b + 1) * batchSize), (key, j) => (j % 13 === 5 ? none : key)),
        );
        for (const [b, own] of hostKeys.entries()) keys.set(own, b * stride);
        const filled = () => upload(device, new Uint32Array(batches * stride).fill(777));
        const [positions, offsets, targets] = [filled(), filled(), filled()];
        sortedSegments(device, {
          ...{ keys: upload(device, keys), positions, offsets, targets },
          ...{ count, batches, batchSize, stride },
        });
        const [gotPositions, gotOffsets, gotTargets] = [
          await downloadIntegers(device, positions),
          await downloadIntegers(device, offsets),
          await downloadIntegers(device, targets),
        ];
        for (const [b, own] of hostKeys.entries()) {
          const expected = buildSegments(own, true);
          const at = (array: Uint32Array) => [...array.subarray(b * stride, b * stride + own.length + 1)];
          const place = at(gotPositions);
          const bounds = at(gotOffsets);
          const found = at(gotTargets)
            .slice(0, own.length)
            .map((target, s) => ({ target, members: place.slice(bounds[s], bounds[s + 1]) }))
            .filter(({ target }) => target !== none);
          expect(found).toEqual(
            Array.from(expected.targets, (target, s) => ({
              target,
              members: [...expected.positions.subarray(expected.offsets[s], expected.offsets[s + 1])],
            })),
          );
          if (bound > 100) continue;
          const values = upload(device, toFloat32(randomNormal([own.length, 3], b + 1)));
          const sums = async (segments: Parameters<typeof segmentSum>[1]) => {
            segmentSum(device, segments);
            return await download(device, segments.out);
          };
          const out = () => upload(device, new Float32Array(bound * 3));
          const slice = (array: typeof positions, length: number) => elements(array, b * stride, length);
          const ours = await sums({
            ...{ values, out: out(), columns: 3, segments: own.length },
            segmentPositions: slice(positions, own.length),
            segmentOffsets: slice(offsets, own.length + 1),
            targets: slice(targets, own.length),
          });
          const theirs = await sums({
            ...{ values, out: out(), columns: 3, segments: expected.targets.length },
            segmentPositions: upload(device, expected.positions.length ? expected.positions : new Uint32Array(1)),
            segmentOffsets: upload(device, expected.offsets),
            targets: upload(device, expected.targets.length ? expected.targets : new Uint32Array(1)),
          });
          expect(ours).toEqual(theirs);
        }
      }
    }, options);
  });
});

it('refuses a count that does not fit, and batches that touch', async () => {
  await withDevice(async (device) => {
    const slice = upload(device, new Uint32Array(512));
    const slices = { keys: slice, positions: slice, offsets: slice, targets: slice };
    const layout = { batches: 2, batchSize: 10, stride: 64 };
    expect(() => sortedSegments(device, { ...slices, ...layout, count: 10 })).toThrow(/10 rows do not make 2 batches/);
    expect(() => sortedSegments(device, { ...slices, ...layout, stride: 10, count: 20 })).toThrow(/leaves no room/);
  });
});

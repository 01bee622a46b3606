/** The batches of an epoch on the device: complete, shuffled, sorted. */
import { openDevice } from '@crossgate/gpu/node';
import { buildSegments } from '@crossgate/kernels';
import type { DeviceIndices } from '@crossgate/tensor';
import { describe, expect, it } from 'vitest';
import { epochOrder } from '../src';
import { DeviceBatches } from '../src/device-batches';
import { clicks, itemSeen } from './toy';

const none = 0xffffffff;
const train = clicks(83, 5);
const columns = {
  user: Uint32Array.from(train.user),
  item: Uint32Array.from(train.item),
  label: Float32Array.from(train.label),
};
const seed = 7;

/** A window of the second takes three batches of four. */
const devices = [
  ["the adapter's own limits", {}],
  ['low limits', { limits: { maxStorageBufferBindingSize: 1024 } }],
] as const;

/** The segments that name a row, as segmentSum reads them. */
async function groups({ segments }: DeviceIndices): Promise<{ target: number; members: number[] }[]> {
  const { offsets, positions, targets } = segments!;
  const [bounds, places] = [await offsets.readIntegers(), await positions.readIntegers()];
  return Array.from(await targets.readIntegers(), (target, s) => ({
    target,
    members: [...places.subarray(bounds[s], bounds[s + 1])],
  })).filter(({ target }) => target !== none);
}

describe.each(devices)('DeviceBatches with %s', (_, options) => {
  it('takes every row once an epoch, in the order that the host can tell, with negatives and segments', async () => {
    const device = await openDevice(options);
    const rows = new DeviceBatches(device, columns, {
      ...{ batchSize: 4, seed, userGradients: true },
      negatives: { itemSeen, known: train },
    });
    expect(rows.length).toBe(21);
    const liked = new Set(
      Array.from(train.user, (user, row) => (train.label[row] ? `${user} ${train.item[row]}` : '')),
    );
    const seenOrders: string[] = [];
    for (const epoch of [0, 1]) {
      const order = epochOrder(train.rows, seed, epoch);
      seenOrders.push(order.join());
      expect([...order].sort((a, b) => a - b)).toEqual([...order.keys()]);
      for (const { rows: count, first, users, items, labels, negatives } of rows.epoch(epoch)) {
        const own = order.subarray(first, first + count);
        expect([...epochOrder(train.rows, seed, epoch, first, count)]).toEqual([...own]);
        expect([...(await users.indices.readIntegers())]).toEqual(Array.from(own, (row) => train.user[row]));
        expect([...(await items.indices.readIntegers())]).toEqual(Array.from(own, (row) => train.item[row]));
        expect([...(await labels.read())]).toEqual(Array.from(own, (row) => train.label[row]));
        for (const indices of [users, items, negatives!]) {
          const ids = Uint32Array.from(await indices.indices.readIntegers());
          const { offsets, positions, targets } = buildSegments(ids);
          expect(await groups(indices)).toEqual(
            Array.from(targets, (target, s) => ({
              target,
              members: [...positions.subarray(offsets[s], offsets[s + 1])],
            })),
          );
        }
        const sampled = await negatives!.indices.readIntegers();
        own.forEach((row, i) => {
          expect(itemSeen[sampled[i]!]).toBe(1);
          expect(liked.has(`${train.user[row]} ${sampled[i]}`)).toBe(false);
        });
      }
    }
    expect(new Set(seenOrders).size).toBe(2);
    rows.release();
    expect(device.memory.report().persistent).toEqual({});
    device.destroy();
  });
});

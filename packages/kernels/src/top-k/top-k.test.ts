/** topK against a full sort: exactly, ties included, on whole numbers; the scores to rounding on others. */
import type { Device } from '@crossgate/gpu';
import { expectClose, largest, randomIntegers, randomNormal, toFloat32 } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, downloadIntegers, upload, withDevice } from '../../test/harness';
import { planTopK, topK } from './top-k';

interface Case {
  readonly users: Float32Array;
  readonly items: Float32Array;
  readonly bias: Float32Array;
  readonly excluded: readonly (readonly number[])[];
  readonly columns: number;
  readonly k: number;
  readonly parts?: number;
}

async function run(device: Device, { users, items, bias, excluded, columns, k, parts }: Case) {
  const userRows = excluded.length;
  const shape = { userRows, itemRows: bias.length, k };
  const offsets = [0];
  for (const own of excluded) offsets.push(offsets.at(-1)! + own.length);
  const all = excluded.flat();
  const scores = upload(device, new Float32Array(userRows * k));
  const ids = upload(device, new Uint32Array(userRows * k));
  const counts = upload(device, new Uint32Array(userRows));
  topK(device, {
    ...{ users: upload(device, users), items: upload(device, items), bias: upload(device, bias), scores, ids, counts },
    excludedOffsets: upload(device, Uint32Array.from(offsets)),
    excluded: upload(device, Uint32Array.from(all.length > 0 ? all : [0])),
    ...{ ...shape, columns, ...(parts !== undefined && { plan: { ...planTopK(shape, device.capabilities), parts } }) },
  });
  const [gotScores, gotIds, gotCounts] = [
    await download(device, scores),
    await downloadIntegers(device, ids),
    await downloadIntegers(device, counts),
  ];
  return Array.from(gotCounts, (count, user) => ({
    ids: [...gotIds.subarray(user * k, user * k + count)],
    scores: [...gotScores.subarray(user * k, user * k + count)],
  }));
}

function brute({ users, items, bias, excluded, columns, k }: Case) {
  return excluded.map((own, user) => {
    const scores = Float64Array.from(bias, (b, item) => {
      let sum = b;
      for (let c = 0; c < columns; c++) sum += users[user * columns + c]! * items[item * columns + c]!;
      return sum;
    });
    const ids = largest(scores, k, (item) => bias[item]! > -1e29 && !own.includes(item));
    return { ids, scores: ids.map((id) => scores[id]!) };
  });
}

/** Small whole numbers: products are exact and tie often. One item in seven may not be given. */
function wholeNumbers(userRows: number, itemRows: number, columns: number, k: number): Case {
  const small = (count: number, seed: number) => Float32Array.from(randomIntegers(count, 5, seed), (x) => x - 2);
  return {
    users: small(userRows * columns, 1),
    items: small(itemRows * columns, 2),
    bias: small(itemRows, 3).map((value, item) => (item % 7 === 3 ? -1e30 : value)),
    excluded: Array.from({ length: userRows }, (_, user) =>
      Array.from({ length: itemRows }, (_, item) => item).filter((item) => (item * 3 + user) % 19 === 0 && user !== 1),
    ),
    ...{ columns, k },
  };
}

describe.each(deviceConfigurations)('topK, $name', ({ options }) => {
  it('gives the order of a full sort, ties by the lower number', async () => {
    await withDevice(async (device) => {
      for (const [userRows, itemRows, columns, k] of [
        [1, 1, 1, 1],
        [3, 9, 4, 20],
        [17, 130, 5, 7],
        [40, 701, 8, 10],
        [5, 300, 3, 100],
      ] as const) {
        const one = wholeNumbers(userRows, itemRows, columns, k);
        const expected = brute(one);
        for (const parts of [undefined, 1, 5]) {
          expect(await run(device, { ...one, ...(parts !== undefined && { parts }) })).toEqual(expected);
        }
      }
    }, options);
  });
});

it('orders real scores as float64 does', async () => {
  await withDevice(async (device) => {
    const [userRows, itemRows, columns] = [9, 500, 24];
    const one: Case = {
      users: toFloat32(randomNormal([userRows, columns], 1)),
      items: toFloat32(randomNormal([itemRows, columns], 2)),
      bias: toFloat32(randomNormal([itemRows], 3)),
      excluded: Array.from({ length: userRows }, () => []),
      ...{ columns, k: 12 },
    };
    const [got, expected] = [await run(device, one), brute(one)];
    got.forEach(({ ids, scores }, user) => {
      expect(new Set(ids).size).toBe(12);
      expectClose(Float32Array.from(scores), Float64Array.from(expected[user]!.scores), {
        absolute: 1e-5,
        label: 'scores',
      });
    });
  });
});

it('never gives what is no number, and gives nothing where nothing is left', async () => {
  await withDevice(async (device) => {
    const one: Case = {
      users: Float32Array.of(1, Number.NaN, 1),
      items: Float32Array.of(4, Number.NaN, 6),
      bias: new Float32Array(3),
      excluded: [[], [], [0, 2]],
      ...{ columns: 1, k: 2 },
    };
    const got = await run(device, one);
    expect(got.map(({ ids }) => ids)).toEqual([[2, 0], [], []]);
  });
});

describe('planTopK', () => {
  it('divides few users among many parts, not below the size at which that pays', () => {
    const partsOf = (userRows: number, itemRows: number, k: number, software = false) =>
      planTopK({ userRows, itemRows, k }, { software }).parts;
    expect(partsOf(10_000, 1_000_000, 10)).toBe(2);
    expect(partsOf(1, 1_000_000, 10)).toBe(15_625);
    expect(partsOf(1, 100, 10)).toBe(1);
    expect(partsOf(1, 10_000, 1000)).toBe(2);
    expect(partsOf(1000, 10_000, 10, true)).toBe(1);
  });
});

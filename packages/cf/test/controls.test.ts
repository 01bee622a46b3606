/** Controls give vectors of other items and users, the same by seed, and change nothing of what was never seen. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CfBackend, type CfControl, cfControls, controlBackend, MatrixFactorization, SasRec } from '../src';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const [users, items, cfDim] = [7, 9, 4];
/** The last user and the last two items are unseen; index 0 is the padding. */
const userSeen = Uint8Array.from({ length: users + 1 }, (_, i) => Number(i > 0 && i < users));
const itemSeen = Uint8Array.from({ length: items + 1 }, (_, i) => Number(i > 0 && i < items - 1));
const factors = () => MatrixFactorization.create(device, { cfDim, seed: 3, userSeen, itemSeen });
const ids = (count: number) => Uint32Array.from({ length: count + 1 }, (_, i) => i);

/** Vectors as lists of numbers by id. */
async function vectors(backend: CfBackend, of: 'userVectors' | 'itemVectors', count: number) {
  using _ = device.step();
  const values = await backend[of](ids(count)).read();
  return Array.from(ids(count), (id) => [...values.subarray(id * cfDim, (id + 1) * cfDim)]);
}
const sorted = (rows: readonly number[][]) => rows.map((row) => row.join()).sort();

describe.each([
  ['permuted-items', 'itemVectors', 'userVectors', items, users, itemSeen],
  ['permuted-at-evaluation', 'itemVectors', 'userVectors', items, users, itemSeen],
  ['permuted-users', 'userVectors', 'itemVectors', users, items, userSeen],
] as const)('%s', (control: CfControl, permuted, kept, count, others, seen) => {
  it('gives each seen one the vector of another seen one, and changes nothing else', async () => {
    const model = factors();
    const { backend, release } = await controlBackend(model, control, 5);
    const [before, after] = [await vectors(model, permuted, count), await vectors(backend, permuted, count)];
    expect(sorted(after)).toEqual(sorted(before));
    for (const [id, vector] of after.entries()) {
      if (seen[id] === 1) expect(vector, `id ${id}`).not.toEqual(before[id]);
      else expect(vector, `id ${id}`).toEqual(Array(cfDim).fill(0));
    }
    expect(await vectors(backend, kept, others)).toEqual(await vectors(model, kept, others));
    // The same by its seed, another by another.
    const again = async (seed: number) =>
      vectors((await controlBackend(model, control, seed)).backend, permuted, count);
    expect(await again(5)).toEqual(after);
    expect(await again(6)).not.toEqual(after);
    using _ = device.step();
    expect(() => backend[permuted](Uint32Array.of(count + 1))).toThrow(
      `id ${count + 1} is out of range (0 … ${count})`,
    );
    release();
    model.release();
  });
});

it('permuted-users of a model that reads histories permutes the items in them, and clicks keep their sign', async () => {
  const options = { cfDim, historyLength: 5, blocks: 1, heads: 1, norm: 'pre', dropout: 0 } as const;
  const model = SasRec.create(device, { ...options, seed: 2, userSeen, itemSeen });
  const { backend } = await controlBackend(model, 'permuted-users', 5);
  const read: Int32Array[] = [];
  const inner = model.userVectors.bind(model);
  model.userVectors = (rows, histories) => {
    read.push(...(histories ?? []));
    return inner(
      rows,
      histories?.map((list) => list.map(Math.abs)),
    );
  };
  const history = Int32Array.of(1, -2, 0, 3);
  {
    using _ = device.step();
    await backend.userVectors(Uint32Array.of(1, 2), [history, history]).read();
  }
  const [first, second] = read;
  expect(first).toEqual(second);
  expect([...first!].map(Math.sign)).toEqual([1, -1, 0, 1]);
  for (const [i, entry] of history.entries()) if (entry !== 0) expect(Math.abs(first![i]!)).not.toBe(Math.abs(entry));
  expect(await vectors(backend, 'itemVectors', items)).toEqual(await vectors(model, 'itemVectors', items));
  model.release();
});

it('random-vectors are as long as those of the model, drawn by the seed, and zero where nothing was seen', async () => {
  const model = factors();
  const rootMeanSquare = (rows: readonly number[][]) => {
    const values = rows.flat().filter((value) => value !== 0);
    return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  };
  const before = await vectors(model, 'itemVectors', items);
  const { backend, release } = await controlBackend(model, 'random-vectors', 5);
  const after = await vectors(backend, 'itemVectors', items);
  expect(after).not.toEqual(before);
  expect(rootMeanSquare(after) / rootMeanSquare(before)).toBeGreaterThan(0.6);
  expect(rootMeanSquare(after) / rootMeanSquare(before)).toBeLessThan(1.6);
  for (const id of [0, items - 1, items]) expect(after[id]).toEqual(Array(cfDim).fill(0));
  expect(after).not.toEqual(await vectors(backend, 'userVectors', users).then((rows) => rows.slice(0, items + 1)));
  release();
  // The model is its owner's still.
  expect(await vectors(model, 'itemVectors', items)).toEqual(before);
  model.release();
});

it('every control keeps widths and flags', async () => {
  const model = factors();
  for (const control of cfControls) {
    const { backend, release } = await controlBackend(model, control, 1);
    expect([backend.cfDim, backend.userSeen, backend.itemSeen, backend.historyLength]).toEqual([
      cfDim,
      userSeen,
      itemSeen,
      0,
    ]);
    release();
  }
  model.release();
});

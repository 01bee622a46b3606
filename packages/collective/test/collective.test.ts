/** Sums and messages of ranks in one process: what they give, and that their order is that of the ranks. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alone, inProcess, shareOf, type Wire } from '../src';
import { launchedRank, launchedRanks } from '../src/launch';

/** Sums what each rank has, on all of them at once. */
async function summed(given: readonly Float32Array[], wire?: Wire): Promise<Float32Array[]> {
  const values = given.map((each) => each.slice());
  await Promise.all(inProcess(given.length).map((ranks, rank) => ranks.allReduce(values[rank]!, wire)));
  return values;
}

describe.each([1, 2, 3, 5])('%i ranks', (size) => {
  it('sums in the order of the ranks, to the same bits on all', async () => {
    for (const length of [0, 1, size, 1000]) {
      const given = Array.from({ length: size }, (_, rank) =>
        Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898 + rank * 78.233) * 10 ** ((i % 7) - 3)),
      );
      const expected = given[0]!.slice();
      for (const own of given.slice(1)) for (let i = 0; i < length; i++) expected[i]! += own[i]!;
      for (const values of await summed(given))
        expect(Buffer.from(values.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    }
  });

  it('broadcasts, gathers and waits', async () => {
    const order: number[] = [];
    const results = await Promise.all(
      inProcess(size).map(async (ranks, rank) => {
        const told = await ranks.broadcast(Uint8Array.from(rank === 0 ? [7, 8, 9] : []));
        const all = await ranks.allGather(new Uint8Array(rank).fill(rank));
        order.push(1);
        await ranks.barrier();
        order.push(2);
        return [[...told], all.map((bytes) => [...bytes])];
      }),
    );
    const parts = Array.from({ length: size }, (_, rank) => Array.from({ length: rank }, () => rank));
    for (const result of results) expect(result).toEqual([[7, 8, 9], parts]);
    expect(order.slice(0, size)).toEqual(Array.from({ length: size }, () => 1));
  });
});

it('sums values of more than one piece', async () => {
  const length = 2 ** 22 + 3;
  const [a, b] = await summed([new Float32Array(length).fill(1), new Float32Array(length).fill(2)]);
  expect(a!.every((value) => value === 3)).toBe(true);
  expect(b!.every((value) => value === 3)).toBe(true);
});

it('rounds to halves on the wire, and gives all ranks the same', async () => {
  const [a, b] = await summed([Float32Array.of(1, 1 / 3, 70_000, 1e-9), Float32Array.of(2, 1 / 3, 0, 0)], 'f16');
  expect([...a!]).toEqual([3, Math.fround(0.66650390625), Number.POSITIVE_INFINITY, 0]);
  expect(b).toEqual(a);
});

it('does nothing alone', async () => {
  const values = Float32Array.of(1, 1 / 3);
  await alone.allReduce(values, 'f16');
  expect(values).toEqual(Float32Array.of(1, 1 / 3));
  const bytes = Uint8Array.of(5);
  expect(await alone.broadcast(bytes)).toBe(bytes);
  expect(await alone.allGather(bytes)).toEqual([bytes]);
});

it('shares rows without gap or overlap, as evenly as it can', () => {
  fc.assert(
    fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 64 }), (count, size) => {
      const shares = Array.from({ length: size }, (_, rank) => shareOf(count, { rank, size }));
      expect(shares[0]!.start).toBe(0);
      expect(shares.at(-1)!.end).toBe(count);
      for (const [rank, { start }] of shares.entries()) if (rank > 0) expect(start).toBe(shares[rank - 1]!.end);
      const lengths = shares.map(({ start, end }) => end - start);
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
    }),
  );
});

it.each([
  [{}, null, 0],
  [{ OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '2', SLURM_STEP_NUM_TASKS: '1' }, 4, 2],
  [{ SLURM_STEP_NUM_TASKS: '8', SLURM_PROCID: '3', PMIX_RANK: '3' }, 8, 3],
  // A batch script of Slurm that starts the program by itself.
  [{ SLURM_NTASKS: '8', SLURM_PROCID: '0' }, null, 0],
  [{ PMI_SIZE: '2', PMI_RANK: '1' }, 2, 1],
])('reads what a launcher says: %o', (env, ranks, rank) => {
  expect(launchedRanks(env)).toBe(ranks);
  expect(launchedRank(env)).toBe(rank);
});

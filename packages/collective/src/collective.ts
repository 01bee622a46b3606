/** What ranks do together: sums, messages from one to all, and waiting for each other. */

/** In which type the values of a sum travel between ranks. `f16` halves the bytes, and rounds twice. */
export type Wire = 'f32' | 'f16';

/**
 * The ranks of a job, as one of them sees them. All ranks must make the same calls in the same order, one at a time. With
 * one rank, every call returns at once and changes nothing.
 */
export interface Collective {
  /** Number of this rank, from 0. */
  readonly rank: number;
  /** Number of ranks, at least 1. */
  readonly size: number;
  /**
   * Replaces the values of every rank by their sum over all ranks, added in the order of the ranks: the same values give
   * the same bits each time, and all ranks get the same bits.
   *
   * @param values as many on every rank.
   * @param wire default `f32`. With `f16` every rank's values are rounded to halves before they are added in f32, and the
   * sum is rounded once more; beyond 65,504 a value becomes infinite.
   * @throws RankLostError when a rank has ended.
   */
  allReduce(values: Float32Array, wire?: Wire): Promise<void>;
  /** The bytes that rank 0 gives; what the others give is not read. @throws RankLostError when a rank has ended. */
  broadcast(bytes: Uint8Array): Promise<Uint8Array>;
  /** The bytes of every rank, in the order of the ranks. @throws RankLostError when a rank has ended. */
  allGather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Waits until every rank has come here. @throws RankLostError when a rank has ended. */
  barrier(): Promise<void>;
}

/** A job of one rank. */
export const alone: Collective = {
  rank: 0,
  size: 1,
  async allReduce() {},
  broadcast: async (bytes) => bytes,
  allGather: async (bytes) => [bytes],
  async barrier() {},
};

/** A range of rows, from `start` up to but not including `end`. */
export interface Share {
  /** The first row. */
  readonly start: number;
  /** The row behind the last. */
  readonly end: number;
}

/**
 * Which of `count` rows a rank takes: the ranges of all ranks follow each other, and their lengths differ by at most one.
 * A range is empty where there are fewer rows than ranks.
 */
export function shareOf(count: number, { rank, size }: Pick<Collective, 'rank' | 'size'>): Share {
  const at = (r: number) => Math.floor((count * r) / size);
  return { start: at(rank), end: at(rank + 1) };
}

/** Several ranks in one process: for tests, and to see what a job of n ranks computes without starting one. */
import type { Collective } from './collective';
import { partsOf } from './parts';
import { collectiveOver, type Transport } from './transport';

/** Where ranks leave what they give, and wait for the others. */
class Meeting {
  #given: (readonly Uint8Array[])[] = [];
  #arrived = 0;
  #met = later<(readonly Uint8Array[])[]>();

  constructor(readonly size: number) {}

  /** What every rank gave, in the order of the ranks, once all have given. */
  meet(rank: number, parts: readonly Uint8Array[]): Promise<(readonly Uint8Array[])[]> {
    const { promise } = this.#met;
    // Copied: who gave it may change it as soon as it has all of the others.
    this.#given[rank] = parts.map((part) => part.slice());
    if (++this.#arrived === this.size) {
      this.#met.resolve(this.#given);
      this.#given = [];
      this.#arrived = 0;
      this.#met = later();
    }
    return promise;
  }
}

/**
 * The ranks of a job in this process. Each must be used by code of its own, and all of it at the same time.
 *
 * @param size number of ranks, at least 1.
 * @returns [size] one for each rank.
 */
export function inProcess(size: number): Collective[] {
  const meeting = new Meeting(size);
  const transport = (rank: number): Transport => ({
    rank,
    size,
    async allToAll(send, sendCounts, receive) {
      const parts = partsOf(send, sendCounts);
      place(
        (await meeting.meet(rank, parts)).map((given) => given[rank]!),
        receive,
      );
    },
    async allGather(send, receive) {
      place(
        (await meeting.meet(rank, [send])).map(([given]) => given!),
        receive,
      );
    },
    async broadcast(bytes) {
      const [[given] = []] = await meeting.meet(rank, rank === 0 ? [bytes] : []);
      if (rank !== 0) bytes.set(given!);
    },
    async barrier() {
      await meeting.meet(rank, []);
    },
  });
  return Array.from({ length: size }, (_, rank) => collectiveOver(transport(rank)));
}

/** Writes parts behind each other. */
function place(parts: readonly Uint8Array[], out: Uint8Array): void {
  let end = 0;
  for (const part of parts) {
    out.set(part, end);
    end += part.length;
  }
}

/** A promise that is resolved from outside; Node 20 has no `Promise.withResolvers`. */
function later<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Numbers and answers of ranks, by the calls of a `Collective`. With one rank, each gives back what it was given. */
import type { Collective } from './collective';

type Values = Float32Array | Float64Array;

const bytesOf = ({ buffer, byteOffset, byteLength }: Values) => new Uint8Array(buffer, byteOffset, byteLength);

/** Bytes as numbers of the kind of `like`. */
function valuesOf<V extends Values>(bytes: Uint8Array, like: V): V {
  // A copy begins where numbers may.
  return new (like.constructor as new (buffer: ArrayBufferLike) => V)(bytes.slice().buffer);
}

/** The numbers of all ranks behind each other, in the order of the ranks. @throws RankLostError when a rank has ended. */
export async function gatherValues<V extends Values>(collective: Collective, own: V): Promise<V> {
  if (collective.size === 1) return own;
  const parts = (await collective.allGather(bytesOf(own))).map((bytes) => valuesOf(bytes, own));
  const kind = own.constructor as new (length: number) => V;
  const all = new kind(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

/**
 * The numbers of rank 0: what follows from them is then the same on all ranks, whatever their devices.
 *
 * @throws RankLostError when a rank has ended.
 */
export async function valuesOfRankZero<V extends Values>(collective: Collective, own: V): Promise<V> {
  return collective.size === 1 ? own : valuesOf(await collective.broadcast(bytesOf(own)), own);
}

/** Whether any rank says yes. @throws RankLostError when a rank has ended. */
export async function someRank(collective: Collective, own: boolean): Promise<boolean> {
  return (await collective.allGather(Uint8Array.of(Number(own)))).some(([answer]) => answer === 1);
}

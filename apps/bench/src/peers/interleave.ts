/** Times several implementations in turns, so that a machine that slows down slows all of them. */
import { InterruptedError } from '@crossgate/core';
import { type MeasureOptions, median } from '../measure';
import { PeerProblem } from './process';

/** Who is timed. */
export interface Participant {
  readonly name: string;
  /** Milliseconds of `calls` calls on the wall clock, until the device is done. */
  time(calls: number): Promise<number>;
}

/** Milliseconds of a call, of each batch in order, by name; and why some have none. */
export interface Turns {
  readonly rounds: Readonly<Record<string, readonly number[]>>;
  readonly failed: Readonly<Record<string, string>>;
}

/** Results of a batch are kept until it is done: so many fit anywhere. */
const mostCalls = 200;

/**
 * Times all in rounds. The first call of each compiles, the second one sets the number of calls in its batches. Every round
 * begins with another one.
 *
 * @throws what a participant throws, but for a {@link PeerProblem}: with it, the others go on; InterruptedError
 */
export async function interleave(
  participants: readonly Participant[],
  { repeats = 7, batchMilliseconds = 20 }: Pick<MeasureOptions, 'repeats' | 'batchMilliseconds'> = {},
  signal?: AbortSignal,
): Promise<Turns> {
  const rounds: Record<string, number[]> = {};
  const failed: Record<string, string> = {};
  const calls = new Map<string, number>();
  const batch = async ({ name, time }: Participant, count: number): Promise<number | undefined> => {
    if (signal?.aborted) throw new InterruptedError();
    if (name in failed) return undefined;
    try {
      return (await time(count)) / count;
    } catch (error) {
      if (!(error instanceof PeerProblem)) throw error;
      failed[name] = error.message;
      delete rounds[name];
      return undefined;
    }
  };
  for (const participant of participants) {
    await batch(participant, 1);
    const once = await batch(participant, 1);
    const wanted = Math.round(batchMilliseconds / Math.max(once ?? 1, 1e-4));
    calls.set(participant.name, Math.max(1, Math.min(mostCalls, wanted)));
    if (once !== undefined) rounds[participant.name] = [];
  }
  for (let round = 0; round < repeats; round++) {
    for (let turn = 0; turn < participants.length; turn++) {
      const participant = participants[(round + turn) % participants.length]!;
      const ms = await batch(participant, calls.get(participant.name)!);
      if (ms !== undefined) rounds[participant.name]!.push(ms);
    }
  }
  return { rounds, failed };
}

/** The median of a participant's batches; null where it has none. */
export function medianOf(samples: readonly number[] | undefined): number | null {
  return samples === undefined || samples.length === 0 ? null : median([...samples].sort((a, b) => a - b));
}

/** Times several implementations in turns, so that a machine that slows down slows all of them. */
import { InterruptedError } from '@crossgate/core';
import { type MeasureOptions, median } from '../measure';
import { PeerProblem } from './process';
import type { TimedAnswer } from './protocol';

/** Who is timed. */
export interface Participant {
  readonly name: string;
  /** Times `calls` calls, until the device is done. */
  time(calls: number): Promise<TimedAnswer>;
}

/** Milliseconds of a call, of each batch in order, by name; and why some have none. */
export interface Turns {
  readonly rounds: Readonly<Record<string, readonly TimedAnswer[]>>;
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
  const rounds: Record<string, TimedAnswer[]> = {};
  const failed: Record<string, string> = {};
  const calls = new Map<string, number>();
  const batch = async ({ name, time }: Participant, count: number): Promise<TimedAnswer | undefined> => {
    if (signal?.aborted) throw new InterruptedError();
    if (name in failed) return undefined;
    try {
      const { ms, processor } = await time(count);
      return { ms: ms / count, processor: processor / count };
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
    const wanted = Math.round(batchMilliseconds / Math.max(once?.ms ?? 1, 1e-4));
    calls.set(participant.name, Math.max(1, Math.min(mostCalls, wanted)));
    if (once !== undefined) rounds[participant.name] = [];
  }
  for (let round = 0; round < repeats; round++) {
    for (let turn = 0; turn < participants.length; turn++) {
      const participant = participants[(round + turn) % participants.length]!;
      const timed = await batch(participant, calls.get(participant.name)!);
      if (timed !== undefined) rounds[participant.name]!.push(timed);
    }
  }
  return { rounds, failed };
}

/** A participant's batches as one: the median on the wall clock, the fastest, and the median of processor time. */
export interface Summary {
  readonly ms: number;
  readonly fastest: number;
  readonly processor: number;
}

/** Sums up a participant's batches; undefined where it has none. */
export function summarize(samples: readonly TimedAnswer[] | undefined): Summary | undefined {
  if (samples === undefined || samples.length === 0) return undefined;
  const ordered = (key: keyof TimedAnswer) => samples.map((sample) => sample[key]).sort((a, b) => a - b);
  const wall = ordered('ms');
  return { ms: median(wall), fastest: wall[0]!, processor: median(ordered('processor')) };
}

/** How all ranks of a job end when one of them is told to. */
import { someRank } from '@crossgate/collective';
import { InterruptedError } from '@crossgate/core';
import type { Session } from '../session';

/**
 * Ends the work once a rank was told to stop; called between units of work, on all ranks. A rank that ended alone would
 * leave the others waiting for it.
 * @throws InterruptedError on all ranks
 */
export async function stopTogether({ collective, signal }: Pick<Session, 'collective' | 'signal'>): Promise<void> {
  if (await someRank(collective, signal.aborted)) throw new InterruptedError();
}

/** What goes wrong between ranks. */
import { InterruptedError } from '@crossgate/core';

/** Another rank of the job has ended, so this one cannot go on. What was saved before is good. */
export class RankLostError extends InterruptedError {
  override name = 'RankLostError';

  /** @param rank that has ended; null where it is not known which */
  constructor(readonly rank: number | null) {
    super(rank === null ? 'another rank does not answer' : `rank ${rank} has ended`, { code: 'ranks.lost' });
  }
}

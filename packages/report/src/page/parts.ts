/** Parts of the page that may be missing: data, a model or a GPU is not there, or the run does not hold what is shown. */
import { describeError, type Log } from '@crossgate/core';
import { type Markup, missing } from './html';

/** Something that is not on the page. */
export interface MissingPart {
  /** Names of the runs. */
  readonly runs: readonly string[];
  /** Which part, such as `items`. */
  readonly part: string;
  /** Why. */
  readonly reason: string;
}

/** Errors that leave a part out; any other ends the report. */
const tolerated =
  /^(data\.(not-found|unprepared|other)|model\.not-found|tokenizer\.missing|gpu\.(none|memory)|memory\.exceeded|run\.(not-held|not-comparable|other-config))$/;

/** Collects what is missing. */
export class Parts {
  /** What is missing so far. */
  readonly missing: MissingPart[] = [];

  constructor(private readonly log: Log) {}

  /** Notes that a part is missing, and says so in its place. */
  leaveOut(part: string, runs: readonly string[], reason: string): Markup {
    this.missing.push({ part, runs, reason });
    return missing(runs.length === 0 ? reason : `${runs.join(', ')}: ${reason}`);
  }

  /** Makes a part, or says why it is missing. @throws what is no reason to leave it out */
  async attempt(part: string, runs: readonly string[], make: () => Promise<Markup>): Promise<Markup> {
    try {
      return await make();
    } catch (error) {
      const code = (error as { readonly code?: unknown } | null)?.code;
      if (typeof code !== 'string' || !tolerated.test(code)) throw error;
      const reason = describeError(error);
      // That a run is of another kind is no fault.
      if (!/^run\.not-/.test(code)) this.log.warn(`${part}, ${runs.join(', ')}: ${reason}`);
      return this.leaveOut(part, runs, reason);
    }
  }
}

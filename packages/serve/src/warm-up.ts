/** Work that is done before anybody waits for it. */
import type { LiveRun, Person } from '@crossgate/experiment';

/** What a server is warmed up with. */
export interface WarmUpOptions {
  /** The most items that are scored: how many CF hands to the language model. Default: 200. */
  readonly candidates?: number;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** Users that are looked at to find one whom the models know. */
const LOOKED_AT = 1000;

/**
 * Asks a run for one list, so that the GPU's programs are compiled before the first request comes: await it before
 * listening.
 * @throws what the run throws; the reason of `signal`
 */
export async function warmUp(run: LiveRun, { candidates = 200, signal }: WarmUpOptions = {}): Promise<void> {
  // A title that prompts have no room for fails the lists that hold it, not the server.
  const fitting = run.items({ limit: candidates }).filter(({ title }) => run.fits(title));
  const among = fitting.map(({ id }) => id);
  if (among.length === 0) return;
  // Of somebody without likes the popular items are the list, for which nothing is computed.
  const user = run.users({ limit: LOOKED_AT }).find((id) => {
    const { known, events } = run.user(id)!;
    return known === 'trained' && events.some(({ label }) => label === 1);
  });
  const person: Person = user === undefined ? { history: among.slice(0, 1) } : { user };
  await run.recommend(person, { top: 1, candidates, among, ...(signal && { signal }) });
}

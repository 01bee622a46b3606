/** Work that is done before anybody waits for it. */
import type { LiveRun, Person } from '@crossgate/experiment';

/** How {@link warmUp} asks. */
export interface WarmUpOptions {
  /** Of the server; a run without CF scores as many items as that, not all. Default: 200. */
  readonly candidates?: number;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/**
 * Asks a run for one list, so that the GPU's programs are compiled before the first request comes: await it before
 * listening.
 * @throws what the run throws; the reason of `signal`
 */
export async function warmUp(run: LiveRun, { candidates = 200, signal }: WarmUpOptions = {}): Promise<void> {
  const items = run.items({ limit: candidates }).map(({ id }) => id);
  const [user] = run.users({ limit: 1 });
  if (items.length === 0) return;
  const person: Person = user === undefined ? { history: items.slice(0, 1) } : { user };
  const among = run.parts.cf ? {} : { among: items };
  await run.recommend(person, { top: 1, candidates, ...among, ...(signal && { signal }) });
}

/** Lists of one user after another by a finished run: the same as `recommend` for that user. */
import type { Where } from '@crossgate/data';
import type { RepeatRule } from '@crossgate/eval';
import { findOwnMethod } from '../config/own-methods';
import type { LiveData } from '../live/live-data';
import { canBeLive } from '../live/live-models';
import { HANDED_ON } from '../live/live-run';
import { openLiveModels } from '../live/open-live-run';
import type { RunFiles } from '../open-run';
import { findRunner } from '../runners';
import type { Session } from '../session';
import type { StoredList } from './list-formats';

/** What every list is made with. */
export interface ListerOptions {
  /** The most items for a user. */
  readonly top: number;
  /** How many items CF hands to the language model; runs without both ignore it. Default: 200. */
  readonly rerank?: number | undefined;
  /** Ids of the only items to choose from; default: all that a user has no event with. */
  readonly among?: readonly string[] | undefined;
  /** What the attributes of the items must be. Default: anything. */
  readonly where?: Where | undefined;
  /** Whether items that a user has events with may be in the list. Default: `exclude`. */
  readonly repeats?: RepeatRule | undefined;
}

/** A run that makes lists. Close it. */
export interface Lister {
  /** The most items that a language model scores for a user, by dense id; 0 where the run has none. */
  mostScored(user: number): number;
  /**
   * The list of a user.
   * @param user dense id
   * @param onProgress called as a language model scores candidates
   */
  list(user: number, onProgress: (done: number) => void): Promise<StoredList>;
  /** Frees what was opened beyond what the session lends. */
  close(): Promise<void>;
}

/** Whether a method asks a language model behind an endpoint, which costs money. */
export const asksEndpoint = (method: string): boolean => findOwnMethod(method) !== undefined;

/** @returns the most items that can be in question for a user: those named, or all without an event, or all; that pass */
export function candidateCounter(
  data: LiveData,
  { among, where = {}, repeats = 'exclude' }: ListerOptions,
): (user: number) => number {
  const passes = data.filter(where);
  if (among) {
    const count = among.filter((id) => passes(data.requireItem(id))).length;
    return () => count;
  }
  let all = 0;
  for (let item = 1; item <= data.itemCount; item++) if (passes(item)) all++;
  if (repeats === 'allow') return () => all;
  return (user) => all - [...new Set(data.events(user).map(({ item }) => item))].filter(passes).length;
}

/** @throws InputError as `openRun` and `openLiveRun` do */
export async function openLister(
  session: Session,
  files: RunFiles,
  data: LiveData,
  options: ListerOptions,
): Promise<Lister> {
  const { config } = files;
  return canBeLive(config.method)
    ? openByLiveRun(session, files, data, options)
    : openByScorer(session, files, data, options);
}

async function openByLiveRun(
  session: Session,
  files: RunFiles,
  data: LiveData,
  options: ListerOptions,
): Promise<Lister> {
  const { top, rerank = HANDED_ON, among, where, repeats = 'exclude' } = options;
  const count = candidateCounter(data, options);
  const live = await openLiveModels(session, files, data);
  const { cf, llm } = live.parts;
  return {
    mostScored(user) {
      if (!llm) return 0;
      return Math.min(cf ? rerank : Number.POSITIVE_INFINITY, count(user));
    },
    async list(user, onProgress) {
      const person = { user: data.userId(user) };
      const { items, basis } = await live.recommend(person, {
        ...{ top, candidates: rerank, repeats, onProgress },
        ...(among && { among }),
        ...(where && { where }),
      });
      return { items: items.map(({ item }) => data.requireItem(item)), scores: items.map(({ score }) => score), basis };
    },
    close: () => live.close(),
  };
}

/** By a baseline, or a language model behind an endpoint, whose calls were agreed to. */
async function openByScorer(
  session: Session,
  { path, config, dataset }: RunFiles,
  data: LiveData,
  options: ListerOptions,
): Promise<Lister> {
  const runner = await findRunner(config.method);
  const scorer = await runner.openScorer({ config, dataset, session }, path);
  const isPaid = asksEndpoint(config.method);
  const { top, among, where, repeats = 'exclude' } = options;
  const count = candidateCounter(data, options);
  const passes = where && data.filter(where);
  const candidates = among ? Int32Array.from(among, (id) => data.requireItem(id)) : null;
  return {
    mostScored: (user) => (isPaid ? count(user) : 0),
    async list(user, onProgress) {
      const { items, scores, basis } = await scorer.best(user, { count: top, candidates, passes, repeats, onProgress });
      return { items: [...items], scores: [...scores.score], basis };
    },
    close: () => scorer.close(),
  };
}

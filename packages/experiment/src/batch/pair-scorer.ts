/** Scores pairs by dense ids: by what the run knew before a row that a pair is, or by all that is known now. */
import { IdLookup, type RowPlace, rowFinder } from '@crossgate/data';
import type { LiveData } from '../live/live-data';
import type { Basis, LiveRun } from '../live/live-run';
import type { NewerFiles } from '../live/newer-files';
import { type GatheredData, gatherData, openLiveModels, refuseNewer } from '../live/open-live-run';
import type { RunFiles } from '../open-run';
import { findRunner, isHybrid } from '../runners';
import type { Scorer } from '../runners/scorer';
import type { Session } from '../session';
import { addCounts, type BulkCounts } from './bulk';

/** Scores pairs of users and items. Close it. */
export interface PairScorer {
  readonly method: string;
  /** Whether pairs that are given together share work, which may change the last bits of their scores. */
  readonly sharesWork: boolean;
  /** The dense id of a user. @throws InputError that begins with the place */
  user(id: string, place: string): number;
  /** The dense id of an item. @throws InputError that begins with the place */
  item(id: string, place: string): number;
  /** The id of the source. */
  userId(user: number): string;
  /** The id of the source. */
  itemId(item: number): string;
  /** Opens the run's models, once. */
  open(): Promise<void>;
  /** Counts of no pairs. */
  begin(): BulkCounts;
  /** Scores pairs, and counts them; it must be open. */
  score(user: readonly number[], item: readonly number[], counts: BulkCounts): Promise<ArrayLike<number>>;
  /** What should be said of all that was counted; null: nothing. */
  remark(counts: BulkCounts): string | null;
  /** Frees what was opened beyond what the session lends. */
  close(): Promise<void>;
}

/** A scorer, and the newer data that it goes by. */
export interface OpenPairScorer {
  readonly scorer: PairScorer;
  readonly newer: GatheredData['newer'];
}

/** Opens all but the models. @throws InputError for newer data that a method cannot take, or that are refused */
export async function openPairScorer(
  session: Session,
  files: RunFiles,
  { files: newerFiles = {} }: { readonly files?: NewerFiles },
): Promise<OpenPairScorer> {
  refuseNewer(files.config.method, { ...newerFiles });
  const isNewer = newerFiles.events !== undefined || newerFiles.items !== undefined;
  if (!isNewer) return { scorer: scorerOfRun(session, files), newer: { events: [], items: [] } };
  const { data, newer } = await gatherData(session, files, { files: newerFiles });
  return { scorer: scorerOfNow(session, files, data), newer };
}

/** A pair that is a row of the run's data is scored by what was known before the row, any other by all that is known. */
function scorerOfRun(session: Session, { path, config, dataset }: RunFiles): PairScorer {
  const { user: trainUser, item: trainItem } = dataset.splits.train;
  const [warmUsers, warmItems] = [new Set(trainUser), new Set(trainItem)];
  const users = new IdLookup('user', dataset.users, dataset.name);
  const itemIds = dataset.items.map(({ id }) => id);
  const items = new IdLookup('item', itemIds, dataset.name);
  const placeOf = rowFinder(dataset);
  let scorer: Scorer | undefined;
  return {
    method: config.method,
    sharesWork: isHybrid(config),
    user: (id, place) => users.find(id, place),
    item: (id, place) => items.find(id, place),
    userId: (user) => dataset.users[user]!,
    itemId: (item) => itemIds[item]!,
    async open() {
      scorer ??= await (await findRunner(config.method)).openScorer({ config, dataset, session }, path);
    },
    begin: () => ({ warm: 0, cold: 0, known: 0 }),
    async score(user, item, counts) {
      const place: (RowPlace | null)[] = user.map((u, index) => placeOf(u, item[index]!));
      const pairs = { user: Int32Array.from(user), item: Int32Array.from(item), place };
      const { score } = await scorer!.scorePairs(pairs);
      const warm = user.filter((u, index) => warmUsers.has(u) && warmItems.has(item[index]!)).length;
      addCounts(counts, { warm, cold: user.length - warm, known: place.filter((at) => at !== null).length });
      return score;
    },
    remark: () => null,
    close: async () => scorer?.close(),
  };
}

/** Every pair is scored by all that is known now. */
function scorerOfNow(session: Session, files: RunFiles, data: LiveData): PairScorer {
  const { signal } = session;
  let live: LiveRun | undefined;
  return {
    method: files.config.method,
    sharesWork: isHybrid(files.config),
    user: (id, place) => data.requireUser(id, place),
    item: (id, place) => data.requireItem(id, place),
    userId: (user) => data.userId(user),
    itemId: (item) => data.item(item).id,
    async open() {
      live ??= await openLiveModels(session, files, data);
    },
    begin: () => ({ warm: 0, cold: 0, basis: {} }),
    async score(user, item, counts) {
      const of = new Map<number, number[]>();
      for (const [index, u] of user.entries()) {
        if (!of.has(u)) of.set(u, []);
        of.get(u)!.push(index);
      }
      const values = new Float64Array(user.length);
      for (const [u, indices] of of) {
        const wanted = indices.map((index) => data.item(item[index]!).id);
        const { basis, scores } = await live!.score({ user: data.userId(u) }, wanted, { signal });
        // Of whom nothing is known, the share of users who like the item is a number of the same kind as the others.
        const scale = basis === 'popularity' ? data.userCount : 1;
        for (const [n, index] of indices.entries()) values[index] = scores[n]!.score / scale;
        addCounts(counts, { basis: { [basis]: indices.length } });
      }
      const isWarm = (u: number, i: number) => data.knownAs(u) === 'trained' && data.item(i).known === 'trained';
      const warm = user.filter((u, index) => isWarm(u, item[index]!)).length;
      addCounts(counts, { warm, cold: user.length - warm });
      return values;
    },
    remark({ basis }) {
      const count = (basis as Partial<Record<Basis, number>>).popularity;
      if (!count) return null;
      return `nothing is known of the users of ${count} pairs: their scores are the share of users who like the item`;
    },
    close: async () => live?.close(),
  };
}

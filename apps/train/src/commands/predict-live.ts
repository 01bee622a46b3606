/** `predict` with newer events or items: every pair is scored by all that is known now. */
import { InputError, throwIfInterrupted } from '@crossgate/core';
import { readColumns } from '@crossgate/data/node';
import { type Basis, type LiveIds, type LiveRun, openLiveRun, type Session } from '@crossgate/experiment';
import { writeAtomic } from '@crossgate/files';
import type { CommandContext } from '@crossgate/terminal';

/** Pairs that are held at a time. */
const CHUNK = 4096;

/** Absolute paths of the pairs and of the scores, and files of newer data. */
export interface PredictLiveOptions {
  readonly pairs: string;
  readonly out: string;
  /** Writes an id as a field. */
  readonly field: (value: string) => string;
  readonly events?: string;
  readonly items?: string;
  readonly set?: readonly string[];
}

/** What was scored. */
export interface LiveCounts {
  readonly method: string;
  readonly rows: number;
  /** Pairs whose user and item both have train rows. */
  readonly warm: number;
  readonly cold: number;
  /** How many scores go by what. */
  readonly basis: Readonly<Partial<Record<Basis, number>>>;
}

interface Pair {
  readonly user: string;
  readonly item: string;
}

/** Writes the scores of pairs. @throws InputError as `openLiveRun`; naming file and line of an unknown user or item */
export async function predictLive(
  context: CommandContext,
  session: Session,
  run: string,
  { pairs, out, field, events, items, set = [] }: PredictLiveOptions,
): Promise<LiveCounts> {
  let ids: LiveIds | undefined;
  const check = (known: LiveIds) => {
    ids = known;
  };
  await using live = await openLiveRun(session, run, { set, files: { events, items }, check });
  const counts = { method: live.method, rows: 0, warm: 0, cold: 0, basis: {} as Partial<Record<Basis, number>> };
  const users = live.users().length;
  await writeAtomic(
    out,
    (async function* () {
      yield 'user,item,score\n';
      for await (const chunk of chunksOf(ids!, pairs)) {
        throwIfInterrupted(context.io.signal);
        const scores = await scoreChunk(live, chunk, context.io.signal, counts.basis);
        const lines: string[] = [];
        for (const [index, { user, item }] of chunk.entries()) {
          const { score, basis } = scores[index]!;
          // Of whom nothing is known, the share of users who like the item is a number of the same kind as the others.
          const value = basis === 'popularity' ? score / users : score;
          lines.push(`${field(user)},${field(item)},${value}\n`);
          const isWarm = live.user(user)?.known === 'trained' && live.item(item)?.known === 'trained';
          counts[isWarm ? 'warm' : 'cold']++;
        }
        yield lines.join('');
        counts.rows += chunk.length;
        context.log.info(`${counts.rows} pairs scored`);
      }
      if (counts.rows === 0)
        throw new InputError('holds no rows below its header', { code: 'csv.empty', place: pairs });
    })(),
  );
  const { popularity } = counts.basis;
  if (popularity) {
    context.log.warn(
      `nothing is known of the users of ${popularity} pairs: their scores are the share of users who like the item`,
    );
  }
  return counts;
}

/** Scores pairs user by user, and counts what they go by. */
async function scoreChunk(
  live: LiveRun,
  chunk: readonly Pair[],
  signal: AbortSignal,
  counts: Partial<Record<Basis, number>>,
): Promise<readonly { readonly score: number; readonly basis: Basis }[]> {
  const of = new Map<string, number[]>();
  for (const [index, { user }] of chunk.entries()) {
    if (!of.has(user)) of.set(user, []);
    of.get(user)!.push(index);
  }
  const found: { score: number; basis: Basis }[] = [];
  for (const [user, indices] of of) {
    const wanted = indices.map((index) => chunk[index]!.item);
    const { basis, scores } = await live.score({ user }, wanted, { signal });
    for (const [n, index] of indices.entries()) found[index] = { score: scores[n]!.score, basis };
    counts[basis] = (counts[basis] ?? 0) + indices.length;
  }
  return found;
}

/** Reads pairs, some thousands at a time. @throws InputError naming file and line of an unknown user or item */
async function* chunksOf(ids: LiveIds, path: string): AsyncGenerator<readonly Pair[]> {
  let chunk: Pair[] = [];
  for await (const { line, values } of readColumns(path, ['user', 'item'])) {
    const [user, item] = values as [string, string];
    ids.requireUser(user, `${path}:${line}`);
    ids.requireItem(item, `${path}:${line}`);
    chunk.push({ user, item });
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

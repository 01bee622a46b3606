/** The best items of every user of a data set, by a finished run, into one file. */
import { createHash } from 'node:crypto';
import { InputError, InterruptedError, throwIfInterrupted } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { kindOf, writeAtomic } from '@crossgate/files';
import { findOwnMethod } from '../config/own-methods';
import { openRunFiles, type RunFiles } from '../open-run';
import { findRunner } from '../runners';
import type { BestItems, Scorer } from '../runners/scorer';
import type { Session } from '../session';
import { formatLists, formatOf, LIST_FORMATS, type StoredList, type UserList } from './list-formats';
import { PartFile } from './part-file';
import { runDigest } from './run-digest';

/** What {@link recommendAll} is asked for. */
export interface RecommendAllOptions {
  /** `--set` arguments, such as `data.path=DIR`. Default: none. */
  readonly set?: readonly string[];
  /** The most items for a user, at least 1. */
  readonly top: number;
  /** Absolute path of the file to write; its ending (`.parquet`, `.csv`, `.jsonl`) chooses the format. */
  readonly out: string;
  /** Gives the items to choose from, by dense id; default: all that a user has no positive with. */
  readonly candidates?: (dataset: Dataset) => Promise<Int32Array>;
  /** Users that are computed together and kept together, at least 1. Default: 256, fewer where lists are long. */
  readonly blockUsers?: number;
}

/** What was written. */
export interface RecommendAllCounts {
  /** Method of the run. */
  readonly method: string;
  /** Users of the data set. */
  readonly users: number;
  /** Items in all lists. */
  readonly rows: number;
  /** Users of whom the model knows nothing, who were given popular items. */
  readonly popular: number;
  /** Users without any item. */
  readonly empty: number;
  /** Seconds of this call, without those of one that it goes on from. */
  readonly seconds: number;
}

/** Items in the lists of a block. */
const BLOCK_ITEMS = 2 ** 18;

/**
 * Writes the best items of every user, in the order of dense ids. What is finished is kept in `OUT.part`, user by user:
 * after an interruption the same call goes on from there. The file appears by rename when it is whole.
 *
 * @param run path of the run folder, as the user gave it
 * @throws InputError for a file that cannot be written, `part.other` for a part that was begun with other options or by
 *   another run, and as `openRun`; InterruptedError with what is done so far
 */
export async function recommendAll(
  session: Session,
  run: string,
  options: RecommendAllOptions,
): Promise<RecommendAllCounts> {
  const started = performance.now();
  const { out, top, set = [] } = options;
  const format = formatOf(out, LIST_FORMATS);
  if ((await kindOf(out)) === 'folder')
    throw new InputError(`${out}: is a folder`, { code: 'file.kind', place: '--out', fix: 'name a file' });
  const files = await openRunFiles(session, run, set);
  const { dataset, config } = files;
  const candidates = options.candidates ? await options.candidates(dataset) : null;
  const part = await PartFile.open(out, {
    run: await runDigest(files.path),
    top,
    candidates: candidates && digest(candidates),
    '--set': set.filter((argument) => !/^(data|llm)\.path=/.test(argument)).join(' ') || null,
  });
  try {
    if (part.lines > dataset.userCount) {
      throw new InputError(`has ${part.lines} users, but the data set has ${dataset.userCount}`, {
        code: 'file.damaged',
        place: part.path,
        fix: 'delete it to start anew',
      });
    }
    if (part.lines > 0) session.log.info(`continuing after ${part.lines} of ${dataset.userCount} users`);
    if (part.lines < dataset.userCount) await fill(session, files, part, candidates, options);
    const counts = { users: 0, rows: 0, popular: 0, empty: 0 };
    await writeAtomic(out, formatLists(format, dataset, listsOf(part, dataset, counts, session.signal)));
    await part.remove();
    return { method: config.method, ...counts, seconds: (performance.now() - started) / 1000 };
  } catch (error) {
    const left = `${part.lines} of ${dataset.userCount} users are kept in ${part.path}`;
    const fix = 'the same command goes on from there';
    if (session.signal.aborted) throw part.lines > 0 ? new InterruptedError(left, { fix }) : new InterruptedError();
    if (part.lines > 0 && !(error instanceof InputError)) session.log.warn(`${left}; ${fix}`);
    throw error;
  } finally {
    await part.close();
  }
}

/** Ranks for the users that a part lacks. */
async function fill(
  session: Session,
  { path, config, dataset }: RunFiles,
  part: PartFile,
  candidates: Int32Array | null,
  { top, blockUsers }: RecommendAllOptions,
): Promise<void> {
  const runner = await findRunner(config.method);
  const isPaid = findOwnMethod(config.method) !== undefined;
  const left = () => candidatesFrom(dataset, part.lines + 1, candidates);
  if (isPaid) {
    const { model, baseUrl } = config.api;
    await session.confirm(
      `${left().toLocaleString('en-US')} calls of ${model} at ${baseUrl} for ` +
        `${dataset.userCount - part.lines} users, less those that are answered already`,
    );
  }
  // Agreed to as a whole: nobody is asked again for the first user.
  const lent: Session = isPaid ? { ...session, confirm: async () => {} } : session;
  const scorer = await runner.openScorer({ config, dataset, session: lent }, path);
  try {
    if (scorer.bestOfUsers === undefined)
      await fillOneByOne(lent, dataset, part, scorer, { top, candidates, total: left() });
    else {
      const items = Math.min(top, candidates?.length ?? dataset.itemCount);
      const block = blockUsers ?? Math.max(1, Math.min(256, Math.floor(BLOCK_ITEMS / Math.max(1, items))));
      const task = session.progress.start('recommending', dataset.userCount, 'users', part.lines);
      while (part.lines < dataset.userCount) {
        throwIfInterrupted(session.signal);
        // Always the same blocks: what is computed together can decide how scores round.
        const first = part.lines - (part.lines % block);
        const users = Int32Array.from({ length: Math.min(block, dataset.userCount - first) }, (_, i) => first + 1 + i);
        const lists = await scorer.bestOfUsers(users, { count: top, candidates });
        const found = lists.map((list, index) => stored(dataset, users[index]!, list));
        await part.append(found.slice(part.lines - first));
        task.update(part.lines);
      }
      task.finish();
    }
  } finally {
    await scorer.close();
  }
}

/** For what scores one user after another: a language model. Each user is kept at once. */
async function fillOneByOne(
  { log, progress, signal }: Session,
  dataset: Dataset,
  part: PartFile,
  scorer: Scorer,
  { top, candidates, total }: { top: number; candidates: Int32Array | null; total: number },
): Promise<void> {
  const users = dataset.userCount - part.lines;
  log.info(`${users} users with ${total.toLocaleString('en-US')} candidates in all, each scored by the language model`);
  const task = progress.start('scoring candidates', total, 'candidates');
  let before = 0;
  while (part.lines < dataset.userCount) {
    throwIfInterrupted(signal);
    const user = part.lines + 1;
    const note = `user ${user} of ${dataset.userCount}`;
    const list = await scorer.best(user, {
      count: top,
      candidates,
      onProgress: (done) => task.update(before + done, note),
    });
    await part.append([stored(dataset, user, list)]);
    before += candidates?.length ?? newItemCount(dataset, user);
    task.update(before, note);
  }
  task.finish();
}

/** Items that a user has no positive with. */
const newItemCount = (dataset: Dataset, user: number) => dataset.itemCount - new Set(dataset.positives(user)).size;

/** Candidates of the users from one on. */
function candidatesFrom(dataset: Dataset, first: number, candidates: Int32Array | null): number {
  if (candidates) return candidates.length * (dataset.userCount - first + 1);
  let count = 0;
  for (let user = first; user <= dataset.userCount; user++) count += newItemCount(dataset, user);
  return count;
}

/** What a part keeps of a list. @throws Error for a score that is not finite */
function stored(dataset: Dataset, user: number, { items, scores, basis }: BestItems): StoredList {
  const bad = scores.score.findIndex((score) => !Number.isFinite(score));
  if (bad >= 0) {
    const item = dataset.items[items[bad]!]!.id;
    throw new Error(`the score of user ${dataset.users[user]} and item ${item} is ${scores.score[bad]}`);
  }
  return { items: [...items], scores: [...scores.score], basis };
}

/** The lists of a part, each with its user; counts them. */
async function* listsOf(
  part: PartFile,
  { itemCount }: Dataset,
  counts: { users: number; rows: number; popular: number; empty: number },
  signal: AbortSignal,
): AsyncGenerator<UserList, void, undefined> {
  const isItem = (item: unknown) => Number.isInteger(item) && (item as number) >= 1 && (item as number) <= itemCount;
  const check = ({ items, scores, basis }: Partial<StoredList>) => {
    const isList = Array.isArray(items) && Array.isArray(scores) && items.length === scores.length;
    const isWhole = isList && items.every(isItem) && scores.every(Number.isFinite);
    return isWhole && (basis === 'user' || basis === 'popularity') ? null : 'is no list of items';
  };
  for await (const list of part.read<StoredList>(check)) {
    throwIfInterrupted(signal);
    counts.users++;
    counts.rows += list.items.length;
    if (list.items.length === 0) counts.empty++;
    else if (list.basis === 'popularity') counts.popular++;
    yield { user: counts.users, ...list };
  }
}

/** Which items a list holds, in its order: ties keep it. */
const digest = (items: Int32Array) => createHash('sha256').update(items).digest('hex');

/** The best items of every user, by a finished run, into one file or as shards. */
import { InputError, InterruptedError, throwIfInterrupted } from '@crossgate/core';
import { checkWhere, orderedWhere, type Where } from '@crossgate/data';
import type { RepeatRule } from '@crossgate/eval';
import { kindOf, writeAtomic } from '@crossgate/files';
import type { ExperimentConfig } from '../config/schema';
import type { LiveData } from '../live/live-data';
import type { Basis } from '../live/live-run';
import type { NewerFiles } from '../live/newer-files';
import { gatherData, type LiveIds, refuseNewer } from '../live/open-live-run';
import { openRunFiles, type RunFiles } from '../open-run';
import type { Session } from '../session';
import type { Bulk } from './bulk';
import { digest, newerManifest, safeCsvManifest } from './digest';
import { formatLists, type StoredList, type UserList } from './list-formats';
import { asksEndpoint, candidateCounter, type Lister, type ListerOptions, openLister } from './open-lister';
import { PartFile, type PartManifest } from './part-file';
import { runDigest } from './run-digest';
import { formatOf, LIST_FORMATS } from './table-formats';

/** Which lists are made. */
export interface AllUsersOptions {
  /** `--set` arguments, such as `data.path=DIR`. Default: none. */
  readonly set?: readonly string[];
  /** The most items for a user, at least 1. */
  readonly top: number;
  /** What came after the training: users of these events get lists too, after those of the run. */
  readonly files?: NewerFiles;
  /** How many items CF hands to the language model; runs without both ignore it. Default: 200. */
  readonly rerank?: number;
  /** Gives the ids of the only items to choose from; default: all that a user has no event with. */
  readonly candidates?: (ids: LiveIds) => Promise<readonly string[]>;
  /** Gives what the attributes of the items must be; default: anything. */
  readonly where?: (ids: LiveIds) => Where;
  /** Whether items that a user has events with, likes and dislikes, may be in the list. Default: `exclude`. */
  readonly repeats?: RepeatRule;
  /** Whether texts of CSV are made safe for a spreadsheet, see `safeCsvField`. Default: false. */
  readonly safeCsv?: boolean;
}

/** What {@link recommendAll} is asked for. */
export interface RecommendAllOptions extends AllUsersOptions {
  /** Absolute path of the file to write; its ending (`.parquet`, `.csv`, `.jsonl`) chooses the format. */
  readonly out: string;
}

interface ListCounts {
  /** Users of the run and of newer events. */
  users: number;
  /** Items in all lists. */
  rows: number;
  /** Users of whom the model knows nothing, who were given popular items. */
  popular: number;
  /** Users without any item. */
  empty: number;
}

/** What was written. */
export interface RecommendAllCounts extends Readonly<ListCounts> {
  /** Method of the run. */
  readonly method: string;
  /** Seconds of this call, without those of one that it goes on from. */
  readonly seconds: number;
}

/**
 * Writes for every user the list that `recommend` gives that user, in the order of dense ids. What is finished is kept in
 * `OUT.part`, user by user: after an interruption the same call goes on from there. The file appears by rename when it
 * is whole.
 *
 * @param run path of the run folder, as the user gave it
 * @throws InputError for a file that cannot be written, `part.other` for a part that was begun with other options, files
 *   or another run, `run.not-held` for newer data and a method that cannot take it, and as `openRun` and `openLiveRun`;
 *   InterruptedError with what is done so far
 */
export async function recommendAll(
  session: Session,
  run: string,
  options: RecommendAllOptions,
): Promise<RecommendAllCounts> {
  const started = performance.now();
  const { out } = options;
  const format = formatOf(out, LIST_FORMATS);
  if ((await kindOf(out)) === 'folder')
    throw new InputError(`${out}: is a folder`, { code: 'file.kind', place: '--out', fix: 'name a file' });
  const asked = await gather(session, run, options);
  const { config, data } = asked;
  const users = data.userCount;
  const part = await PartFile.open(out, asked.manifest);
  try {
    if (part.lines > users) {
      throw new InputError(`has ${part.lines} users, but there are ${users}`, {
        code: 'file.damaged',
        place: part.path,
        fix: 'delete it to start anew',
      });
    }
    if (part.lines > 0) session.log.info(`continuing after ${part.lines} of ${users} users`);
    if (part.lines < users) {
      const lister = await asked.open();
      try {
        const lists = makeLists(session, asked, lister, { from: part.lines, to: users, base: 0 });
        for await (const { user: _, ...list } of lists) await part.append([list]);
      } finally {
        await lister.close();
      }
    }
    const counts = { users: 0, rows: 0, popular: 0, empty: 0 };
    await writeAtomic(out, formatLists(format, data, listsOf(part, data, counts, session.signal), options.safeCsv));
    await part.remove();
    return { method: config.method, ...counts, seconds: (performance.now() - started) / 1000 };
  } catch (error) {
    const left = `${part.lines} of ${users} users are kept in ${part.path}`;
    const fix = 'the same command goes on from there';
    if (session.signal.aborted) throw part.lines > 0 ? new InterruptedError(left, { fix }) : new InterruptedError();
    if (part.lines > 0 && !(error instanceof InputError)) session.log.warn(`${left}; ${fix}`);
    throw error;
  } finally {
    await part.close();
  }
}

/**
 * Opens lists for all users as a whole of which any stretch of users can be made by itself.
 * @param run path of the run folder, as the user gave it
 * @throws as {@link recommendAll}
 */
export async function openAllUsers(session: Session, run: string, options: AllUsersOptions): Promise<Bulk> {
  const asked = await gather(session, run, options);
  const { config, data } = asked;
  const manifest = { ...asked.manifest, ...safeCsvManifest(options) };
  let lister: Lister | undefined;
  return {
    ...{ command: 'recommend', method: config.method, manifest, units: data.userCount, step: 1 },
    async open() {
      lister ??= await asked.open();
    },
    content(format, from, to, counts) {
      const own = Object.assign(counts, { users: 0, rows: 0, popular: 0, empty: 0 });
      const lists = async function* () {
        for await (const list of makeLists(session, asked, lister!, { from, to, base: from })) {
          count(own, list);
          yield list;
        }
      };
      return formatLists(format, data, lists(), options.safeCsv);
    },
    close: async () => lister?.close(),
  };
}

/** What lists are made of. */
interface Asked {
  readonly config: ExperimentConfig;
  readonly data: LiveData;
  readonly listing: ListerOptions;
  /** All that the lists depend on, whatever file they are written to. */
  readonly manifest: PartManifest;
  /** Opens the run's models. */
  open(): Promise<Lister>;
}

/** Reads all but the models. @throws as {@link recommendAll} */
async function gather(
  session: Session,
  run: string,
  { top, rerank, repeats = 'exclude', files: newerFiles = {}, set = [], ...options }: AllUsersOptions,
): Promise<Asked> {
  const files: RunFiles = await openRunFiles(session, run, set);
  const { config } = files;
  refuseNewer(config.method, { ...newerFiles, rerank });
  const { data, newer } = await gatherData(session, files, { files: newerFiles });
  const among = await options.candidates?.(data);
  const where = options.where?.(data);
  if (where) checkWhere(data.attributes, where);
  const manifest = {
    run: await runDigest(files.path),
    top,
    rerank: rerank ?? null,
    repeats,
    candidates: among ? digest(among) : null,
    where: where ? JSON.stringify(orderedWhere(where)) : null,
    ...newerManifest(newer, set),
  };
  const isPaid = asksEndpoint(config.method);
  // Agreed to as a whole: nobody is asked again for the first user.
  const lent: Session = isPaid ? { ...session, confirm: async () => {} } : session;
  const listing: ListerOptions = { top, rerank, among, where, repeats };
  return { config, data, listing, manifest, open: () => openLister(lent, files, data, listing) };
}

/** Users, counted from 0, of whom lists are made, and where the progress counts from. */
interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly base: number;
}

/** Makes the lists of some users, one after another. */
async function* makeLists(
  session: Session,
  { config, data, listing }: Asked,
  lister: Lister,
  { from, to, base }: Stretch,
): AsyncGenerator<UserList, void, undefined> {
  const { log, progress, signal } = session;
  const left = Array.from({ length: to - from }, (_, n) => from + 1 + n);
  if (asksEndpoint(config.method)) await confirmCalls(session, config, data, left, listing);
  const costs = left.map((user) => lister.mostScored(user));
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  const asksLlm = total > 0;
  if (asksLlm) {
    log.info(
      `${left.length} users with at most ${total.toLocaleString('en-US')} candidates in all, each scored by the ` +
        'language model',
    );
  }
  const task = asksLlm
    ? progress.start('scoring candidates', total, 'candidates')
    : progress.start('recommending', to - base, 'users', from - base);
  let before = 0;
  for (const [index, user] of left.entries()) {
    throwIfInterrupted(signal);
    const note = `user ${user} of ${data.userCount}`;
    const list = await lister.list(user, (done) => asksLlm && task.update(before + done, note));
    yield { user, ...finite(data, user, list) };
    before += costs[index]!;
    if (asksLlm) task.update(before, note);
    else task.update(user - base);
  }
  task.finish();
}

/** @throws the session's refusal to send what costs money */
async function confirmCalls(
  session: Session,
  { api: { model, baseUrl } }: ExperimentConfig,
  data: LiveData,
  users: readonly number[],
  listing: ListerOptions,
): Promise<void> {
  const count = candidateCounter(data, listing);
  const calls = users.reduce((sum, user) => sum + count(user), 0);
  await session.confirm(
    `${calls.toLocaleString('en-US')} calls of ${model} at ${baseUrl} for ${users.length} users, less those that are ` +
      'answered already',
  );
}

/** The list. @throws Error for a score that is not finite */
function finite(data: LiveData, user: number, list: StoredList): StoredList {
  const bad = list.scores.findIndex((score) => !Number.isFinite(score));
  if (bad < 0) return list;
  const item = data.item(list.items[bad]!).id;
  throw new Error(`the score of user ${data.userId(user)} and item ${item} is ${list.scores[bad]}`);
}

/** What a list can be made by. */
const BASES: readonly unknown[] = ['user', 'folded-in', 'history', 'popularity'] satisfies Basis[];

/** The lists of a part, each with its user; counts them. */
async function* listsOf(
  part: PartFile,
  { itemCount }: LiveData,
  counts: ListCounts,
  signal: AbortSignal,
): AsyncGenerator<UserList, void, undefined> {
  const isItem = (item: unknown) => Number.isInteger(item) && (item as number) >= 1 && (item as number) <= itemCount;
  const check = ({ items, scores, basis }: Partial<StoredList>) => {
    const isList = Array.isArray(items) && Array.isArray(scores) && items.length === scores.length;
    const isWhole = isList && items.every(isItem) && scores.every(Number.isFinite);
    return isWhole && BASES.includes(basis) ? null : 'is no list of items';
  };
  for await (const list of part.read<StoredList>(check)) {
    throwIfInterrupted(signal);
    count(counts, list);
    yield { user: counts.users, ...list };
  }
}

/** Counts a list. */
function count(counts: ListCounts, { items, basis }: StoredList): void {
  counts.users++;
  counts.rows += items.length;
  if (items.length === 0) counts.empty++;
  else if (basis === 'popularity') counts.popular++;
}

/** Makes shards that a work queue hands out. Manifests and files say what is finished; the queue only says whose turn it is. */
import { CrossgateError, InputError, InterruptedError } from '@crossgate/core';
import type { Session } from '../session';
import type { Bulk } from './bulk';
import { numberWords, readShards, requireJob, shardWords, unfinishedShards } from './shard-files';
import { type Delivery, openQueue, type QueueServer } from './work-queue';
import { jobOf, requireOneJob, type ShardOptions, writeShard } from './write-shard';

/** How shards are handed out. */
export interface EnqueueOptions extends ShardOptions {
  /** Number of shards. */
  readonly count: number;
  /** Milliseconds without a heartbeat after which a shard is handed to another worker. */
  readonly lease: number;
}

/** What a queue holds after it was filled. */
export interface Enqueued {
  /** Shards that were put into the queue. */
  readonly queued: number;
  /** Shards that were in it. */
  readonly waiting: number;
  /** Shards that are finished. */
  readonly finished: number;
}

/**
 * Fills the queue of a job with the shards that are neither finished nor in it; may be repeated at any time.
 * @throws InputError `shard.other` for a folder of another job, and as `openQueue` and `fill` do
 */
export async function enqueueShards(
  server: Pick<QueueServer, 'url' | 'env'>,
  { log, signal }: Pick<Session, 'log' | 'signal'>,
  bulk: Bulk,
  { folder, format, count, lease }: EnqueueOptions,
): Promise<Enqueued> {
  const job = jobOf(bulk, format, count);
  await requireOneJob(folder, '', job);
  const found = await readShards(folder);
  for (const shard of found) requireJob(shard, job);
  const missing = await unfinishedShards({ log, signal }, folder, found, count);
  const queue = await openQueue({ ...server, log, signal }, job);
  try {
    return { ...(await queue.fill(missing, count, lease)), finished: count - missing.length };
  } finally {
    await queue.close();
  }
}

/** How a worker works. */
export interface WorkOptions extends ShardOptions {
  /** How often a shard may be begun before it is given up, at least 1. */
  readonly attempts: number;
}

/** What a worker did. */
export interface Worked {
  /** Number of shards of the job; all are finished. */
  readonly shards: number;
  /** Shards that this worker made. */
  readonly made: number;
  /** Shards that were finished already when they were handed out. */
  readonly already: number;
}

/** Milliseconds before a shard that failed is handed out again. */
const AFTER_FAILURE = 1000;

/**
 * Takes shards until none is left. Input that is refused ends its shard, and the worker goes on; any other failure, such as
 * a model that is not on this machine, ends the worker, and another one has the shard.
 * @throws InputError `queue.not-found` without a queue; CrossgateError `shard.missing` where the queue is empty and shards
 *   are not finished; the failure that ended the worker
 */
export async function workShards(
  server: Pick<QueueServer, 'url' | 'env'>,
  session: Session,
  bulk: Bulk,
  options: WorkOptions,
): Promise<Worked> {
  const { log, signal } = session;
  const { folder, format } = options;
  const queue = await openQueue({ ...server, log, signal }, jobOf(bulk, format, 0));
  try {
    const opened = await queue.open();
    const count = opened?.count ?? (await countOf(bulk, options));
    if (count === null) {
      throw new InputError('there is no queue of this job', {
        code: 'queue.not-found',
        place: server.url.replace(/\/\/[^@/]*@/, '//'),
        fix: 'fill it: the same command with --enqueue N',
      });
    }
    await requireOneJob(folder, '', jobOf(bulk, format, count));
    const counts = { made: 0, already: 0 };
    // Their files need not be read again.
    const known = new Set<number>();
    for (let next = opened && (await queue.take()); next; next = await queue.take()) {
      const outcome = await workOne(session, bulk, next, options, opened!.lease);
      if (outcome === null) continue;
      counts[outcome]++;
      known.add(next.shard.index);
    }
    const missing = await unfinishedShards(session, folder, await readShards(folder), count, known);
    if (missing.length > 0) {
      throw new CrossgateError(
        `the queue is empty, and ${missing.length} of ${count} shards are not finished: ${numberWords(missing)}`,
        {
          code: 'shard.missing',
          place: folder,
          fix: `see why they were given up, and add --enqueue ${count} to try again`,
        },
      );
    }
    if (opened) await queue.remove();
    return { shards: count, ...counts };
  } finally {
    await queue.close();
  }
}

/** The number of shards that the folder was begun with; null without any. */
async function countOf(bulk: Bulk, { folder, format }: ShardOptions): Promise<number | null> {
  const [found] = await readShards(folder);
  if (!found) return null;
  const count = Number(found.job.shards);
  requireJob(found, jobOf(bulk, format, count));
  return count;
}

/** Makes one shard and says so; null where it is given up. @throws what ends the worker */
async function workOne(
  session: Session,
  bulk: Bulk,
  delivery: Delivery,
  { attempts, ...options }: WorkOptions,
  lease: number,
): Promise<'made' | 'already' | null> {
  const { log } = session;
  const { shard, attempt } = delivery;
  const words = shardWords(shard);
  if (attempt > attempts) {
    log.warn(`shard ${words} is given up: it was begun ${attempts} times, and no worker finished it`);
    delivery.giveUp();
    return null;
  }
  const heart = setInterval(() => delivery.working(), lease / 3);
  let isOpen = false;
  const open = async () => {
    await bulk.open();
    isOpen = true;
  };
  try {
    const { already } = await writeShard(session, { ...bulk, open }, shard, options);
    if (!(await delivery.done())) log.info(`shard ${words} is finished, though the queue may hand it out again`);
    else log.info(`shard ${words} ${already ? 'was finished already' : 'is finished'}`);
    return already ? 'already' : 'made';
  } catch (error) {
    if (error instanceof InputError && isOpen) {
      log.warn(`shard ${words} is given up: ${error.message}`);
      delivery.giveUp();
      return null;
    }
    // A worker that is asked to stop, or whose machine lacks the model, has nothing against the shard.
    if (error instanceof InputError || error instanceof InterruptedError || session.signal.aborted)
      await delivery.handBack();
    else delivery.retry(AFTER_FAILURE);
    throw error;
  } finally {
    clearInterval(heart);
  }
}

/**
 * Shards on a work queue of NATS JetStream: one message for each, which a worker keeps by heartbeats. Its subject ends in the
 * number of shards and that of its own, and holds one message at most. Its text is how often the shard was begun before this
 * message, hand-backs not counted; an empty one is 0.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { CrossgateError, InputError, type Log, throwIfInterrupted } from '@crossgate/core';
import type { Consumer, JetStreamClient, JetStreamManager, JsMsg } from '@nats-io/jetstream';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import type { PartManifest } from './part-file';
import type { Shard } from './shard-files';

/** Where the queue is, and who asks. */
export interface QueueServer {
  /** `nats://host:port` or `tls://host:port`, several with commas between. */
  readonly url: string;
  /** Environment: NATS_USER, NATS_PASSWORD, NATS_TOKEN, NATS_CREDS (a file) and NATS_CA (a file) are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Is told of a server that is away. */
  readonly log: Log;
  /** Stops what waits. */
  readonly signal: AbortSignal;
}

/** A shard that this worker has, until it says what became of it. */
export interface Delivery {
  readonly shard: Shard;
  /** How often it was handed out, this time included; times that ended by `handBack` do not count. */
  readonly attempt: number;
  /** The worker is still at it. */
  working(): void;
  /** It is finished; returns false where the queue could not be told. */
  done(): Promise<boolean>;
  /** Another worker may try, after some milliseconds. */
  retry(delay: number): void;
  /** Another worker may try at once, and this time does not count. Without a server it counts, and comes after the lease. */
  handBack(): Promise<void>;
  /** Nobody shall try again. */
  giveUp(): void;
}

/** The queue of one job. Close it. */
export interface WorkQueue {
  /**
   * Puts shards into the queue that are not in it.
   * @param lease milliseconds without a heartbeat after which a shard is handed to another worker; a queue that has a
   *   longer one keeps it
   * @returns how many were put, and how many were there
   * @throws InputError `queue.other` for a queue of another number of shards, or of another version of Crossgate
   */
  fill(shards: readonly number[], count: number, lease: number): Promise<{ queued: number; waiting: number }>;
  /**
   * Opens the queue to take shards.
   * @returns null where there is no such queue
   * @throws InputError `queue.other` for a queue of another version of Crossgate
   */
  open(): Promise<{ readonly count: number; readonly lease: number } | null>;
  /**
   * The next shard; waits while others have some that may come back.
   * @returns null once nothing is left, or the queue was removed
   * @throws CrossgateError `network.failed` for a server that stays away
   */
  take(): Promise<Delivery | null>;
  /** Removes the queue. */
  remove(): Promise<void>;
  close(): Promise<void>;
}

/** Name of what hands shards out; all workers share it. */
const CONSUMER = 'workers';
/** Milliseconds that one question for the next shard waits, and between two attempts while the server is away. */
const [WAIT, RETRY] = [2000, 1000];
/** Milliseconds that a server may be away. */
const PATIENCE = 300_000;
/** Codes of the server: no such stream or consumer, a stream with other settings. */
const [NO_STREAM, NO_CONSUMER, OTHER_STREAM] = [10059, 10014, 10058];
/** Codes of the server: the subject holds another message than was expected, or is to get one at this moment. */
const HELD = [10071, 10164];
/** Messages that are sent before their answers are awaited. */
const AT_ONCE = 100;

/**
 * Opens the queue of a job: it has the job's digest in its name, so that one server can hold many.
 * @throws InputError for an address or files that are refused; CrossgateError `network.failed` where no server answers
 */
export async function openQueue(server: QueueServer, job: PartManifest): Promise<WorkQueue> {
  // Loaded here: other work needs no network.
  const [nats, jetstream] = await Promise.all([import('@nats-io/transport-node'), import('@nats-io/jetstream')]);
  const options = await connectionOptions(server, nats.credsAuthenticator);
  const place = options.shown;
  let connection: NatsConnection;
  try {
    connection = await nats.connect(options.options);
  } catch (error) {
    throw unreachable(place, error);
  }
  let manager: JetStreamManager;
  try {
    manager = await jetstream.jetstreamManager(connection);
  } catch (error) {
    await connection.close();
    if (error instanceof Error && error.name === 'JetStreamNotEnabled') {
      const fix = 'start it with -js, and -sd DIR for what shall outlive it';
      throw new InputError('has no JetStream', { code: 'queue.server', place, fix, cause: error });
    }
    throw unreachable(place, error);
  }
  const client = jetstream.jetstream(connection);
  return new JobQueue({ ...server, place, connection, client, manager, jetstream, job });
}

interface QueueParts extends QueueServer {
  readonly place: string;
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly jetstream: typeof import('@nats-io/jetstream');
  readonly job: PartManifest;
}

class JobQueue implements WorkQueue {
  readonly #stream: string;
  readonly #subject: string;
  #consumer: Consumer | undefined;

  constructor(private readonly parts: QueueParts) {
    // By all but the number of shards: who takes shards need not know it.
    const { shards: _, ...job } = parts.job;
    const digest = createHash('sha256').update(JSON.stringify(job)).digest('hex').slice(0, 16);
    this.#stream = `crossgate-${digest}`;
    this.#subject = `crossgate.${digest}`;
  }

  async fill(shards: readonly number[], count: number, lease: number) {
    const { manager, client, jetstream, place } = this.parts;
    const { AckPolicy, DiscardPolicy, RetentionPolicy, StorageType } = jetstream;
    const known = await this.#count();
    if (known !== null && known !== count) {
      throw new InputError(`the queue of this job has ${known} shards, and now it is ${count}`, {
        code: 'queue.other',
        place,
        fix: `name --enqueue ${known}, or remove the stream ${this.#stream}`,
      });
    }
    try {
      await manager.streams.add({
        ...{ name: this.#stream, subjects: [this.#subjectOf({ index: '*', count })], storage: StorageType.File },
        // The message of a shard that is handed back takes the place of the one before.
        ...{ retention: RetentionPolicy.Workqueue, discard: DiscardPolicy.Old, max_msgs_per_subject: 1 },
      });
    } catch (error) {
      // Made by another process meanwhile, or by an earlier call.
      if (this.#codeOf(error) !== OTHER_STREAM || (await this.#count()) !== count) throw this.#named(error);
    }
    const settings = { ack_wait: lease * 1e6, max_ack_pending: 100_000 };
    const own = { durable_name: CONSUMER, ack_policy: AckPolicy.Explicit, max_deliver: -1 };
    try {
      // A queue that is new, or whose maker died before it got so far, has none.
      const there = await manager.consumers.info(this.#stream, CONSUMER).catch((error: unknown) => {
        if (this.#codeOf(error) !== NO_CONSUMER) throw error;
        return null;
      });
      if (there === null) await manager.consumers.add(this.#stream, { ...own, ...settings });
      // Workers that are at it send heartbeats by the lease that they found: a shorter one would take their shards away.
      else if ((there.config.ack_wait ?? 0) < settings.ack_wait)
        await manager.consumers.update(this.#stream, CONSUMER, settings);
    } catch (error) {
      throw this.#named(error);
    }
    let [queued, waiting] = [0, 0];
    const put = async (index: number) => {
      try {
        // Only where the shard has no message: one that is there knows how often it was begun.
        await client.publish(this.#subjectOf({ index, count }), undefined, { expect: { lastSubjectSequence: 0 } });
        queued++;
      } catch (error) {
        if (!HELD.includes(this.#codeOf(error) ?? 0)) throw this.#named(error);
        waiting++;
      }
    };
    for (let at = 0; at < shards.length; at += AT_ONCE) {
      throwIfInterrupted(this.parts.signal);
      await Promise.all(shards.slice(at, at + AT_ONCE).map(put));
    }
    return { queued, waiting };
  }

  async open() {
    const count = await this.#count();
    if (count === null) return null;
    const { client } = this.parts;
    try {
      this.#consumer = await client.consumers.get(this.#stream, CONSUMER);
      const { config } = await this.#consumer.info();
      return { count, lease: (config.ack_wait ?? 30e9) / 1e6 };
    } catch (error) {
      if ([NO_STREAM, NO_CONSUMER].includes(this.#codeOf(error) ?? 0)) return null;
      throw this.#named(error);
    }
  }

  async take(): Promise<Delivery | null> {
    const { signal, log, place } = this.parts;
    const consumer = this.#consumer!;
    let failed: number | undefined;
    for (;;) {
      throwIfInterrupted(signal);
      try {
        const message = await consumer.next({ expires: WAIT });
        if (message) return this.#deliveryOf(message);
        const { num_pending, num_ack_pending } = await consumer.info();
        // Not by the messages of the stream: a server that was killed may keep one that was acknowledged, and never deliver it.
        if (num_pending + num_ack_pending === 0) return null;
        failed = undefined;
      } catch (error) {
        if (await this.#isGone()) return null;
        if (failed === undefined) {
          log.warn(`${place} does not answer (${wordsOf(error)}): waiting up to ${PATIENCE / 1000} s for it`);
          failed = performance.now();
        }
        if (performance.now() - failed > PATIENCE) throw unreachable(place, error);
        await pause(RETRY, undefined, { signal }).catch(() => {});
      }
    }
  }

  async remove(): Promise<void> {
    try {
      await this.parts.manager.streams.delete(this.#stream);
    } catch (error) {
      // Another worker was first.
      if (this.#codeOf(error) !== NO_STREAM) throw this.#named(error);
    }
  }

  async close(): Promise<void> {
    // Sends what was not sent, such as that a shard may be retried; not for long where the server is away.
    await Promise.race([this.parts.connection.drain().catch(() => {}), pause(RETRY, undefined, { ref: false })]);
    await this.parts.connection.close();
  }

  /**
   * The number of shards that the queue was made for; null without a queue.
   * @throws InputError `queue.other` for a queue whose messages have other subjects, or do not replace each other
   */
  async #count(): Promise<number | null> {
    const { manager, jetstream, place } = this.parts;
    try {
      const { config } = await manager.streams.info(this.#stream);
      const count = Number(config.subjects[0]?.split('.')[2]);
      const isOwn = config.subjects.join() === this.#subjectOf({ index: '*', count });
      if (isOwn && config.discard === jetstream.DiscardPolicy.Old) return count;
    } catch (error) {
      if (this.#codeOf(error) === NO_STREAM) return null;
      throw unreachable(place, error);
    }
    throw new InputError('the queue of this job was made by another version of Crossgate', {
      code: 'queue.other',
      place,
      fix: `empty it by workers of that version, or remove it (nats stream rm ${this.#stream}) and fill it again: finished shards stay`,
    });
  }

  #subjectOf({ index, count }: { readonly index: number | '*'; readonly count: number }): string {
    return `${this.#subject}.${count}.${index}`;
  }

  #deliveryOf(message: JsMsg): Delivery {
    const { log } = this.parts;
    const [count, index] = message.subject.split('.').slice(2).map(Number) as [number, number];
    const text = message.string();
    const begun = /^\d{1,9}$/.test(text) ? Number(text) : 0;
    const attempt = begun + message.info.deliveryCount;
    return {
      shard: { index, count },
      attempt,
      working: () => message.working(),
      done: async () => {
        try {
          return await message.ackAck();
        } catch (error) {
          log.debug(`the queue was not told of shard ${index}: ${wordsOf(error)}`);
          return false;
        }
      },
      retry: (delay) => message.nak(delay),
      handBack: () => this.#replace(message, index, attempt - 1),
      // Without a reason: servers before 2.10.4 do not understand one.
      giveUp: () => message.term(),
    };
  }

  /**
   * Puts a new message of a shard in the place of the one that this worker holds. The server does both in one step, and only
   * while the old message is there, so that a shard is never lost, and never in the queue twice. What can happen:
   * - The worker dies before, or the server does not get the message: the old one stays. The shard is handed out again after
   *   the lease, and this time counts as an attempt.
   * - The worker dies before it hears that the server has the new message: nothing was left to do. The server takes a message
   *   that it discards for acknowledged.
   * - The server dies after it wrote the new message and before it removed the old one: it removes it when it starts.
   * - The lease ran out, and another worker has finished the shard, given it up or handed it back: the message is refused.
   * - The lease ran out, and another worker is still at it: a third one may make the shard as well. The first manifest stays.
   */
  async #replace(message: JsMsg, index: number, begun: number): Promise<void> {
    const expect = { lastSubjectSequence: message.seq };
    try {
      await this.parts.client.publish(message.subject, String(begun), { expect, timeout: RETRY });
    } catch (error) {
      this.parts.log.debug(`shard ${index} was not handed back: ${wordsOf(error)}`);
    }
  }

  /** Whether the server answers, and says that the queue was removed. */
  async #isGone(): Promise<boolean> {
    return this.#count().then(
      (count) => count === null,
      () => false,
    );
  }

  /** What the server refused as it is; all else is that it did not answer, such as a bare `timeout`. */
  #named(error: unknown): unknown {
    return this.#codeOf(error) === undefined ? unreachable(this.parts.place, error) : error;
  }

  #codeOf(error: unknown): number | undefined {
    return error instanceof this.parts.jetstream.JetStreamApiError ? error.code : undefined;
  }
}

const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

const unreachable = (place: string, error: unknown) =>
  new CrossgateError(`no NATS server answers: ${wordsOf(error)}`, {
    code: 'network.failed',
    place,
    fix: 'check address and server; finished shards stay, and the same command goes on',
    cause: error,
  });

/** What the connection is made with; `shown` is the address without a password. */
async function connectionOptions(
  { url, env }: QueueServer,
  credentials: typeof import('@nats-io/transport-node').credsAuthenticator,
): Promise<{ options: NodeConnectionOptions; shown: string }> {
  const servers: URL[] = url.split(',').map((text) => {
    const address = URL.canParse(text) ? new URL(text) : null;
    if (address && /^(nats|tls):$/.test(address.protocol) && address.hostname !== '') return address;
    throw new InputError('is no address of a NATS server', {
      code: 'usage',
      place: '--nats',
      fix: 'write nats://HOST:PORT or tls://HOST:PORT',
    });
  });
  const shown = servers.map(({ protocol, host }) => `${protocol}//${host}`).join(',');
  const [{ username, password }] = servers as [URL, ...URL[]];
  const [user, pass] =
    username === '' ? [env.NATS_USER, env.NATS_PASSWORD] : [username, password].map(decodeURIComponent);
  const { NATS_TOKEN: token, NATS_CREDS: creds, NATS_CA: caFile } = env;
  const isTls = caFile !== undefined || servers.some(({ protocol }) => protocol === 'tls:');
  return {
    shown,
    options: {
      servers: servers.map(({ host }) => host),
      ...{ name: 'crossgate', maxReconnectAttempts: -1, reconnectTimeWait: 500, timeout: 10_000 },
      ...(user && { user, pass: pass ?? '' }),
      ...(token && { token }),
      ...(creds && { authenticator: credentials(await readNamed('NATS_CREDS', creds)) }),
      ...(isTls && { tls: caFile ? { caFile } : {} }),
    },
  };
}

async function readNamed(name: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new InputError(`names ${path}, which cannot be read`, { code: 'file.not-found', place: name, cause });
  }
}

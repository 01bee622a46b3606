/**
 * Shards on a work queue of NATS JetStream. A shard has a subject of its own, which holds one message at most; a worker keeps
 * it by heartbeats.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { CrossgateError, InputError, type Log, throwIfInterrupted } from '@crossgate/core';
import type { Consumer, JetStreamClient, JetStreamManager, JsMsg, StreamConfig } from '@nats-io/jetstream';
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
   * @param lease milliseconds without a heartbeat after which a shard is handed to another worker
   * @returns how many were put, and how many were there
   * @throws InputError `queue.other` for a queue of another number of shards, and one of another version of this program
   */
  fill(shards: readonly number[], count: number, lease: number): Promise<{ queued: number; waiting: number }>;
  /**
   * Opens the queue to take shards.
   * @returns null where there is no such queue
   * @throws InputError `queue.other` for one of another version of this program
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
/** Codes of the server: no such stream or consumer, a stream with other settings, another message in the subject. */
const [NO_STREAM, NO_CONSUMER, OTHER_STREAM, OTHER_MESSAGE] = [10059, 10014, 10058, 10071];
/** Header of a message: how often the shard was begun under earlier messages. Absent for 0. */
const BEGUN = 'Crossgate-Begun';
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
  return new JobQueue({ ...server, place, connection, client, manager, nats, jetstream, job });
}

interface QueueParts extends QueueServer {
  readonly place: string;
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly nats: typeof import('@nats-io/transport-node');
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
    const { AckPolicy, RetentionPolicy, StorageType } = jetstream;
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
        ...{ name: this.#stream, subjects: [`${this.#subject}.${count}.*`], storage: StorageType.File },
        ...{ retention: RetentionPolicy.Workqueue, max_msgs_per_subject: 1 },
      });
    } catch (error) {
      // Made by another process meanwhile, or by an earlier call.
      if (this.#codeOf(error) !== OTHER_STREAM || (await this.#count()) !== count) throw this.#named(error);
    }
    const settings = { ack_wait: lease * 1e6, max_ack_pending: 100_000 };
    const own = { durable_name: CONSUMER, ack_policy: AckPolicy.Explicit, max_deliver: -1 };
    try {
      if (known === null) await manager.consumers.add(this.#stream, { ...own, ...settings });
      else await manager.consumers.update(this.#stream, CONSUMER, settings);
    } catch (error) {
      throw this.#named(error);
    }
    let [queued, waiting] = [0, 0];
    const put = async (shard: number) => {
      try {
        // Only where there is none: another message would take the place of the first, and its attempts be forgotten.
        await client.publish(this.#subjectOf({ index: shard, count }), undefined, {
          expect: { lastSubjectSequence: 0 },
        });
        queued++;
      } catch (error) {
        if (this.#codeOf(error) !== OTHER_MESSAGE) throw this.#named(error);
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

  /** The number of shards that the queue was made for; null without a queue. */
  async #count(): Promise<number | null> {
    const { manager, place } = this.parts;
    let config: StreamConfig;
    try {
      ({ config } = await manager.streams.info(this.#stream));
    } catch (error) {
      if (this.#codeOf(error) === NO_STREAM) return null;
      throw unreachable(place, error);
    }
    const [count] = /(?<=^crossgate\.\w+\.)\d+(?=\.\*$)/.exec(config.subjects.join()) ?? [];
    // With other rules than ours, a shard that is handed back would be lost or be there twice.
    if (count === undefined || config.max_msgs_per_subject !== 1 || config.discard !== 'old') {
      throw new InputError(`the queue of this job, the stream ${this.#stream}, is of another version of this program`, {
        code: 'queue.other',
        place,
        fix: 'let workers of that version finish it, or remove the stream and fill the queue again',
      });
    }
    return Number(count);
  }

  #subjectOf({ index, count }: Shard): string {
    return `${this.#subject}.${count}.${index}`;
  }

  #deliveryOf(message: JsMsg): Delivery {
    const { client, log, nats } = this.parts;
    const [count, index] = message.subject.split('.').slice(2).map(Number) as [number, number];
    const shard = { index, count };
    const attempt = Number(message.headers?.get(BEGUN) || 0) + message.info.deliveryCount;
    const acknowledge = async () => {
      try {
        return await message.ackAck();
      } catch (error) {
        log.debug(`the queue was not told of shard ${index}: ${wordsOf(error)}`);
        return false;
      }
    };
    return {
      shard,
      attempt,
      working: () => message.working(),
      done: acknowledge,
      retry: (delay) => message.nak(delay),
      handBack: async () => {
        const headers = nats.headers();
        headers.set(BEGUN, String(attempt - 1));
        try {
          // The new message takes the place of this one in a single step of the server, so whenever this process dies, the
          // shard is there once. Where this one is no longer there, somebody else has finished or handed back the shard.
          const expect = { lastSubjectSequence: message.seq };
          await client.publish(this.#subjectOf(shard), undefined, { headers, expect, timeout: RETRY });
        } catch (error) {
          if (this.#codeOf(error) === OTHER_MESSAGE) return;
          log.debug(`shard ${index} comes back after its lease: ${wordsOf(error)}`);
        }
      },
      // Without a reason: servers before 2.10.4 do not understand one.
      giveUp: () => message.term(),
    };
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

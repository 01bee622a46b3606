/** A worker's dealings with the queue: heartbeats, failures that come back a bounded number of times, a server that goes away. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { InputError } from '@crossgate/core';
import { findNats, folderWith, type NatsServer, noNats, startNats } from '@crossgate/testing/node';
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bulk, enqueueShards, openSession, type Session, workShards } from '../src';
import { openQueue, type WorkQueue } from '../src/batch/work-queue';
import { jobOf } from '../src/batch/write-shard';

const nats = findNats();

describe.skipIf(nats === null)(`workShards${nats === null ? ` (${noNats})` : ''}`, () => {
  let folder: string;
  let server: NatsServer;
  let said: string[];
  beforeEach(async () => {
    folder = await folderWith({ 'nats/x': '' });
    server = await startNats(join(folder, 'nats'));
    said = [];
  });
  afterEach(() => server.kill());

  const at = () => ({ url: server.url, env: {} });
  const place = () => ({ folder: join(folder, 'parts'), format: 'csv' as const });
  const session = (signal?: AbortSignal): Session => {
    const say = (message: unknown) => void said.push(String(message));
    return openSession({ cwd: folder, log: { debug: say, info: say, warn: say }, ...(signal && { signal }) });
  };
  /** An answer to as many units as shards; `make` makes one. */
  const bulkOf = (units: number, make: (unit: number) => Promise<void>): Bulk => ({
    ...{ command: 'predict', method: 'mean', manifest: { run: 'x' }, units, step: 1 },
    async *content(_format, from, to, counts) {
      for (let unit = from; unit < to; unit++) {
        await make(unit);
        yield `${unit}\n`;
      }
      counts.rows = to - from;
    },
    open: async () => {},
    close: async () => {},
  });
  const fill = (bulk: Bulk, lease = 1000) =>
    enqueueShards(at(), session(), bulk, { ...place(), count: bulk.units, lease });
  const work = (bulk: Bulk, attempts = 5, signal?: AbortSignal) =>
    workShards(at(), session(signal), bulk, { ...place(), attempts });

  it('keeps a shard by heartbeats for longer than the lease, also through a restart of the server', async () => {
    let begun = 0;
    const bulk = bulkOf(1, async () => {
      begun++;
      await pause(1500);
      await server.kill();
      await server.start();
      await pause(2500);
    });
    // Longer than the server needs to start, shorter than the shard takes.
    await fill(bulk, 3000);
    const first = work(bulk);
    while (begun === 0) await pause(5);
    const outcomes = await Promise.all([first, work(bulk)]);
    expect(outcomes.map(({ made }) => made)).toEqual([1, 0]);
    expect(begun).toBe(1);
  }, 60_000);

  it('says of a server that goes away between two questions that none answers', async () => {
    const bulk = bulkOf(1, async () => {});
    await fill(bulk);
    const { log, signal } = session();
    const queue = await openQueue({ ...at(), log, signal }, jobOf(bulk, 'csv', 0));
    expect(await queue.open()).toMatchObject({ count: 1 });
    await server.kill();
    await expect(queue.remove()).rejects.toMatchObject({ code: 'network.failed', place: at().url });
    await queue.close();
  }, 60_000);

  it('ends with a failure that is no fault of the input, which comes back so often and is then given up', async () => {
    const bulk = bulkOf(2, async (unit) => {
      if (unit === 1) throw new Error('broken');
    });
    await fill(bulk);
    // The worker that the failure ends may have made the other shard before.
    await expect(work(bulk, 2)).rejects.toThrow(/^broken$/);
    await expect(work(bulk, 2)).rejects.toThrow(/^broken$/);
    await expect(work(bulk, 2)).rejects.toEqual(
      expect.objectContaining({
        name: 'CrossgateError',
        code: 'shard.missing',
        message: expect.stringMatching(
          /parts: the queue is empty, and 1 of 2 shards are not finished: 1; see why they were/,
        ),
      }),
    );
    expect(said).toContain('shard 1/2 is given up: it was begun 2 times, and no worker finished it');
    // Filled again, it may be tried again.
    const mended = bulkOf(2, async () => {});
    expect(await fill(mended)).toEqual({ queued: 1, waiting: 0, finished: 1 });
    expect(await work(mended)).toEqual({ shards: 2, made: 1, already: 0 });
  }, 60_000);

  it('takes no shard for finished whose file is gone or changed', async () => {
    const bulk = bulkOf(3, async () => {});
    const { folder: parts } = place();
    await fill(bulk);
    expect(await work(bulk)).toEqual({ shards: 3, made: 3, already: 0 });
    await rm(join(parts, 'shard-0-of-3.csv'));
    await writeFile(join(parts, 'shard-2-of-3.csv'), '3\n');
    await expect(work(bulk)).rejects.toEqual(
      expect.objectContaining({
        code: 'shard.missing',
        message: expect.stringMatching(
          /the queue is empty, and 2 of 3 shards are not finished: 0, 2; .* --enqueue 3 to/,
        ),
      }),
    );
    const damage = [
      `${join(parts, 'shard-0-of-3.csv')} is not there: shard 0/3 is not finished`,
      `${join(parts, 'shard-2-of-3.csv')} has another checksum than its manifest says: shard 2/3 is not finished`,
    ];
    expect(said).toEqual(expect.arrayContaining(damage));
    expect(await fill(bulk)).toEqual({ queued: 2, waiting: 0, finished: 1 });
    expect(await work(bulk)).toEqual({ shards: 3, made: 2, already: 0 });
    expect(await readFile(join(parts, 'shard-2-of-3.csv'), 'utf8')).toBe('2\n');
  }, 60_000);

  it('hands a shard back at once when it is stopped, and does not count that as an attempt', async () => {
    const ends = ['stopped', 'stopped', 'broken', 'stopped', 'broken', 'stopped'];
    let begun = 0;
    const attempt = () => {
      const stop = new AbortController();
      const bulk = bulkOf(1, async () => {
        if (ends[begun++] === 'stopped') stop.abort();
        else if (begun <= ends.length) throw new Error('broken');
      });
      return work(bulk, 3, stop.signal).catch(({ message }: Error) => message);
    };
    const bulk = bulkOf(1, async () => {});
    await fill(bulk, 600_000);
    const said = [];
    for (const _ of ends) said.push(await attempt());
    expect(said).toEqual(ends.map((end) => (end === 'stopped' ? 'interrupted' : 'broken')));
    // It waits, once.
    expect(await fill(bulk, 600_000)).toEqual({ queued: 0, waiting: 1, finished: 0 });
    expect(await attempt()).toEqual({ shards: 1, made: 1, already: 0 });
    expect(begun).toBe(ends.length + 1);
  }, 60_000);

  it('ends a worker whose machine lacks the model, and leaves all shards to others', async () => {
    const bulk = bulkOf(3, async () => {});
    await fill(bulk, 600_000);
    const lacking = { ...bulk, open: () => Promise.reject(new InputError('there is no model here')) };
    for (let worker = 0; worker < 3; worker++) await expect(work(lacking, 2)).rejects.toThrow('there is no model here');
    expect(await work(bulk, 1)).toEqual({ shards: 3, made: 3, already: 0 });
  }, 60_000);

  it('keeps a longer lease when the queue is filled again', async () => {
    const bulk = bulkOf(1, async () => {});
    await fill(bulk, 600_000);
    await fill(bulk, 1000);
    const { log, signal } = session();
    const queue = await openQueue({ ...at(), log, signal }, jobOf(bulk, 'csv', 0));
    expect(await queue.open()).toEqual({ count: 1, lease: 600_000 });
    await fill(bulk, 700_000);
    expect(await queue.open()).toEqual({ count: 1, lease: 700_000 });
    await queue.close();
  }, 60_000);

  it('gives up a shard that was begun too often, whoever handed it back between', async () => {
    const stop = new AbortController();
    const failing = bulkOf(1, async () => {
      throw new Error('broken');
    });
    await fill(failing);
    const end = (attempts: number, signal?: AbortSignal, bulk = failing) =>
      work(bulk, attempts, signal).catch(({ message }: Error) => message);
    expect(await end(1)).toBe('broken');
    expect(
      await end(
        2,
        stop.signal,
        bulkOf(1, async () => stop.abort()),
      ),
    ).toBe('interrupted');
    expect(await end(1)).toMatch(/the queue is empty, and 1 of 1 shards are not finished: 0/);
    expect(said).toContain('shard 0/1 is given up: it was begun 1 times, and no worker finished it');
  }, 60_000);

  /** Does something to the queue that is there, past the worker's own code. */
  const onServer = async <T>(body: (manager: JetStreamManager, stream: string) => Promise<T>): Promise<T> => {
    const connection = await connect({ servers: server.url });
    try {
      const manager = await jetstreamManager(connection);
      const [stream] = await manager.streams.names().next();
      return await body(manager, stream!);
    } finally {
      await connection.close();
    }
  };
  const messages = () => onServer(async ({ streams }, stream) => (await streams.info(stream)).state.messages);

  it('keeps one message of a shard, whoever hands it back or finishes it after the lease', async () => {
    const bulk = bulkOf(1, async () => {});
    await fill(bulk, 300);
    const { log, signal } = session();
    const queues = await Promise.all([1, 2].map(() => openQueue({ ...at(), log, signal }, jobOf(bulk, 'csv', 0))));
    for (const queue of queues) await queue.open();
    const [stalled, other] = queues as [WorkQueue, WorkQueue];
    // No heartbeat: both hold the same message.
    const [late, early] = [await stalled.take(), await other.take()];
    expect([late!.attempt, early!.attempt]).toEqual([1, 2]);
    await early!.handBack();
    expect(await messages()).toBe(1);
    await late!.handBack();
    expect(said).toContainEqual(expect.stringMatching(/^shard 0 was not handed back: wrong last sequence: 2/));
    expect(await messages()).toBe(1);
    const again = await stalled.take();
    expect(again!.attempt).toBe(2);
    const last = await other.take();
    expect(last!.attempt).toBe(3);
    expect(await last!.done()).toBe(true);
    await again!.handBack();
    expect(await messages()).toBe(0);
    expect(await stalled.take()).toBeNull();
    for (const queue of queues) await queue.close();
  }, 60_000);

  it('fills a queue whose maker died before workers could take from it', async () => {
    const bulk = bulkOf(2, async () => {});
    await fill(bulk);
    await onServer((manager, stream) => manager.consumers.delete(stream, 'workers'));
    await expect(work(bulk)).rejects.toMatchObject({ code: 'queue.not-found' });
    expect(await fill(bulk)).toEqual({ queued: 0, waiting: 2, finished: 0 });
    expect(await work(bulk)).toEqual({ shards: 2, made: 2, already: 0 });
  }, 60_000);

  it.each([
    ['without counts of attempts', '*', { discard: 'new', discard_new_per_subject: true }],
    ['with counts in its subjects', '*.*.*', { discard: 'new', discard_new_per_subject: true }],
  ] as const)(
    'refuses a queue of an earlier version %s, and names what to do',
    async (_, rest, settings) => {
      const bulk = bulkOf(2, async () => {});
      await fill(bulk);
      const name = await onServer(async ({ streams }, stream) => {
        const { config } = await streams.info(stream);
        await streams.delete(stream);
        const subjects = config.subjects.map((subject) => subject.replace(/\*$/, rest));
        await streams.add({ ...config, ...settings, subjects } as StreamConfig);
        return stream;
      });
      const words =
        `${server.url}: the queue of this job was made by another version of Crossgate; empty it by workers of that ` +
        `version, or remove it (nats stream rm ${name}) and fill it again: finished shards stay`;
      for (const ask of [fill, work])
        await expect(ask(bulk)).rejects.toMatchObject({ name: 'InputError', code: 'queue.other', message: words });
      await onServer(({ streams }) => streams.delete(name));
      expect(await fill(bulk)).toEqual({ queued: 2, waiting: 0, finished: 0 });
    },
    60_000,
  );

  it('refuses a folder of another job before it takes a shard', async () => {
    const bulk = bulkOf(2, async () => {});
    await fill(bulk);
    await work(bulk);
    const other: Bulk = { ...bulk, manifest: { run: 'y' } };
    await expect(fill(other)).rejects.toEqual(expect.objectContaining({ code: 'shard.other' }));
    await expect(work(other)).rejects.toEqual(expect.objectContaining({ code: 'shard.other' }));
  }, 60_000);
});

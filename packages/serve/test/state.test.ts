/** Events and items that are kept in a file: at once, once, and whatever happens to the process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { build } from 'esbuild';
import Database from 'libsql';
import { expect, it, onTestFinished } from 'vitest';
import { createServer } from '../src';
import { openStateFile } from '../src/state';
import { serverOf } from './ask';
import { fakeRun } from './fake-run';

const event = (id: string, rest: object = {}) => ({ id, user: 'new', item: 'i3', label: 1, timestamp: 5, ...rest });

it('gives the next process what it kept', async () => {
  const state = join(await folderWith(), 'state.db');
  const first = await serverOf({ state });
  await first.post('/v1/items', { items: [{ item: 'n1', title: 'New one' }] });
  await first.post('/v1/events', { events: [event('e1'), event('e2', { item: 'n1', label: 0 })] });
  await first.server.close();
  expect((await stat(state)).mode & 0o077).toBe(0);

  const second = await serverOf({ state });
  expect((await second.get('/v1/items/n1')).body).toMatchObject({ title: 'New one', known: 'added' });
  expect((await second.get('/v1/users/new')).body.events).toMatchObject([
    { item: 'i3', label: 1 },
    { item: 'n1', label: 0, title: 'New one' },
  ]);
  const again = await second.post('/v1/events', { events: [event('e1'), event('e3')] });
  expect(again.body).toMatchObject({ accepted: 1, duplicates: 1 });
  const other = await second.post('/v1/events', { events: [event('e1', { label: 0 })] });
  expect(other).toMatchObject({ status: 409, body: { error: { path: 'events[0].id' } } });
});

it('is whole in its one file when the server has ended', async () => {
  const folder = await folderWith();
  const state = join(folder, 'state.db');
  const first = await serverOf({ state });
  await first.post('/v1/events', { events: [event('e1')] });
  await first.server.close();
  await copyFile(state, join(folder, 'copy.db'));
  const second = await serverOf({ state: join(folder, 'copy.db') });
  expect((await second.get('/v1/users/new')).body.events).toHaveLength(1);
});

it('is used by one process at a time', async () => {
  const state = join(await folderWith(), 'state.db');
  await serverOf({ state });
  await expect(createServer(fakeRun(), { state })).rejects.toThrow(/state\.db: another process uses/);
});

it('refuses files that are none of its own, and leaves them as they are', async () => {
  const folder = await folderWith({ 'text.db': 'this is no database, but it is longer than a header of one' });
  const path = (name: string) => join(folder, name);
  const other = new Database(path('other.db'));
  other.exec('CREATE TABLE shop (id)');
  other.close();
  await expect(openStateFile(path('other.db'))).rejects.toThrow(/other\.db: is a database of another program/);
  await expect(openStateFile(path('text.db'))).rejects.toThrow(/text\.db: not a state file/);
  await expect(openStateFile(folder)).rejects.toThrow(/is a folder/);
  await expect(openStateFile(path('none/state.db'))).rejects.toThrow(/none: no such folder/);
  // After a refusal the lock is free.
  await expect(openStateFile(path('other.db'))).rejects.toThrow(/of another program/);
  await writeFile(path('new.db'), '');
  await (await openStateFile(path('new.db'))).close();
});

it('refuses a run that does not know an item of an event', async () => {
  const state = join(await folderWith(), 'state.db');
  const first = await serverOf({ state }, { items: 30 });
  await first.post('/v1/events', { events: [event('e1', { item: 'i30' })] });
  await first.server.close();
  await expect(createServer(fakeRun({ items: 10 }), { state })).rejects.toThrow(
    /state\.db: does not go with this run: unknown item i30/,
  );
  await (await openStateFile(state)).close();
});

it('does not take an event twice that a newer run was trained on', async () => {
  const state = join(await folderWith(), 'state.db');
  const first = await serverOf({ state });
  const events = [event('e1', { user: 'u1' }), event('e2', { user: 'u1' }), event('e3', { user: 'u1', item: 'i4' })];
  await first.post('/v1/events', { events });
  await first.server.close();
  // Its data hold one of the two that are alike.
  const newer = fakeRun();
  newer.observe([{ user: 'u1', item: 'i3', label: 1, timestamp: 5 }]);
  const second = await serverOf({ state }, newer);
  const { body } = await second.get('/v1/users/u1');
  const since = body.events.filter(({ timestamp }: { timestamp: number }) => timestamp === 5);
  expect(since.map(({ item }: { item: string }) => item)).toEqual(['i3', 'i3', 'i4']);
  expect((await second.post('/v1/events', { events })).body).toMatchObject({ accepted: 0, duplicates: 3 });
});

it('refuses text that would come back from the file as another, and events of the future', async () => {
  const state = join(await folderWith(), 'state.db');
  const { post } = await serverOf({ state });
  const bad = ['\ud800', 'a\udfffb', 'a\0b'];
  for (const text of bad) {
    for (const rest of [{ id: text }, { user: text }]) {
      const { status, body } = await post('/v1/events', { events: [event('e1'), event('e2', rest)] });
      const path = `events[1].${Object.keys(rest)[0]}`;
      expect({ status, path: body.error.path }).toEqual({ status: 400, path });
    }
    for (const one of [
      { item: text, title: 'x' },
      { item: 'x', title: text },
    ]) {
      expect((await post('/v1/items', { items: [one] })).status).toBe(400);
    }
  }
  expect((await post('/v1/events', { events: [event('\ud83d\ude00 \u00fc')] })).status).toBe(200);
  const now = Math.floor(Date.now() / 1000);
  const at = (id: string, timestamp: number) => post('/v1/events', { events: [event(id, { timestamp })] });
  expect((await at('soon', now + 3600)).status).toBe(200);
  for (const time of [now + 2 * 86_400, 2 ** 33, Date.now()]) {
    const { status, body } = await at('late', time);
    expect({ status, path: body.error.path }).toEqual({ status: 400, path: 'events[0].timestamp' });
  }
});

it('takes nothing that it cannot write', async () => {
  const state = join(await folderWith(), 'state.db');
  const { post, get, server } = await serverOf({ state });
  const blocker = new Database(state);
  blocker.exec("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(FAIL, 'disk /srv/x is full'); END");
  blocker.close();
  const refused = await post('/v1/events', { events: [event('e1')] });
  expect(refused).toMatchObject({ status: 503, body: { error: { code: 'state' } } });
  expect(JSON.stringify(refused.body)).not.toContain('srv');
  expect((await get('/v1/users/new')).status).toBe(404);
  const freed = new Database(state);
  freed.exec('DROP TRIGGER full');
  freed.close();
  expect((await post('/v1/events', { events: [event('e1')] })).body).toMatchObject({ accepted: 1 });
  expect(server.ready).toBe(true);
});

it('writes requests of one moment together, each with its own answer', async () => {
  const state = join(await folderWith(), 'state.db');
  const { post } = await serverOf({ state });
  const answers = await Promise.all([
    post('/v1/events', { events: [event('a'), event('b')] }),
    post('/v1/events', { events: [event('b'), event('c', { item: 'gone' })] }),
    post('/v1/events', { events: [event('b'), event('d')] }),
  ]);
  expect(answers.map(({ status, body }) => [status, body.accepted, body.duplicates])).toEqual([
    [200, 2, 0],
    [404, undefined, undefined],
    [200, 1, 1],
  ]);
});

/** Bundles the process once and starts it. @returns its port when it listens */
async function start(folder: string, args: readonly string[]): Promise<{ child: ChildProcess; port: number }> {
  // Beside the packages that it imports.
  const script = join(import.meta.dirname, `../node_modules/.serve-fake-${process.pid}.mjs`);
  if (!existsSync(script)) {
    const entryPoints = [join(import.meta.dirname, 'serve-fake.ts')];
    await build({
      ...{ entryPoints, outfile: script, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' },
      // What is not TypeScript of ours stays where it is.
      ...{ external: ['libsql', 'hono', 'hono/*', '@hono/*', 'prom-client', 'zod'], conditions: ['@crossgate/source'] },
    });
  }
  onTestFinished(() => rm(script, { force: true }));
  const child = spawn(process.execPath, [script, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout!.once('data', (chunk) => resolve(Number(chunk)));
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { child, port };
}

it('loses no acknowledged event when it is killed', async () => {
  const folder = await folderWith();
  const state = join(folder, 'state.db');
  const acknowledged = new Set<string>();
  let sent = 0;
  for (let round = 0; round < 2; round++) {
    const { child, port } = await start(folder, [state]);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const client = async () => {
      for (;;) {
        const events = Array.from({ length: 3 }, () => event(`e${sent++}`));
        try {
          const answer = await fetch(`http://127.0.0.1:${port}/v1/events`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ events }),
          });
          if (answer.status !== 200) return;
          await answer.json();
        } catch {
          return;
        }
        for (const { id } of events) acknowledged.add(id);
        if (acknowledged.size >= 150 * (round + 1)) child.kill('SIGKILL');
      }
    };
    await Promise.all([client(), client(), client(), client()]);
    await ended;
  }
  const store = await openStateFile(state);
  const kept = new Set(store.load().events.map(({ id }) => id));
  await store.close();
  expect(acknowledged.size).toBeGreaterThanOrEqual(300);
  expect([...acknowledged].filter((id) => !kept.has(id))).toEqual([]);
});

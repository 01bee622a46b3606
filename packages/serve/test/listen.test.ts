/** Listening and its end. */
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { listen } from '../src';
import { serverOf } from './ask';
import { fakeRun } from './fake-run';
import { exchange, open, statusOf } from './socket';

const headers = { 'content-type': 'application/json' };

it('names a port that is in use, and a host that is none', async () => {
  const { server } = await serverOf();
  const other = createHttp().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  await expect(listen(server, { port })).rejects.toThrow(`port: port ${port} is in use; choose another`);
  other.close();
  await expect(listen(server, { port: 0, host: '203.0.113.7' })).rejects.toThrow(/host: 203\.0\.113\.7 is no address/);
});

it('answers what has begun when it ends, and is then gone', async () => {
  const run = fakeRun();
  let release = () => {};
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  run.before = () => {
    begin();
    return new Promise<void>((resolve) => {
      release = resolve;
    });
  };
  const { server } = await serverOf({ deadline: 60_000 }, run);
  const listening = await listen(server, { port: 0 });
  // An idle connection must not hold the end up.
  await (await fetch(`${listening.url}/healthz`)).text();
  const body = JSON.stringify({ user: 'u1', top: 1 });
  const asked = fetch(`${listening.url}/v1/recommend`, { method: 'POST', headers, body });
  await begun;
  const closed = listening.close();
  await expect(fetch(`${listening.url}/healthz`)).rejects.toThrow();
  release();
  const answer = await asked;
  expect(answer.status).toBe(200);
  expect(answer.headers.get('connection')).toBe('close');
  await answer.text();
  await closed;
});

it('cuts connections that do not end', async () => {
  const { server } = await serverOf();
  const listening = await listen(server, { port: 0 });
  const slow = open(listening.port);
  slow.socket.write('POST /v1/events HTTP/1.1\r\nHost: a\r\n');
  await (await fetch(`${listening.url}/healthz`)).text();
  await listening.close(50);
  expect(await slow.ended).toBe('');
});

it('answers several requests on one connection', async () => {
  const { server } = await serverOf();
  await using listening = await listen(server, { port: 0 });
  const one = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
  const last = 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const text = await exchange(listening.port, one + one + last);
  expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(3);
  expect(statusOf(text)).toBe(200);
});

it('cuts a client that does not take its answer', async () => {
  const run = fakeRun();
  // More than the kernel holds for both sides.
  const bytes = 30_000_000;
  run.items = () => [{ id: 'long', title: 'x'.repeat(bytes), known: 'trained' }];
  const { server } = await serverOf({}, run);
  await using listening = await listen(server, { port: 0, answerTimeout: 50 });
  const { socket, ended } = open(listening.port);
  socket.write('GET /v1/items HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await once(socket, 'data');
  socket.pause();
  // Both clocks are of this process, and the server's began first.
  await new Promise((resolve) => setTimeout(resolve, 200));
  socket.resume();
  expect((await ended).length).toBeLessThan(bytes);
});

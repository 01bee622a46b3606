/** Hostile requests over a real socket: each is refused or answered, none is a fault, and the server goes on. */
import { expect, it } from 'vitest';
import { LOOPBACK, listen } from '../src';
import { serverOf } from './ask';
import { hostileRequests } from './hostile-requests';
import { exchange, statusOf } from './socket';

it('answers hostile requests without a fault', async () => {
  const warnings: string[] = [];
  const warn = (line: string) => void warnings.push(line);
  const { server } = await serverOf({ hosts: LOOPBACK, log: { debug() {}, info() {}, warn } });
  await using listening = await listen(server, { port: 0, requestTimeout: 1000, headersTimeout: 1000 });
  const all = hostileRequests();
  expect(all.length).toBeGreaterThanOrEqual(2000);
  const some = all.slice(0, 400);
  const faults: string[] = [];
  const next = some[Symbol.iterator]();
  const send = async () => {
    for (const { name, wire } of next) {
      const text = await exchange(listening.port, wire);
      const status = statusOf(text);
      const leaks = /\bat .*:\d+:\d+|node_modules|\/srv\/|evil\.example/.test(text);
      if (status >= 500 || leaks || (status >= 400 && name.startsWith('HEAD') === false && !text.includes('"error"'))) {
        faults.push(`${name}: ${text.slice(0, 200)}`);
      }
    }
  };
  await Promise.all([send(), send(), send(), send()]);
  expect(faults).toEqual([]);
  expect(warnings).toEqual([]);
  const { status } = await fetch(`${listening.url}/readyz`);
  expect(status).toBe(200);
});

it.each([
  ['a body without end', 'Content-Length: 100\r\n\r\n{"user"', 408],
  ['headers without end', 'X-Slow: ', 408],
])('ends a connection with %s', async (_, rest, status) => {
  const { server } = await serverOf();
  await using listening = await listen(server, { port: 0, requestTimeout: 300, headersTimeout: 200 });
  const head = 'POST /v1/recommend HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
  const text = await exchange(listening.port, head + rest, 20_000);
  expect(statusOf(text)).toBe(status);
  expect(text).toContain('"code":"timeout"');
});

it('answers others while a body is on its way', async () => {
  const { server } = await serverOf();
  await using listening = await listen(server, { port: 0 });
  const { open } = await import('./socket');
  const slow = open(listening.port);
  const body = '{"user":"u1","top":1}';
  slow.socket.write(
    `POST /v1/recommend HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n{`,
  );
  const ask = () =>
    fetch(`${listening.url}/v1/recommend`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  for (let i = 0; i < 3; i++) expect((await ask()).status).toBe(200);
  expect(slow.text()).toBe('');
  slow.socket.write(body.slice(1));
  expect(statusOf(await slow.ended)).toBe(200);
});

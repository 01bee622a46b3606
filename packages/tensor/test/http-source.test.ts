/** Files behind HTTP: in ranges where the server knows them, whole where not, and what is wrong by name. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { type LocalServer, startServer } from '@crossgate/testing/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { httpHas, httpSource } from '../src';

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
let etag = '"1"';
/** Faults of the server that are still to come. */
let faults = 0;
let server: LocalServer;

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '').replace(/\?.*$/, '');
  if (faults > 0) {
    faults--;
    response.writeHead(503).end();
    return;
  }
  if (path === '/missing.bin') return void response.writeHead(404).end();
  if (path === '/secret.bin') return void response.writeHead(403).end();
  if (path === '/packed.bin') {
    const packed = gzipSync(bytes);
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length });
    return void response.end(request.method === 'HEAD' ? undefined : packed);
  }
  if (path === '/no-head.bin' && request.method === 'HEAD') return void response.writeHead(405).end();
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  if (first === undefined || path !== '/ranges.bin') {
    response.writeHead(200, { etag, 'content-length': bytes.length });
    return void response.end(request.method === 'HEAD' ? undefined : bytes);
  }
  const part = bytes.subarray(Number(first), Number(last) + 1);
  response.writeHead(206, { etag, 'content-length': part.length }).end(part);
}

beforeAll(async () => {
  server = await startServer(answer);
});
afterAll(() => server.close());

it('reads ranges, and no more', async () => {
  const file = await httpSource(`${server.url}/ranges.bin?key=secret`);
  expect([file.size, file.name]).toEqual([1000, `${server.url}/ranges.bin`]);
  expect(await file.read(3, 4)).toEqual(bytes.subarray(3, 7));
  expect(await file.read(998, 2)).toEqual(bytes.subarray(998));
  expect(await file.read(5, 0)).toHaveLength(0);
  await expect(file.read(999, 2)).rejects.toThrow('it ends at 1000');
  expect(server.requests.at(-1)?.headers.range).toBe('bytes=998-999');
});

it.each(['whole.bin', 'packed.bin', 'no-head.bin'])(
  'fetches %s once, of a server without ranges or length',
  async (name) => {
    const file = await httpSource(`${server.url}/${name}`);
    expect(file.size).toBe(1000);
    const before = server.requests.length;
    expect(await file.read(10, 5)).toEqual(bytes.subarray(10, 15));
    expect(await file.read(990, 10)).toEqual(bytes.subarray(990));
    expect(server.requests.length - before).toBeLessThanOrEqual(1);
  },
);

it('notices a file that changed', async () => {
  const file = await httpSource(`${server.url}/ranges.bin`);
  etag = '"2"';
  await expect(file.read(0, 4)).rejects.toThrow(`${server.url}/ranges.bin: the file changed while it was read`);
});

it('tries again after a fault of the server, and names what cannot be had', async () => {
  faults = 1;
  expect((await httpSource(`${server.url}/ranges.bin`)).size).toBe(1000);
  expect(await httpHas(`${server.url}/missing.bin`)).toBe(false);
  expect(await httpHas(`${server.url}/no-head.bin`)).toBe(true);
  await expect(httpSource(`${server.url}/missing.bin`)).rejects.toThrow('missing.bin: there is no such file');
  await expect(httpSource(`${server.url}/secret.bin`)).rejects.toThrow(
    'the server answers 403; it may be read by others',
  );
  await expect(httpSource(`${server.url}/whole.bin`, { cache: 'x' })).rejects.toThrow('there is no Cache Storage here');
});

it('ends when it is told to', async () => {
  const reason = new Error('enough');
  await expect(httpSource(`${server.url}/whole.bin`, { signal: AbortSignal.abort(reason) })).rejects.toThrow('enough');
});

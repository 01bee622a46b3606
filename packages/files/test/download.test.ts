/** Downloads from a local server that misbehaves in every way a real one does. */

import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';

import { type Answer, type LocalServer, serveBytes, startServer } from '@crossgate/testing/node';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { downloadFile, patientFetch } from '../src';

const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * index + (index >> 7)) & 255));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let server: LocalServer;
let url: string;
let folder: string;
let path: string;
/** The `Range` of every request so far. */
const ranges = () => server.requests.map((request) => request.headers.range);
// The first request of a process loads its client, which takes long on a busy machine.
beforeAll(() => import('../src/network'));

beforeEach(async () => {
  server = await startServer((_, response) => response.writeHead(500).end());
  url = `${server.url}/file.bin`;
  folder = await mkdtemp(join(tmpdir(), 'crossgate-download-'));
  path = join(folder, 'file.bin');
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Serves as a good server does, ranges included; closes the connection after `limit` bytes of an answer. */
function serve(request: IncomingMessage, response: ServerResponse, limit?: number, bytes: Uint8Array = content): void {
  serveBytes(request, response, bytes, { limit });
}

const quick = { pause: 1, patience: 1_500, attempts: 3 };
const download = (options: object = {}) =>
  downloadFile({ url, bytes: content.length, sha256: sha256(content) }, path, { ...quick, ...options });

describe('a server that can be lived with', () => {
  it.each<[string, Answer, number]>([
    ['answers at once', (request, response) => serve(request, response), 1],
    ['cuts every answer after 30,000 bytes', (request, response) => serve(request, response, 30_000), 4],
    [
      'says 503 and 429 first',
      (request, response, count) =>
        count < 3 ? response.writeHead(count === 1 ? 503 : 429).end() : serve(request, response),
      3,
    ],
    [
      'drops the first connection',
      (request, response, count) => (count === 1 ? response.destroy() : serve(request, response)),
      2,
    ],
    [
      'stalls in the middle',
      (request, response, count) => {
        if (count > 1) serve(request, response);
        else response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 5_000));
      },
      2,
    ],
    ['never answers the first request', (request, response, count) => count > 1 && serve(request, response), 2],
    [
      'redirects',
      (request, response) =>
        request.url === '/file.bin' ? response.writeHead(302, { location: '/other' }).end() : serve(request, response),
      2,
    ],
    [
      'ignores ranges',
      (request, response, count) => {
        delete request.headers.range;
        serve(request, response, count === 1 ? 40_000 : undefined);
      },
      2,
    ],
    [
      'answers another range than asked',
      (request, response, count) => {
        if (count === 2) request.headers.range = 'bytes=7-';
        serve(request, response, count === 1 ? 40_000 : undefined);
      },
      3,
    ],
    [
      'knows no ranges and says 416',
      (request, response, count) =>
        count === 2 ? response.writeHead(416).end() : serve(request, response, count === 1 ? 40_000 : undefined),
      3,
    ],
  ])('%s', async (_, behavior, requests) => {
    server.answer = behavior;
    const seen: number[] = [];
    await download({ progress: (bytes: number) => seen.push(bytes) });
    expect(content.equals(await readFile(path))).toBe(true);
    // A client may lose what it had not read when the connection broke: then it asks once more.
    expect(server.requests.length).toBeGreaterThanOrEqual(requests);
    expect(server.requests.length).toBeLessThanOrEqual(requests + 2);
    expect(seen.at(-1)).toBe(content.length);
    expect(await readdir(folder)).toEqual(['file.bin']);
  });
});

/** Sends the file packed, though it was not asked to, as some proxies do; ranges are those of what is packed. */
function servePacked(request: IncomingMessage, response: ServerResponse, coding: keyof typeof packers, limit?: number) {
  const packed = packers[coding](content);
  serveBytes(request, response, packed, { limit, headers: { 'content-encoding': coding, etag: 'W/"1"' } });
}
const packers = { gzip: gzipSync, 'x-gzip': gzipSync, deflate: deflateSync, br: brotliCompressSync };

describe('somebody on the way', () => {
  it.each(Object.keys(packers) as (keyof typeof packers)[])('packs the body with %s', async (coding) => {
    server.answer = (request, response) => servePacked(request, response, coding);
    await download();
    expect(content.equals(await readFile(path))).toBe(true);
    expect(server.requests.length).toBe(1);
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('packs the body, breaks off, and offers a part of what is packed', async () => {
    server.answer = (request, response, count) =>
      servePacked(request, response, 'gzip', count === 1 ? 30_000 : undefined);
    await download();
    expect(content.equals(await readFile(path))).toBe(true);
  });

  it('packs the body in a way that nobody unpacks, or says that it did: named as that', async () => {
    server.answer = (request, response) =>
      serveBytes(request, response, gzipSync(content), { headers: { 'content-encoding': 'gzip, compress' } });
    await expect(download({ pause: 60_000 })).rejects.toThrow(
      /: the answer is packed by gzip, compress, though it was asked for as it is; a proxy or CDN on the way packs it/,
    );
    server.answer = (request, response) =>
      serveBytes(request, response, content, { headers: { 'content-encoding': 'gzip' } });
    await expect(download()).rejects.toThrow(/: the answer is not packed as it says \(incorrect header check\)/);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each<[string, Record<string, string>]>([
    ['a coding that is none', { 'content-encoding': 'aws-chunked' }],
    ['the coding of no change', { 'content-encoding': 'Identity' }],
    ['a weak ETag', { etag: 'W/"abc"', 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' }],
    ['the type of a page for another file', { 'content-type': 'text/html' }],
  ])('adds %s, and ranges still help', async (_, headers) => {
    server.answer = (request, response, count) =>
      serveBytes(request, response, content, { headers, limit: count === 1 ? 40_000 : undefined });
    await download();
    expect(content.equals(await readFile(path))).toBe(true);
    expect(ranges().at(-1)).toBe('bytes=40000-');
  });

  it('sends the body in chunks, without a length', async () => {
    server.answer = (_, response) => {
      response.writeHead(200);
      for (let at = 0; at < content.length; at += 7_001) response.write(content.subarray(at, at + 7_001));
      response.end();
    };
    await download();
    expect(content.equals(await readFile(path))).toBe(true);
  });

  it('ends chunks too early: the rest is asked for', async () => {
    server.answer = (request, response, count) => {
      if (count > 1) return serve(request, response);
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.end(content.subarray(0, 60_000));
    };
    await download();
    expect(ranges()).toEqual([undefined, 'bytes=60000-']);
  });

  it('leaves out where a part belongs, and limits parts', async () => {
    server.answer = (request, response, count) => {
      if (count === 1) return serve(request, response, 40_000);
      if (count === 2) return void response.writeHead(206).end(content.subarray(40_000));
      const start = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
      const part = content.subarray(start, start + 60_000);
      const range = `bytes ${start}-${start + part.length - 1}/*`;
      response.writeHead(206, { 'content-range': range, 'content-length': part.length }).end(part);
    };
    await download();
    expect(content.equals(await readFile(path))).toBe(true);
    expect(ranges()).toEqual([undefined, 'bytes=40000-', undefined, 'bytes=60000-']);
  });

  it.each<[string, Answer]>([
    [
      'redirects to a login page',
      (request, response) =>
        request.url === '/login'
          ? response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<form>')
          : response.writeHead(302, { location: '/login' }).end(),
    ],
    [
      'sends a login page in chunks',
      (_, response) => {
        response.writeHead(200, { 'transfer-encoding': 'chunked', 'content-type': 'text/html' });
        response.end('<form>');
      },
    ],
    [
      'sends a long page without a type',
      (_, response) => {
        response.writeHead(200, { 'transfer-encoding': 'chunked' });
        response.end(`\n<!DOCTYPE html>${'x'.repeat(200_000)}`);
      },
    ],
    [
      'sends a packed login page',
      (_, response) => {
        const page = gzipSync('<html><form>');
        const headers = { 'content-encoding': 'gzip', 'content-type': 'text/html', 'content-length': page.length };
        response.writeHead(200, headers).end(page);
      },
    ],
  ])('%s: said at once, and what came before is kept', async (_, behavior) => {
    server.answer = behavior;
    const slow = { pause: 60_000 };
    await expect(download(slow)).rejects.toThrow(/127\.0\.0\.1:\d+ sends a web page in place of the file; a network/);
    expect(await readdir(folder)).toEqual([]);
    await writeFile(`${path}.partial`, content.subarray(0, 30_000));
    await expect(download(slow)).rejects.toMatchObject({ code: 'network.changed' });
    expect((await readFile(`${path}.partial`)).equals(content.subarray(0, 30_000))).toBe(true);
    server.answer = (request, response) => serve(request, response);
    await download();
    expect(ranges().at(-1)).toBe('bytes=30000-');
  });

  it.each([
    [511, /says 511 Network Authentication Required; this network asks for a login: open the address in a browser/],
    [403, /says 403 Forbidden; access is refused, by the server or by a proxy on the way/],
  ])('says %d: at once', async (status, message) => {
    server.answer = (_, response) => response.writeHead(status).end();
    await expect(download({ pause: 60_000 })).rejects.toThrow(message);
  });

  it('brings the same beginning again and again: that is no progress', async () => {
    server.answer = (request, response) => {
      if (request.headers.range) response.writeHead(416).end();
      else serve(request, response, 40_000);
    };
    await expect(download()).rejects.toThrow(/the server cannot go on|closed|other side/);
    expect(server.requests.length).toBeLessThanOrEqual(5);
  });
});

describe('a server that cannot', () => {
  it.each<[string, Answer, RegExp, boolean]>([
    [
      'says 404',
      (_, response) => response.writeHead(404).end('gone'),
      /says 404 Not Found; the file may have moved$/,
      false,
    ],
    [
      'says 503 for ever',
      (_, response) => response.writeHead(503).end(),
      /the server says 503; try again later$/,
      false,
    ],
    [
      'has a shorter file',
      (request, response) => serve(request, response, 1e9, content.subarray(1)),
      /has 99999 bytes, not the 100000 that are known/,
      false,
    ],
    [
      'sends more than it may',
      (_, response) => {
        response.writeHead(200);
        response.write(content);
        response.end('more');
      },
      /sends more than the 100000 bytes/,
      false,
    ],
    [
      'sends other bytes',
      (request, response) => serve(request, response, 1e9, Buffer.from(content.map((byte) => byte ^ 1))),
      /SHA-256 is [0-9a-f]{64}, not the known/,
      false,
    ],
    [
      'sends a page instead',
      (_, response) => response.writeHead(200).end('<html>sign in</html>'),
      /127\.0\.0\.1:\d+ sends a web page in place of the file; .* may ask for a login/,
      false,
    ],
    [
      'stalls for ever',
      (_, response) => void response.writeHead(200, { 'content-length': content.length }).write('x'),
      /no byte came for 1\.5 s; check the network, or try again later; 1 of 100000 bytes are kept, run it again/,
      true,
    ],
  ])('%s', async (_, behavior, message, partial) => {
    server.answer = behavior;
    await expect(download()).rejects.toThrow(message);
    const left = await readdir(folder);
    expect(left.filter((name) => name !== 'file.bin.partial')).toEqual([]);
    if (!partial) expect(left.length).toBe(0);
  });

  it('is not there', async () => {
    const gone = await startServer(() => {});
    await gone.close();
    const wanted = { url: `${gone.url}/x`, bytes: 3, sha256: '' };
    await expect(downloadFile(wanted, path, quick)).rejects.toThrow(/ECONNREFUSED/);
  });
});

describe('what a caller may say', () => {
  it('checks the SHA-1 of a Git object, and sends headers', async () => {
    const gitBlob = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
    server.answer = (request, response) => serve(request, response);
    const wanted = { url, bytes: content.length, gitBlob, headers: { authorization: 'Bearer x' } };
    await downloadFile(wanted, path, quick);
    expect(content.equals(await readFile(path))).toBe(true);
    expect(server.requests[0]?.headers.authorization).toBe('Bearer x');
    await expect(downloadFile({ ...wanted, gitBlob: sha256(content).slice(24) }, path, quick)).rejects.toThrow(
      /SHA-1 of the Git object is [0-9a-f]{40}, not the known/,
    );
  });

  it('fetches a file without bytes', async () => {
    server.answer = (request, response) => serve(request, response, 0, Buffer.alloc(0));
    await downloadFile({ url, bytes: 0, sha256: sha256(Buffer.alloc(0)) }, path, quick);
    expect((await readFile(path)).length).toBe(0);
  });

  it('names the status of a refusal', async () => {
    server.answer = (_, response) => response.writeHead(401).end();
    await expect(download()).rejects.toMatchObject({ name: 'RefusedError', status: 401 });
  });
});

describe('questions of a few bytes', () => {
  it('are asked again when the answer breaks off, stalls or is a 503', async () => {
    server.answer = (request, response, count) => {
      if (count === 1) response.writeHead(503).end();
      else if (count === 2) serveBytes(request, response, content, { limit: 500 });
      else if (count === 3) response.destroy();
      else if (count > 4) response.writeHead(201, { link: '<x>; rel="next"' }).end('all of it');
    };
    const response = await patientFetch({ ...quick, attempts: 5 })(url);
    expect([response.status, response.headers.get('link'), await response.text()]).toEqual([
      201,
      '<x>; rel="next"',
      'all of it',
    ]);
    expect(server.requests.length).toBe(5);
  });

  it('fail when nothing helps, and at once when aborted; a refusal is an answer', async () => {
    server.answer = (_, response) => response.writeHead(503).end();
    await expect(patientFetch(quick)(url)).rejects.toThrow(/file\.bin: the server says 503; try again later$/);
    expect(server.requests.length).toBe(3);
    server.answer = (_, response) => response.writeHead(404).end('none');
    expect((await patientFetch(quick)(url)).status).toBe(404);
    const signal = AbortSignal.abort();
    await expect(patientFetch({ ...quick, signal })(url)).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('going on', () => {
  it('starts where an earlier call stopped', async () => {
    server.answer = (request, response, count) => {
      if (count > 1) serve(request, response);
      else response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 30_000));
    };
    const stop = new AbortController();
    const first = download({
      signal: stop.signal,
      progress: (bytes: number) => bytes >= 30_000 && stop.abort(),
    });
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(folder)).toEqual(['file.bin.partial']);
    await download();
    expect(ranges()).toEqual([undefined, 'bytes=30000-']);
    expect(content.equals(await readFile(path))).toBe(true);
  });

  it.each([
    ['of another file', Buffer.alloc(500, 7)],
    ['that is too long', Buffer.alloc(200_000, 7)],
    ['of full length and wrong', Buffer.alloc(100_000, 7)],
  ])('does not trust a part %s', async (_, left) => {
    server.answer = (request, response) => serve(request, response);
    await writeFile(`${path}.partial`, left);
    await download();
    expect(content.equals(await readFile(path))).toBe(true);
  });
});

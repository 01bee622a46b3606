/** Serves the page, and a run beside it: files by name alone, in ranges, under a strict policy. */
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { InputError } from '@crossgate/core';
import type { Served, ServedFolder } from './served';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
};

/** The page runs its own scripts and talks to its own server, and does nothing else. */
export const pagePolicy =
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** How the page is served. */
export interface PageOptions {
  /** Folder of the built page. */
  readonly page: string;
  /** What is shown besides; null: the page alone. */
  readonly served: Served | null;
  /** 0: any free port. */
  readonly port: number;
  readonly host: string;
}

/** A server that listens. */
export interface PageServer {
  /** Such as `http://127.0.0.1:8090/`. */
  readonly url: string;
  /** Ends it, with open connections. */
  close(): Promise<void>;
}

/** What the page reads first: the folders that are served. */
function listingOf(served: Served | null): string {
  const of = (folder: ServedFolder | null, url: string) =>
    folder && { name: folder.name, url, files: [...folder.files.keys()] };
  return JSON.stringify({
    run: of(served?.run ?? null, 'served/run'),
    model: of(served?.model ?? null, 'served/model'),
  });
}

/** The built page by address. @throws InputError where it is not built */
function pageFiles(folder: string): Map<string, { readonly bytes: Buffer; readonly type: string }> {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  } catch {
    throw new InputError('the page is not built', { code: 'file.not-found', place: folder, fix: 'run npm run build' });
  }
  const files = names.filter((name) => types[extname(name)]);
  return new Map(
    files.map((name) => [
      name === 'index.html' ? '/' : `/${name}`,
      { bytes: readFileSync(join(folder, name)), type: types[extname(name)]! },
    ]),
  );
}

/** Starts to listen. @throws InputError where the page is not built, or the port cannot be had */
export async function servePage({ page, served, port, host }: PageOptions): Promise<PageServer> {
  const built = pageFiles(page);
  const listing = Buffer.from(listingOf(served));
  const isLocal = ['127.0.0.1', 'localhost', '::1'].includes(host);
  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('content-security-policy', pagePolicy);
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('referrer-policy', 'no-referrer');
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    response.setHeader('cross-origin-resource-policy', 'same-origin');
    const refuse = (status: number) => response.writeHead(status, { 'content-type': 'text/plain' }).end(`${status}\n`);
    if (request.method !== 'GET' && request.method !== 'HEAD') return void refuse(405);
    // Another site's name that leads here would read the run with its own scripts.
    const name = (request.headers.host ?? '').replace(/:\d+$/, '');
    if (isLocal && !['127.0.0.1', 'localhost', '[::1]'].includes(name)) return void refuse(421);
    let path: string;
    try {
      path = decodeURIComponent((request.url ?? '/').replace(/[?#].*$/, ''));
    } catch {
      return void refuse(400);
    }
    const send = (bytes: Buffer, type: string, cache: string) => {
      response.writeHead(200, { 'content-type': type, 'content-length': bytes.length, 'cache-control': cache });
      response.end(request.method === 'HEAD' ? undefined : bytes);
    };
    const file = built.get(path);
    // Names in assets hold a hash of what they hold.
    const cache = path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
    if (file) return send(file.bytes, file.type, cache);
    if (path === '/served/index.json') return send(listing, 'application/json', 'no-cache');
    const [, part, inside = ''] = /^\/served\/(run|model)\/(.+)$/.exec(path) ?? [];
    const disk = (part === 'run' ? served?.run : part === 'model' ? served?.model : undefined)?.files.get(inside);
    if (disk === undefined) return void refuse(404);
    await sendFile(request, response, disk);
  }

  await listen(server, port, host);
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        new InputError(taken ? 'is in use' : `cannot be listened at (${error.message})`, {
          code: 'usage',
          place: `${host}:${port}`,
          fix: 'choose another with --port',
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}

/** A file of the disk, whole or the one range that is asked for. */
async function sendFile(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  const { size, mtimeMs } = await stat(path);
  const headers = {
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    'cache-control': 'no-cache',
    etag: `"${size.toString(16)}-${Math.round(mtimeMs).toString(16)}"`,
  };
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(first ?? 0);
  const end = Math.min(last ? Number(last) : size - 1, size - 1);
  if (first !== undefined && (start >= size || end < start)) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${size}` }).end();
    return;
  }
  const isPart = first !== undefined;
  response.writeHead(isPart ? 206 : 200, {
    ...headers,
    'content-length': Math.max(0, end - start + 1),
    ...(isPart && { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === 'HEAD' || size === 0) return void response.end();
  await new Promise<void>((resolve, reject) => {
    const stream = createReadStream(path, { start, end });
    stream.on('error', reject);
    response.on('close', () => {
      stream.destroy();
      resolve();
    });
    stream.pipe(response);
  });
}

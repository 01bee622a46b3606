/** The API as the page meets it, over an invented world, and told to misbehave; it also serves the built page. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LocalServer, startServer } from '@crossgate/testing/node';
import { genreOf, genres, World } from './world';

/** Where the build puts the page. */
export const built = fileURLToPath(new URL('../../dist/page', import.meta.url));

/** The policy that the server sends with the page. */
export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** A body of POST /v1/recommend. */
export interface AskedList {
  readonly user?: string;
  readonly history?: readonly string[];
  readonly dislikes?: readonly string[];
  readonly top: number;
  readonly exclude?: readonly string[];
  readonly among?: readonly string[];
  readonly explain?: boolean;
  readonly where?: { readonly genres?: { readonly any: readonly string[] } };
}

/** How the server behaves; may be changed at any time. */
export interface Behavior {
  parts: { cf: boolean; llm: boolean };
  /** The token that is asked for. */
  token?: string;
  /** Lists hold the order of CF alone. */
  degraded?: boolean;
  /** Whether items have attributes. Default: they have. */
  attributes?: 'none' | 'failing';
  /** Nothing to go by. */
  popularity?: boolean;
  /** What the answer to a list waits for. */
  hold?(body: AskedList): Promise<void> | undefined;
  /** An answer in place of the list. */
  refuse?(body: AskedList): { status: number; body?: unknown; headers?: Record<string, string> } | undefined;
}

/** A running server. */
export interface FakeServer extends Pick<LocalServer, 'url' | 'close'> {
  readonly world: World;
  behavior: Behavior;
  /** Bodies of POST /v1/recommend, oldest first. */
  readonly asked: AskedList[];
}

/** Starts the server on a free port. @throws Error where the page is not built */
export async function startFakeServer(): Promise<FakeServer> {
  if (!existsSync(join(built, 'index.html'))) throw new Error('the page is not built: npm run build');
  const world = new World();
  const asked: AskedList[] = [];
  const server = await startServer((request, response) => {
    answer(request, response).catch((error) =>
      send(response, 500, { error: { code: 'failed', message: String(error) } }),
    );
  });
  const fake: FakeServer = {
    url: server.url,
    close: () => server.close(),
    world,
    asked,
    behavior: { parts: { cf: true, llm: true } },
  };

  async function answer(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? '/', server.url);
    const { behavior } = fake;
    const limit = Number(url.searchParams.get('limit') ?? 50);
    const query = (url.searchParams.get('query') ?? '').toLowerCase();
    const head = { took: 1.4, model: '3fa94c01be77' };
    if (url.pathname === '/readyz') {
      return send(response, 200, { ready: true, method: 'ccf', parts: behavior.parts, model: head.model });
    }
    if (!url.pathname.startsWith('/v1/')) return sendFile(response, url.pathname);
    if (behavior.token !== undefined && request.headers.authorization !== `Bearer ${behavior.token}`) {
      return send(response, 401, { error: { code: 'token', message: 'a token is needed' }, requestId: 'r-401' });
    }
    if (url.pathname === '/v1/users') {
      const users = Array.from({ length: 40 }, (_, i) => String(i + 1)).filter((id) => id.includes(query));
      return send(response, 200, { users: users.slice(0, limit), ...head });
    }
    const user = /^\/v1\/users\/(.+)$/.exec(url.pathname)?.[1];
    if (user !== undefined) {
      const id = decodeURIComponent(user);
      if (/^([1-9]|[1-3]\d|40)$/.test(id)) {
        return send(response, 200, { user: id, known: 'trained', events: world.events(id), ...head });
      }
      return send(response, 404, { error: { code: 'unknown-user', message: 'unknown user' }, requestId: 'r-404' });
    }
    if (url.pathname === '/v1/attributes') {
      if (behavior.attributes === 'failing') return send(response, 500, { error: { code: 'failed', message: 'no' } });
      const values = genres.map((value) => ({
        value,
        items: world.items.filter((each) => genreOf(each) === value).length,
      }));
      const found = [
        { name: 'genres', type: 'text', values },
        { name: 'year', type: 'number', min: 1950, max: 2020 },
      ];
      return send(response, 200, { attributes: behavior.attributes === 'none' ? [] : found, ...head });
    }
    if (url.pathname === '/v1/items' && request.method === 'GET') {
      const items = world.items.filter(({ item, title }) => item === query || title.toLowerCase().includes(query));
      return send(response, 200, { items: items.slice(0, limit), ...head });
    }
    const body = JSON.parse((await textOf(request)) || '{}');
    if (url.pathname === '/v1/items') {
      for (const { item, title } of body.items) world.items.push({ item, title, known: 'added' });
      return send(response, 200, { added: body.items.length, known: 0, ranked: behavior.parts.llm, ...head });
    }
    if (url.pathname === '/v1/recommend') {
      asked.push(body);
      await behavior.hold?.(body);
      const refused = behavior.refuse?.(body);
      if (refused) return send(response, refused.status, refused.body, refused.headers);
      return send(response, 200, { ...listOf(world, behavior, body), took: 34.2, model: head.model });
    }
    return send(response, 404, { error: { code: 'not-found', message: 'no such endpoint' }, requestId: 'r-0' });
  }
  return fake;
}

function listOf(world: World, behavior: Behavior, body: AskedList) {
  const { user, top, exclude = [], among, explain, where } = body;
  const any = where?.genres?.any;
  const events = user === undefined ? [] : world.events(user);
  const ids = (label: 0 | 1) => events.filter((event) => event.label === label).map(({ item }) => item);
  const likes = body.history ?? ids(1);
  const dislikes = body.dislikes ?? ids(0);
  const { parts } = behavior;
  const isEmpty = behavior.popularity || likes.length + dislikes.length === 0;
  const scored = world.items
    .filter(({ item, known }) => (among ? among.includes(item) : known === 'trained' && !likes.includes(item)))
    .filter((each) => !exclude.includes(each.item) && (any === undefined || any.includes(genreOf(each))))
    .map(({ item, title, known }, index) => {
      if (isEmpty) return { item, title, score: known === 'added' ? 0 : 4200 - index * 31 };
      const { cf, llm, score } = world.scores(likes, dislikes, item);
      if (behavior.degraded || !parts.llm) return { item, title, score: cf, cf };
      // CF knows nothing of an item that came after the training.
      if (!parts.cf || known === 'added') return { item, title, score: llm, llm };
      const loses = (id: string) =>
        score -
        world.scores(
          likes.filter((like) => like !== id),
          dislikes.filter((other) => other !== id),
          item,
        ).score;
      const reasons = [...likes, ...dislikes]
        .map((id) => ({ item: id, title: world.find(id)?.title ?? id, change: loses(id) }))
        .sort((a, b) => Math.abs(b.change) - Math.abs(a.change))
        .slice(0, 3);
      return { item, title, score, cf, llm, ...(explain && { reasons }) };
    })
    .sort((a, b) => b.score - a.score);
  const basis = isEmpty ? 'popularity' : user !== undefined ? 'user' : parts.cf ? 'folded-in' : 'history';
  return { items: scored.slice(0, top), basis, ...(behavior.degraded && { degraded: true }) };
}

function send(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body ?? {}));
}

async function sendFile(response: ServerResponse, path: string) {
  const name = path === '/' ? 'index.html' : normalize(path).slice(1);
  const bytes = await readFile(join(built, name)).catch(() => undefined);
  if (bytes === undefined) return response.writeHead(404).end();
  const type = types[extname(name)] ?? 'application/octet-stream';
  response.writeHead(200, { 'content-type': type, 'content-security-policy': policy }).end(bytes);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Who may ask, and what nobody is told. */
import { expect, it } from 'vitest';
import { createServer, LOOPBACK, readTokens } from '../src';
import { serverOf } from './ask';
import { fakeRun } from './fake-run';

const [token, next] = ['first-token-0123456789', 'second-token-0123456789'];

it('asks for a token where there are some, and takes each of them', async () => {
  const { get, post } = await serverOf({ tokens: [token, next] });
  const as = (authorization: string) => get('/v1/users', { authorization });
  for (const known of [token, next]) expect((await as(`Bearer ${known}`)).status).toBe(200);
  expect((await as(`bearer ${token}`)).status).toBe(200);
  const wrong = [`Bearer ${token}x`, `Bearer ${token.slice(0, -1)}`, 'Bearer ', 'Bearer', `Basic ${token}`, token];
  wrong.push(`Bearer ${token} ${next}`, `Bearer  ${token}`, `Bearer ${'x'.repeat(5000)}`);
  for (const header of wrong) {
    const { status, body, headers } = await as(header);
    expect({ header, status, code: body.error.code }).toEqual({ header, status: 401, code: 'token' });
    expect(headers.get('www-authenticate')).toBe('Bearer');
    expect(JSON.stringify(body)).not.toContain(token.slice(0, -1));
  }
  for (const path of ['/v1/users', '/v1/items', '/v1/users/u1', '/v1/similar/i1', '/metrics']) {
    expect((await get(path)).status, path).toBe(401);
  }
  for (const path of ['/v1/recommend', '/v1/score', '/v1/events', '/v1/items']) {
    // Refused before the body is looked at.
    expect((await post(path, '{')).status, path).toBe(401);
  }
  for (const path of ['/', '/healthz', '/readyz', '/openapi.json']) expect((await get(path)).status, path).toBe(200);
});

it('reads tokens one a line, and never shows one that it refuses', () => {
  expect(readTokens(`# of the shop\n${token}\r\n\n  ${next}  \n`, 'tokens.txt')).toEqual([token, next]);
  expect(() => readTokens('# none\n', 'tokens.txt')).toThrow(/tokens\.txt: holds no token/);
  expect(() => readTokens('short', 'tokens.txt')).toThrow(/shorter than 16/);
  expect(() => readTokens('a secret with blanks', 'tokens.txt')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('secret') }),
  );
});

it('limits how often one token may ask', async () => {
  const { get } = await serverOf({ tokens: [token, next], rate: 1 });
  const statuses = [];
  for (let i = 0; i < 5; i++) statuses.push((await get('/v1/users', { authorization: `Bearer ${token}` })).status);
  expect(statuses.slice(0, 2)).toEqual([200, 200]);
  expect(statuses).toContain(429);
  const refused = await get('/v1/users', { authorization: `Bearer ${token}` });
  expect(refused).toMatchObject({ status: 429, body: { error: { code: 'rate' } } });
  expect(refused.headers.get('retry-after')).toBe('1');
  expect((await get('/v1/users', { authorization: `Bearer ${next}` })).status).toBe(200);
});

it('answers to its own names alone where it is told them', async () => {
  const { server } = await serverOf({ hosts: LOOPBACK });
  const status = async (host: string) =>
    (await server.app.request('http://127.0.0.1/healthz', { headers: { host } })).status;
  for (const host of ['127.0.0.1:8080', 'localhost', 'LOCALHOST:1', '[::1]:8080']) {
    expect(await status(host), host).toBe(200);
  }
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '', 'x:localhost']) {
    expect(await status(host), host).toBe(403);
  }
});

it('lets pages of named origins ask, and no others', async () => {
  const { server, get } = await serverOf({ cors: ['https://shop.example'], tokens: [token] });
  const preflight = async (origin: string) =>
    server.app.request('/v1/recommend', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });
  const good = await preflight('https://shop.example');
  expect(good.status).toBe(204);
  expect(good.headers.get('access-control-allow-origin')).toBe('https://shop.example');
  expect(good.headers.get('access-control-allow-headers')).toContain('authorization');
  expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
  const refused = await get('/v1/users', { origin: 'https://shop.example' });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('access-control-allow-origin')).toBe('https://shop.example');
});

it('is closed to pages of other origins without being told', async () => {
  const { server, post } = await serverOf();
  const answer = await server.app.request('/v1/recommend', {
    method: 'OPTIONS',
    headers: { origin: 'https://a.example' },
  });
  expect(answer.status).toBe(405);
  expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  // What a page may send without asking the browser's leave is not taken.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '']) {
    const { status } = await post('/v1/recommend', { user: 'u1' }, { 'content-type': type });
    expect(status, type).toBe(415);
  }
});

it('refuses options that would leave it open by mistake', async () => {
  const make = (options: object) => createServer(fakeRun(), options);
  for (const origin of ['*', 'shop.example', 'https://shop.example/', 'https://shop.example/path', 'null', 'ftp://a']) {
    await expect(make({ cors: [origin] }), origin).rejects.toThrow(/cors: .* is not an origin/);
  }
  await expect(make({ tokens: ['short'] })).rejects.toThrow(/shorter than 16/);
  for (const options of [{ deadline: 0 }, { queue: 0 }, { rate: Number.NaN }, { maxBody: 0 }, { candidates: 0 }]) {
    await expect(make(options)).rejects.toThrow(/is not from/);
  }
});

it('gives every answer its headers and an id', async () => {
  const { get } = await serverOf();
  for (const path of ['/', '/v1/users', '/nothing', '/v1/users/nobody']) {
    const { headers } = await get(path, { 'x-request-id': 'mine-1.2_3' });
    expect(headers.get('x-request-id')).toBe('mine-1.2_3');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('content-security-policy')).not.toContain('unsafe');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  }
  for (const bad of ['x'.repeat(65), 'a b', 'a;b', '"']) {
    const { headers } = await get('/healthz', { 'x-request-id': bad });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});

it('tells neither clients nor the log paths, stacks, tokens or ids', async () => {
  const lines: string[] = [];
  const take = (...parts: unknown[]) => void lines.push(parts.map((part) => JSON.stringify(part)).join(' '));
  const log = { debug: take, info: take, warn: take };
  const run = fakeRun({ parts: { cf: false, llm: true } });
  run.user = () => {
    throw new Error(`ENOENT: no such file, open '/srv/secret/data.csv'`);
  };
  const { get } = await serverOf({ log, tokens: [token] }, run);
  const authorization = `Bearer ${token}`;
  const failed = await get('/v1/users/person-77', { authorization, 'x-request-id': 'r1' });
  expect(failed).toMatchObject({
    status: 500,
    body: { error: { code: 'failed', message: 'the server could not answer' }, requestId: 'r1' },
  });
  const similar = await get('/v1/similar/i1', { authorization });
  expect(similar).toMatchObject({ status: 422, body: { error: { message: 'the run in [path] has no CF' } } });
  await get('/v1/users/person-77', { authorization: 'Bearer wrong-token-0123456789' });
  const all = lines.join('\n') + JSON.stringify([failed.body, similar.body]);
  expect(lines.filter((line) => line.includes('GET'))).toHaveLength(3);
  expect(all).toContain("open '[path]'");
  expect(all).not.toMatch(/secret|person-77|token-0123456789|\bat .*\.ts:/);
});

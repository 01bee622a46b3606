/** The command serve: what it refuses before it listens, and a real run over HTTP until its end. */
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import type { Device } from '@crossgate/gpu';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it, vi } from 'vitest';
import { main } from '../src/cli';
import { runCli } from './cli';
import { opened } from './opened-devices';
import { tinyRuns } from './tiny-runs';

vi.mock('@crossgate/gpu/node', async (original) => (await import('./opened-devices')).watched(original));

const { listAdapters } = await import('@crossgate/gpu/node');
const adapters = await listAdapters();

const token = 'token-of-this-test-0123456789';

describe('serve refuses', () => {
  it.each([
    [['--host', '0.0.0.0'], /--host: 0\.0\.0\.0 can be reached from other machines.*--token-file/],
    [['--token-file', 'none.txt'], /none\.txt/],
    [['--token-file', 'short.txt'], /short\.txt: a token is shorter than 16/],
    [['--port', '70000'], /--port/],
    [[], /run/],
  ])('%j', async (args, words) => {
    const cwd = await folderWith({ 'short.txt': 'secret\n' });
    const { code, stderr, stdout } = await runCli(['serve', 'run', '--port', '0', ...args], { cwd });
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(words);
    expect(stderr).not.toContain('secret');
  });
});

it('serve finds out before it opens a run that it cannot listen, and warns of tokens that everybody may read', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const cwd = await folderWith({ 'tokens.txt': `\ufeff${token}\r\n` });
  await chmod(join(cwd, 'tokens.txt'), 0o644);
  const args = ['serve', 'no-such-run', '--token-file', 'tokens.txt'];
  const { code, stderr } = await runCli([...args, '--port', String(port)], { cwd });
  taken.close();
  expect(code).toBe(2);
  expect(stderr).toContain(`port ${port} is in use`);
  if (process.platform !== 'win32') expect(stderr).toContain('tokens.txt is open to every user');
  await chmod(join(cwd, 'tokens.txt'), 0o640);
  const other = await runCli([...args, '--port', '0', '--cors', 'shop.example'], { cwd });
  expect(other.stderr).toMatch(/cors: "shop\.example" is not an origin/);
  expect(other.stderr).not.toContain('open to every user');
});

/** Starts `crossgate serve ARGS` and waits until it listens. */
async function start(args: readonly string[], cwd: string, env: Record<string, string> = {}) {
  const interrupt = new AbortController();
  const stderr: string[] = [];
  let ended: Promise<number> | undefined;
  const stdout = await new Promise<string>((resolve, reject) => {
    const into = (take: (text: string) => void) =>
      new Writable({
        write(chunk, _encoding, done) {
          take(String(chunk));
          done();
        },
      });
    ended = main(['serve', ...args, '--port', '0', '--json', '--verbose'], {
      ...{ stdin: Readable.from([]), stdout: into(resolve), stderr: into((text) => void stderr.push(text)) },
      ...{ stderrIsTerminal: false, env, cwd, signal: interrupt.signal },
    });
    ended.then((code) => reject(new Error(`ended with ${code}: ${stderr.join('')}`)), reject);
  });
  const { url } = JSON.parse(stdout) as { url: string };
  const ask = async (path: string, body?: object, headers: Record<string, string> = {}) => {
    const json = body && { method: 'POST', body: JSON.stringify(body) };
    const answer = await fetch(url + path, {
      ...json,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  return { ask, url, stop: () => interrupt.abort(), ended: ended!, log: () => stderr.join('') };
}

/** Status of /readyz where the request names this host. */
async function statusAs(url: string, host: string): Promise<number | undefined> {
  const asked = get(`${url}/readyz`, { headers: { host } });
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

describe.skipIf(adapters.length === 0)('serve', () => {
  it('answers for a run with both parts, keeps what it is told, and ends', { timeout: 300_000 }, async () => {
    const cwd = await tinyRuns();
    const trained = await runCli(['train', 'ccf.yaml', '--run', 'run'], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
    const args = ['run', '--state', 'state.db'];
    const first = await start(args, cwd, { CROSSGATE_TOKEN: token });

    expect((await first.ask('/v1/users', undefined, { authorization: '' })).status).toBe(401);
    // Whatever a proxy says where it asks: a token is what counts.
    expect(await statusAs(first.url, 'shop.example')).toBe(200);
    const users = (await first.ask('/v1/users')).body.users as string[];
    const slow = { 'x-deadline-ms': '60000' };
    const list = await first.ask('/v1/recommend', { user: users[0], top: 3, explain: true, repeats: 'allow' }, slow);
    expect(list).toMatchObject({
      status: 200,
      body: { basis: 'user', model: expect.stringMatching(/^[0-9a-f]{12}$/) },
    });
    const items = list.body.items as { item: string; title: string; score: number; cf: number; llm: number }[];
    expect(items).toHaveLength(3);
    for (const { score, cf, llm, title } of items) {
      expect([score > 0 && score < 1, cf > 0 && cf < 1, llm === score, title !== '']).toEqual([true, true, true, true]);
    }
    const pairs = items.map(({ item }) => ({ user: users[0]!, item }));
    const scored = (await first.ask('/v1/score', { pairs }, slow)).body.scores as { score: number }[];
    for (const [rank, { score }] of scored.entries()) expect(score).toBeCloseTo(items[rank]!.score, 4);

    // Too little time for the language model: the order of CF.
    const late = await first.ask(
      '/v1/recommend',
      { user: users[1], top: 3, repeats: 'allow' },
      { 'x-deadline-ms': '1' },
    );
    expect(late).toMatchObject({ status: 200, body: { degraded: true } });

    await first.ask('/v1/items', { items: [{ item: 'new', title: 'A new title' }] });
    const events = items.slice(0, 2).map(({ item }, n) => ({ id: `e${n}`, user: 'stranger', item, label: 1 }));
    expect((await first.ask('/v1/events', { events })).body).toMatchObject({ accepted: 2 });
    const among = ['new', items[2]!.item];
    const own = await first.ask('/v1/recommend', { user: 'stranger', among }, slow);
    expect(own).toMatchObject({ status: 200, body: { basis: 'folded-in' } });
    expect((own.body.items as { item: string }[]).map(({ item }) => item).sort()).toEqual(among.sort());
    first.stop();
    expect(await first.ended).toBe(130);
    expect(first.log()).toMatch(/POST \/v1\/recommend 200/);
    expect(first.log()).not.toContain(token);

    // The state outlives the process, and a lost GPU ends it with 1.
    let device: Device | undefined;
    opened.onOpen = (one) => {
      device = one;
    };
    const second = await start(args, cwd);
    // Without a token, a page could ask by a name that it points here.
    expect(await statusAs(second.url, 'evil.example')).toBe(403);
    expect((await second.ask('/v1/users/stranger')).body.events).toHaveLength(2);
    expect((await second.ask('/v1/items/new')).body).toMatchObject({ title: 'A new title', known: 'added' });
    device!.gpu.destroy();
    expect(await second.ended).toBe(1);
    expect(second.log()).toMatch(/^error: stopped: /m);
  });
});

/** `crossgate model pull` from a local server that is a Hugging Face Hub, a good one or one that misbehaves. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { patientFetch } from '@crossgate/files';
import { hubOf, modelCache, parseReference, pullModel } from '@crossgate/hub';
import {
  folderWith,
  type LocalServer,
  listing,
  serveBytes,
  serveHub,
  startServer,
  writeTinyModel,
} from '@crossgate/testing/node';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './cli';

const commit = 'c0ffee'.repeat(7).slice(0, 40);
const repository = 'acme/tiny';
const quick = { pause: 1, patience: 1_500, attempts: 3 };

let model: Map<string, Buffer>;
let files: Map<string, Buffer>;
let server: LocalServer;
let cwd: string;
let env: Record<string, string>;
/** Answers a request in place of the Hub where it returns true. */
let misbehave: (request: IncomingMessage, response: ServerResponse, count: number) => unknown;

beforeAll(async () => {
  // The first request of a process loads its client, which takes long on a busy machine.
  await patientFetch()('http://127.0.0.1:1/').catch(() => undefined);
  const folder = await folderWith();
  await writeTinyModel(join(folder, 'm'));
  model = new Map();
  for (const name of await readdir(join(folder, 'm'))) model.set(name, await readFile(join(folder, 'm', name)));
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  files = new Map(model);
  misbehave = () => false;
  server = await startServer((request, response, count) => {
    if (misbehave(request, response, count) !== true) hub(request, response);
  });
  cwd = await folderWith();
  // A home of its own: the login and the cache of whoever runs the tests are not asked.
  env = { HF_ENDPOINT: server.url, CROSSGATE_CACHE: 'cache', HOME: join(cwd, 'home') };
});
afterEach(() => server.close());

/** Answers as the Hub does. */
const hub = (request: IncomingMessage, response: ServerResponse) =>
  serveHub(request, response, { repository, commit, files });

const pull = (argv: string[] = [repository], more: Record<string, string> = {}) =>
  runCli(['model', 'pull', ...argv, '--json'], { cwd, env: { ...env, ...more } });
const pullDirectly = (text = repository) =>
  pullModel(hubOf(env), parseReference(text)!, modelCache({ cwd, env }), quick);
const isWeight = (request: IncomingMessage) => request.url?.startsWith('/cdn') ?? false;
const left = () => listing(join(cwd, 'cache', 'models', 'acme--tiny', 'snapshots')).catch(() => []);

describe('a model folder', () => {
  it('is fetched once, found by its name, and the path is printed', async () => {
    files.set('README.md', Buffer.from('terms'));
    files.set('pytorch_model.bin', Buffer.alloc(1_000));
    files.set('../evil.json', Buffer.from('x'));
    const { code, stdout, stderr } = await pull();
    expect(code, stderr).toBe(0);
    const pulled = JSON.parse(stdout);
    const path = join(cwd, 'cache', 'models', 'acme--tiny', 'snapshots', commit);
    expect(pulled).toMatchObject({ repository, revision: 'main', commit, path, downloaded: true });
    expect((await readdir(path)).sort()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(pulled.files.sort()).toEqual((await readdir(path)).sort());
    for (const [name, bytes] of model) expect(bytes.equals(await readFile(join(path, name)))).toBe(true);

    const asked = server.requests.length;
    const again = await runCli(['model', 'pull', repository], { cwd, env });
    expect(again.stdout).toBe(`${path}\n`);
    expect(again.stderr).toMatch(/was here already, commit c0ffee/);
    // Whether the branch has moved, and what is there now; no file.
    expect(server.requests.length).toBe(asked + 2);
    await server.close();
    for (const name of [repository, `${repository}@main`, path]) {
      const found = await runCli(['tokenize', '--model', name, '--text', 'abc', '--json'], { cwd, env });
      expect([name, found.code, found.stderr]).toEqual([name, 0, '']);
    }
    // A commit that is here needs no Hub.
    expect(JSON.parse((await pull([`${repository}@${commit}`])).stdout)).toMatchObject({ path, downloaded: false });
    const other = await runCli(['tokenize', '--model', `${repository}@v2`, '--text', 'a'], { cwd, env });
    expect(other).toMatchObject({ code: 2, stderr: expect.stringMatching(/or `crossgate model pull acme\/tiny@v2`/) });
  });

  it('may be in shards, which the index names', async () => {
    const weights = files.get('model.safetensors')!;
    files.delete('model.safetensors');
    files.set('model-00001-of-00001.safetensors', weights);
    files.set('consolidated.safetensors', Buffer.alloc(9));
    const names = Object.keys(JSON.parse(weights.subarray(8, 8 + Number(weights.readBigUInt64LE())).toString()));
    const map = names
      .filter((name) => name !== '__metadata__')
      .map((name) => [name, 'model-00001-of-00001.safetensors']);
    files.set('model.safetensors.index.json', Buffer.from(JSON.stringify({ weight_map: Object.fromEntries(map) })));
    const { code, stdout, stderr } = await pull([repository, '--revision', 'v1']);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).files).not.toContain('consolidated.safetensors');
    expect((await runCli(['model', 'info', `${repository}@v1`], { cwd, env })).code).toBe(0);
  });

  it('is not fetched where we do not compute it', async () => {
    const config = JSON.parse(String(files.get('config.json')));
    files.set('config.json', Buffer.from(JSON.stringify({ ...config, architectures: ['T5Model'], model_type: 't5' })));
    const { code, stderr } = await pull();
    expect([code, stderr]).toEqual([2, expect.stringMatching(/T5Model/)]);
    expect(server.requests.some(isWeight)).toBe(false);
  });
});

describe('GGUF files', () => {
  it('are fetched alone, one by name', async () => {
    files = new Map(
      [
        ['a.gguf', Buffer.alloc(70, 1)],
        ['b.gguf', Buffer.alloc(80, 2)],
      ].map(([k, v]) => [k, v] as [string, Buffer]),
    );
    const several = await pull();
    expect([several.code, several.stderr]).toEqual([
      2,
      expect.stringMatching(
        /has several models: a\.gguf \(0\.00 GB\), b\.gguf .*; name one, as in acme\/tiny\/a\.gguf/,
      ),
    ]);
    const { code, stdout } = await pull([`${repository}/b.gguf`]);
    expect([code, await readFile(JSON.parse(stdout).path)]).toEqual([0, files.get('b.gguf')]);
    await pull([`${repository}/a.gguf`]);
    const ambiguous = await runCli(['tokenize', '--model', repository, '--text', 'a'], { cwd, env });
    expect(ambiguous.stderr).toMatch(/b\.gguf, a\.gguf were fetched; name one/);
    expect((await pull([`${repository}/c.gguf`])).stderr).toMatch(/has no c\.gguf; it has a\.gguf/);
  });

  it('in parts are one model', async () => {
    const part = (number: number) => `big-0000${number}-of-00002.gguf`;
    files = new Map([1, 2].map((number) => [part(number), Buffer.alloc(70, number)]));
    const path = join(cwd, 'cache', 'models', 'acme--tiny', 'snapshots', commit, part(1));
    const { code, stdout, stderr } = await pull();
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ path, files: [part(1), part(2)], bytes: 140 });
    // Found by the repository's name: what is wrong with it is what is in it.
    const found = await runCli(['tokenize', '--model', repository, '--text', 'a'], { cwd, env });
    expect(found.stderr).toMatch(/big-00001-of-00002\.gguf is no GGUF file/);
    files.delete(part(2));
    files.set('small.gguf', Buffer.alloc(70));
    expect((await pull([`${repository}/${part(1)}`])).stderr).toMatch(/has no big-00002-of-00002\.gguf, a part of/);
  });
});

it('takes tokenizer.model where there is no tokenizer.json', async () => {
  files.set('tokenizer.model', Buffer.from('pieces'));
  expect(JSON.parse((await pull()).stdout).files).not.toContain('tokenizer.model');
  files.delete('tokenizer.json');
  await rm(join(cwd, 'cache'), { recursive: true });
  expect(JSON.parse((await pull()).stdout).files).toContain('tokenizer.model');
});

describe('a Hub that can be lived with', () => {
  it('breaks off, says 503 and stalls', async () => {
    misbehave = (request, response, count) => {
      if (count === 1) return Boolean(response.writeHead(503).end());
      if (count === 3) return Boolean(response.destroy());
      if (!isWeight(request) || request.headers.range) return false;
      serveBytes(request, response, files.get('model.safetensors')!, { limit: 5_000 });
      return true;
    };
    const { path, downloaded } = await pullDirectly();
    expect(downloaded).toBe(true);
    expect(files.get('model.safetensors')!.equals(await readFile(join(path, 'model.safetensors')))).toBe(true);
    expect(server.requests.filter(isWeight).map(({ headers }) => headers.range)).toContain('bytes=5000-');
  });

  it('is gone in the middle: a later call goes on from there', async () => {
    const stop = new AbortController();
    misbehave = (request, response) => {
      if (!isWeight(request)) return false;
      response.writeHead(200, { 'content-length': files.get('model.safetensors')!.length });
      response.write(files.get('model.safetensors')!.subarray(0, 5_000), () => setTimeout(() => stop.abort(), 100));
      return true;
    };
    const first = await runCli(['model', 'pull', repository], { cwd, env, signal: stop.signal });
    expect([first.code, first.stdout, first.stderr]).toEqual([130, '', 'interrupted\n']);
    expect(await left()).toContain(`${commit}/model.safetensors.partial`);
    // What is not whole is not found.
    expect((await runCli(['tokenize', '--model', repository, '--text', 'a'], { cwd, env })).code).toBe(2);
    misbehave = () => false;
    const asked = server.requests.length;
    expect((await pull()).code).toBe(0);
    const ranges = server.requests.slice(asked).filter(({ url }) => url?.includes('/resolve/'));
    expect(ranges.every(({ headers }) => headers.range === 'bytes=5000-')).toBe(true);
    expect((await runCli(['tokenize', '--model', repository, '--text', 'a'], { cwd, env })).code).toBe(0);
  });

  it('takes the token, and keeps it from the place it redirects to', async () => {
    const elsewhere = await startServer((request, response) =>
      serveBytes(request, response, files.get('model.safetensors')!),
    );
    misbehave = (request, response) =>
      isWeight(request) && Boolean(response.writeHead(302, { location: `${elsewhere.url}/x` }).end());
    try {
      expect((await pull([repository], { HF_TOKEN: 'hf_secret' })).code).toBe(0);
      expect(new Set(server.requests.map(({ headers }) => headers.authorization))).toEqual(
        new Set(['Bearer hf_secret']),
      );
      expect(elsewhere.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    } finally {
      await elsewhere.close();
    }
  });
});

describe('a Hub that refuses', () => {
  const status = (code: number) => (_: IncomingMessage, response: ServerResponse) =>
    Boolean(response.writeHead(code).end());
  it.each<[string, string[], Record<string, string>, number, RegExp]>([
    [
      'another name',
      ['acme/other'],
      {},
      404,
      /^error: acme\/other: the Hub says 404: no such repository or revision; look at .*\(private ones need HF_TOKEN\)\n$/,
    ],
    ['another revision', [`${repository}@v9`], {}, 404, /acme\/tiny@v9: the Hub says 404/],
    [
      'a private one',
      [repository],
      {},
      401,
      /says 401: no such repository, or a private one; check the name, or set HF_TOKEN/,
    ],
    ['an old token', [repository], { HF_TOKEN: 'hf_old' }, 401, /HF_TOKEN is not valid for it/],
    [
      'a gated one',
      [repository],
      { HF_TOKEN: 'hf_x' },
      403,
      /access must be granted; ask for it on .*acme\/tiny with the account/,
    ],
    [
      'no token',
      [repository],
      { HF_TOKEN: 'two words' },
      200,
      /^error: HF_TOKEN: has a blank or a sign that no token has; copy it again\n$/,
    ],
    ['no address', [repository], { HF_ENDPOINT: 'hub' }, 200, /HF_ENDPOINT: hub is not an address/],
    ['no name', ['tiny'], {}, 200, /<id>: tiny is no model of the Hub; give ORG\/NAME/],
    ['two revisions', [`${repository}@v1`, '--revision', 'v2'], {}, 200, /names another revision/],
  ])('%s', async (_, argv, more, code, message) => {
    if (code !== 404 && code !== 200) misbehave = status(code);
    const outcome = await pull(argv, more);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.code).toBe(2);
    // Its error as data is all of standard output.
    const { error } = JSON.parse(outcome.stdout);
    expect(error.code).toMatch(/^(hub\.(address|access|not-found)|usage)$/);
    expect(outcome.stderr).toBe(`error: ${error.message}; ${error.fix}\n`);
    expect(await listing(cwd)).toEqual([]);
  });

  it('gates the files alone', async () => {
    misbehave = (request, response) => request.url?.includes('/resolve/') && status(403)(request, response);
    const { code, stderr } = await pull();
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/config\.json: the Hub says 403: access must be granted/),
    ]);
    expect((await left()).filter((name) => name.includes('.'))).toEqual([]);
  });

  it('has only a pickle', async () => {
    files.set('pytorch_model.bin', Buffer.alloc(1_000));
    files.delete('model.safetensors');
    expect(await pull()).toMatchObject({ code: 2, stderr: expect.stringMatching(/PyTorch pickle.*convert it once/) });
    files.delete('pytorch_model.bin');
    expect((await pull()).stderr).toMatch(/has no weights we read at its top/);
  });
});

describe('a Hub that is none', () => {
  it.each<[string, (request: IncomingMessage, response: ServerResponse) => unknown, RegExp]>([
    [
      'answers with a page',
      (_, response) => response.end('<html>'),
      /does not answer as the Hugging Face Hub does \(no JSON\)/,
    ],
    ['knows no commit', (_, response) => response.end('{"id":"a/b"}'), /\(no commit\); check HF_ENDPOINT/],
    [
      'lists files without digests',
      (request, response) => request.url?.includes('/tree/') && response.end('[{"type":"file","path":"x","size":3}]'),
      /no digest or size of "x"/,
    ],
    [
      'sends a file of another size',
      (request, response) => isWeight(request) && serveBytes(request, response, Buffer.alloc(7)) === undefined,
      /has 7 bytes, not the \d+ that are known/,
    ],
    [
      'sends other bytes',
      (request, response) =>
        isWeight(request) &&
        serveBytes(
          request,
          response,
          files.get('model.safetensors')!.map((byte) => byte ^ 1),
        ) === undefined,
      /SHA-256 is [0-9a-f]{64}, not the known/,
    ],
    [
      'sends another tokenizer',
      (request, response) =>
        request.url?.endsWith('tokenizer.json') &&
        serveBytes(
          request,
          response,
          files.get('tokenizer.json')!.map((byte) => byte ^ 1),
        ) === undefined,
      /SHA-1 of the Git object is [0-9a-f]{40}, not the known/,
    ],
  ])('%s', async (_, behavior, message) => {
    misbehave = (request, response) => Boolean(behavior(request, response));
    await expect(pullDirectly()).rejects.toThrow(message);
    expect(await left()).not.toContain(`${commit}.json`);
    expect((await left()).filter((name) => name.startsWith(`${commit}/model`) || name.endsWith('.partial'))).toEqual(
      [],
    );
    expect(await listing(join(cwd, 'cache', 'models', 'acme--tiny')).catch(() => [])).not.toContain('.lock');
  });

  it('cannot be reached: said at once, and what was fetched before serves', async () => {
    const { path } = await pullDirectly();
    await server.close();
    const gone = await startServer(() => {});
    await gone.close();
    const unreached = { HF_ENDPOINT: gone.url };
    const other = await pull([`${repository}@v1`], unreached);
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringMatching(
        /api\/models\/acme\/tiny\/revision\/v1: 127\.0\.0\.1:\d+ refuses connections \(ECONNREFUSED\); /,
      ),
    ]);
    const again = await pull([repository], unreached);
    expect(JSON.parse(again.stdout)).toMatchObject({ path, downloaded: false, unasked: expect.any(String) });
    expect(again.stderr).toMatch(
      /^warning: the Hub was not asked \(.*refuses connections .*\); acme\/tiny is what was/,
    );
  });
});

it('keeps models where the user wants them', () => {
  const at = (values: Record<string, string>, platform: NodeJS.Platform = 'linux') =>
    modelCache({ cwd: '/w', env: { HOME: '/h', ...values } }, platform);
  expect(at({})).toBe('/h/.cache/crossgate/models');
  expect(at({}, 'darwin')).toBe('/h/Library/Caches/crossgate/models');
  expect(at({ XDG_CACHE_HOME: '/x' })).toBe('/x/crossgate/models');
  expect(at({ XDG_CACHE_HOME: '/x', CROSSGATE_CACHE: 'c' })).toBe('/w/c/models');
});

it("finds what Hugging Face's own programs fetched, by name", async () => {
  const theirs = join(cwd, 'hf', 'models--acme--other');
  const snapshot = join(theirs, 'snapshots', commit);
  const tokenize = ['tokenize', '--model', 'acme/other', '--text', 'a'];
  const run = (more: Record<string, string> = {}) =>
    runCli(tokenize, { cwd, env: { ...env, ...more, HF_HUB_CACHE: 'hf' } });
  await mkdir(join(theirs, 'refs'), { recursive: true });
  await writeFile(join(theirs, 'refs', 'main'), commit);
  // A snapshot without a model is passed over.
  expect((await run()).stderr).toMatch(/acme\/other: model not found .*models--acme--other.*model pull acme\/other/);
  expect((await run({ HF_HUB_OFFLINE: '1' })).stderr).toMatch(/or unset HF_HUB_OFFLINE and `crossgate model pull acme/);
  await writeTinyModel(snapshot);
  expect(await run()).toMatchObject({ code: 0, stderr: '' });
  // Other revisions, and one file of several, are found there too.
  await writeFile(join(theirs, 'refs', 'v1'), commit);
  tokenize[2] = 'acme/other@v1';
  expect(await run()).toMatchObject({ code: 0, stderr: '' });
  const pulled = await runCli(['model', 'pull', 'acme/other', '--json'], {
    cwd,
    env: { ...env, HF_HUB_CACHE: 'hf', HF_HUB_OFFLINE: '1' },
  });
  expect(JSON.parse(pulled.stdout)).toMatchObject({ path: snapshot, commit, unasked: 'HF_HUB_OFFLINE is set' });
  expect(pulled.stderr).toMatch(/^warning: the Hub was not asked \(HF_HUB_OFFLINE is set\); acme\/other is what was/);
});

it('reads references, and nothing that leaves its folder', () => {
  expect(parseReference('a/b.c-1/m.Q4.gguf@refs/pr/1')).toEqual({
    repository: 'a/b.c-1',
    file: 'm.Q4.gguf',
    revision: 'refs/pr/1',
  });
  for (const text of ['a', '../b', 'a/..', 'a/b/c', './a/b', 'a/b@', 'a/b@../x', '/a/b', 'a/b/../c.gguf', '']) {
    expect([text, parseReference(text)]).toEqual([text, undefined]);
  }
});

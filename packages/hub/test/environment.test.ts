/** What the environment says to Hugging Face's programs, and a Hub that is down, offline, a mirror, or no Hub. */
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  folderWith,
  type LocalServer,
  listing,
  serveHub,
  startProxy,
  startServer,
  writeTinyModel,
} from '@crossgate/testing/node';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findPulled, findShared, hubOf, huggingFaceFolder, modelCache, parseReference, pullModel } from '../src';

const commit = 'c0ffee'.repeat(7).slice(0, 40);
const repository = 'acme/tiny';
/** Long pauses: whoever waits for another attempt runs into the time limit of the test. */
const impatient = { pause: 60_000, patience: 5_000 };

let files: Map<string, Buffer>;
let server: LocalServer;
let cwd: string;
let env: Record<string, string>;

beforeAll(async () => {
  const folder = await folderWith();
  await writeTinyModel(join(folder, 'm'));
  files = new Map();
  for (const name of await readdir(join(folder, 'm'))) files.set(name, await readFile(join(folder, 'm', name)));
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  server = await startServer((request, response) => serveHub(request, response, { repository, commit, files }));
  cwd = await folderWith();
  env = { HF_ENDPOINT: server.url, HOME: join(cwd, 'home') };
});
afterEach(() => server.close());

const pull = (text = repository, more: Record<string, string> = {}, options: object = impatient) => {
  const place = { cwd, env: { ...env, ...more } };
  return pullModel(hubOf(place.env, cwd), parseReference(text)!, modelCache(place), {
    ...options,
    env: place.env,
    shared: place,
  });
};
const tokens = ({ requests }: LocalServer) => new Set(requests.map(({ headers }) => headers.authorization));
const home = (path: string) => join('home', '.cache', 'huggingface', path);
const write = async (path: string, text: string) => {
  await mkdir(join(cwd, path, '..'), { recursive: true });
  await writeFile(join(cwd, path), text);
};

/** Lays the model into a cache as Hugging Face's own programs do: links to blobs, and names of revisions. */
async function share(hub: string, leaveOut?: string): Promise<string> {
  const folder = join(cwd, hub, 'models--acme--tiny');
  const snapshot = join(folder, 'snapshots', commit);
  await mkdir(snapshot, { recursive: true });
  await mkdir(join(folder, 'blobs'), { recursive: true });
  for (const [name, bytes] of files) {
    if (name === leaveOut) continue;
    await writeFile(join(folder, 'blobs', name), bytes);
    await symlink(join('..', '..', 'blobs', name), join(snapshot, name));
  }
  await mkdir(join(folder, 'refs', 'refs', 'pr'), { recursive: true });
  for (const name of ['main', 'v1', 'refs/pr/1']) await writeFile(join(folder, 'refs', name), commit);
  return snapshot;
}

describe('the login', () => {
  it.each<[string, Record<string, string>, Record<string, string>, string | undefined]>([
    ['HF_TOKEN', {}, { HF_TOKEN: 'hf_a', HUGGING_FACE_HUB_TOKEN: 'hf_b' }, 'hf_a'],
    ['its older name', {}, { HF_TOKEN: ' ', HUGGING_FACE_HUB_TOKEN: 'hf_b\r\n' }, 'hf_b'],
    ['what hf auth login stored', { [home('token')]: 'hf_c\n' }, {}, 'hf_c'],
    ['HF_TOKEN before what is stored', { [home('token')]: 'hf_c\n' }, { HF_TOKEN: 'hf_a' }, 'hf_a'],
    ['in HF_HOME', { 'hf/token': 'hf_d' }, { HF_HOME: 'hf' }, 'hf_d'],
    ['in HF_HOME below the home', { 'home/hf/token': 'hf_d' }, { HF_HOME: '~/hf' }, 'hf_d'],
    ['in HF_HOME by another variable', { 'x/hf/token': 'hf_d' }, { HF_HOME: '${ROOT}/hf', ROOT: 'x' }, 'hf_d'],
    ['in XDG_CACHE_HOME', { 'c/huggingface/token': 'hf_e' }, { XDG_CACHE_HOME: 'c' }, 'hf_e'],
    ['in HF_TOKEN_PATH', { secret: 'hf_f', [home('token')]: 'hf_c' }, { HF_TOKEN_PATH: 'secret' }, 'hf_f'],
    ['none', {}, {}, undefined],
    ['an empty one', { [home('token')]: '\n' }, {}, undefined],
    ['not where it is forbidden', { [home('token')]: 'hf_c' }, { HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, undefined],
    ["a mirror's own form", {}, { HF_TOKEN: 'eyJ2ZXIi.OiIyIn0=:x/+_-~' }, 'eyJ2ZXIi.OiIyIn0=:x/+_-~'],
  ])('%s', async (_, written, more, token) => {
    for (const [path, text] of Object.entries(written)) await write(path, text);
    await pull(repository, more);
    expect(tokens(server)).toEqual(new Set([token && `Bearer ${token}`]));
  });

  it('says where a refused token, or none, was found, and never the token', async () => {
    server.answer = (_, response) => response.writeHead(401).end();
    await write('secret', 'hf_stale');
    const failure = (more: Record<string, string>) => pull(repository, more).catch((error: Error) => error.message);
    expect(await failure({ HF_TOKEN_PATH: 'secret' })).toBe(
      `acme/tiny: the Hub says 401: the login in ${join(cwd, 'secret')} is not valid for it; set HF_TOKEN to a new one`,
    );
    expect(await failure({ HUGGING_FACE_HUB_TOKEN: 'hf_stale' })).toMatch(/HUGGING_FACE_HUB_TOKEN is not valid for it/);
    expect(await failure({ HF_HOME: 'none' })).toMatch(/set HF_TOKEN, or log in \(no token is in .*none[/\\]token\)$/);
    await mkdir(join(cwd, 'folder'));
    expect(() => hubOf({ HF_TOKEN_PATH: 'folder' }, cwd)).toThrow(/folder: the token in it cannot be read \(EISDIR\)/);
    for (const token of ['hf_a hf_b', 'hf_\u00e4', 'hf_\u0007']) {
      const read = () => hubOf({ HF_TOKEN: token });
      expect(read).toThrow(/^HF_TOKEN: has a blank or a sign that no token has; copy it again$/);
    }
    expect(() => hubOf({ HF_ENDPOINT: 'https://me:geheim@mirror.example' })).toThrow(
      /^HF_ENDPOINT: it has a user or a password in it; leave them out, and give the token as HF_TOKEN$/,
    );
  });

  it("goes to the Hub's own host alone: not where it redirects to, nor where a listing goes on", async () => {
    const elsewhere = await startServer((request, response) => {
      if (request.url?.startsWith('/api')) {
        return response.writeHead(200, { 'content-type': 'application/json' }).end('[]');
      }
      request.url = `/cdn${request.url}`;
      serveHub(request, response, { repository, commit, files });
    });
    server.answer = (request, response) => {
      if (request.url?.includes('/resolve/')) {
        return response.writeHead(302, { location: `${elsewhere.url}${request.url}` }).end();
      }
      if (request.url?.includes('/tree/')) {
        response.setHeader('link', `<${elsewhere.url}/api/more>; rel="next"`);
      }
      serveHub(request, response, { repository, commit, files });
    };
    try {
      await pull(repository, { HF_TOKEN: 'own-form' });
    } finally {
      await elsewhere.close();
    }
    expect(tokens(server)).toEqual(new Set(['Bearer own-form']));
    expect(elsewhere.requests[0]?.url).toBe('/api/more');
    expect(elsewhere.requests.length).toBe(1 + files.size);
    expect(tokens(elsewhere)).toEqual(new Set([undefined]));
  });
});

describe('the Hub is not asked', () => {
  it.each([
    ['HF_HUB_OFFLINE', '1'],
    ['TRANSFORMERS_OFFLINE', 'YES'],
  ])('with %s=%s', async (name, value) => {
    const refused = { code: 'hub.offline', message: expect.stringContaining(`and ${name} says not to ask the Hub`) };
    await expect(pull(repository, { [name]: value })).rejects.toMatchObject(refused);
    expect([server.requests.length, await listing(cwd)]).toEqual([0, []]);
    const { path } = await pull();
    const asked = server.requests.length;
    const again = await pull(repository, { [name]: value });
    expect(again).toMatchObject({ path, commit, downloaded: false, unasked: `${name} is set` });
    await expect(pull(`${repository}@v1`, { [name]: value })).rejects.toMatchObject({ code: 'hub.offline' });
    expect(server.requests.length).toBe(asked);
    // Set to no is not set.
    expect((await pull(repository, { [name]: '0' })).unasked).toBeUndefined();
  });

  it.each([
    ['main', {}, join('home', '.cache', 'huggingface', 'hub')],
    ['v1', { HF_HOME: 'hf' }, join('hf', 'hub')],
    ['refs/pr/1', { HF_HUB_CACHE: 'c' }, 'c'],
    [commit, { HUGGINGFACE_HUB_CACHE: 'c' }, 'c'],
  ])("for a model in the cache of Hugging Face's own programs: %s", async (revision, more, cache) => {
    const path = await share(cache);
    const found = await pull(`${repository}@${revision}`, { ...more, HF_HUB_OFFLINE: '1' });
    expect(found).toMatchObject({ path, commit, downloaded: false });
    expect([...found.files].sort()).toEqual([...files.keys()].sort());
    expect(found.bytes).toBe([...files.values()].reduce((sum, { length }) => sum + length, 0));
    const place = { cwd, env: { ...env, ...more } };
    expect(await findShared(parseReference(`${repository}@${revision}`)!, place)).toEqual({ path, commit });
    expect(await findShared(parseReference(`${repository}@v9`)!, place)).toBeUndefined();
    expect(server.requests.length).toBe(0);
    expect(await findPulled(parseReference(repository)!, place)).toBeUndefined();
  });

  it('for one commit that lies there, and never for half a model', async () => {
    const path = await share('c');
    expect(await pull(`${repository}@${commit}`, { HF_HUB_CACHE: 'c' })).toMatchObject({ path, downloaded: false });
    expect(server.requests.length).toBe(0);
    await share('half', 'model.safetensors');
    await expect(pull(repository, { HF_HUB_CACHE: 'half', HF_HUB_OFFLINE: '1' })).rejects.toMatchObject({
      code: 'hub.offline',
    });
    const reference = { repository, revision: 'main/../../../c/models--acme--tiny/refs/main' };
    expect(await findShared(reference, { cwd, env: { ...env, HF_HUB_CACHE: 'half' } })).toBeUndefined();
  });

  it('finds one GGUF file of several there, by its name', async () => {
    const snapshot = join(cwd, 'c', 'models--acme--tiny', 'snapshots', commit);
    await write(join('c', 'models--acme--tiny', 'refs', 'main'), commit);
    for (const name of ['a.gguf', 'b.gguf'])
      await write(join('c', 'models--acme--tiny', 'snapshots', commit, name), 'x');
    const place = { cwd, env: { HF_HUB_CACHE: 'c' } };
    const find = (text: string) => findShared(parseReference(text)!, place);
    expect((await find(`${repository}/b.gguf`))?.path).toBe(join(snapshot, 'b.gguf'));
    expect(await find(`${repository}/c.gguf`)).toBeUndefined();
    await expect(find(repository)).rejects.toThrow(/a\.gguf, b\.gguf/);
  });
});

describe('the Hub is down', () => {
  it('and a branch that was fetched serves, which is said; nothing else does', async () => {
    const { path } = await pull();
    await server.close();
    // The connection that was kept breaks first.
    const found = await pull(repository, {}, { pause: 1 });
    expect(found).toMatchObject({ path, commit, downloaded: false });
    expect(found.unasked).toMatch(/127\.0\.0\.1:\d+ refuses connections \(ECONNREFUSED\)/);
    await expect(pull(`${repository}@v1`)).rejects.toMatchObject({ code: 'network.failed' });
    await rm(join(path, 'model.safetensors'));
    await expect(pull()).rejects.toMatchObject({ code: 'network.failed' });
    const shared = await share('c');
    expect(await pull(repository, { HF_HUB_CACHE: 'c' })).toMatchObject({ path: shared });
  });

  it.each<[string, Parameters<typeof startServer>[0]]>([
    ['busy for ever', (_, response) => response.writeHead(503).end()],
    ['gone', (_, response) => response.writeHead(410).end()],
    [
      'behind a login page',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<form>'),
    ],
  ])('%s', async (_, behavior) => {
    const { path } = await pull();
    server.answer = behavior;
    const quick = { pause: 1, attempts: 2 };
    expect(await pull(repository, {}, quick)).toMatchObject({ path, unasked: expect.any(String) });
    await expect(pull(`${repository}@v1`, {}, quick)).rejects.toThrow(
      /says 503; try again later$|a web page\); .*ask for a login|\d: does not answer as .* \(410 Gone\); look at http/,
    );
  });

  it('but a refusal is an answer', async () => {
    await pull();
    server.answer = (_, response) => response.writeHead(403).end();
    await expect(pull()).rejects.toMatchObject({ code: 'hub.access' });
  });
});

it('goes through the proxy of the environment, weights too', async () => {
  const proxy = await startProxy({ knows: { 'hub.invalid': server.url.slice(7) } });
  try {
    await pull(repository, { HF_ENDPOINT: 'http://hub.invalid', HTTP_PROXY: proxy.host });
  } finally {
    await proxy.close();
  }
  expect(proxy.asked.length).toBe(server.requests.length);
  expect(proxy.asked).toContain(`GET http://hub.invalid/cdn/${repository}/resolve/${commit}/model.safetensors`);
});

it("knows where Hugging Face's own programs keep models", () => {
  const at = (values: Record<string, string>) =>
    huggingFaceFolder('a/b', { cwd: '/w', env: { HOME: '/h', ...values } });
  expect(at({})).toBe('/h/.cache/huggingface/hub/models--a--b');
  expect(at({ HF_HOME: '/x' })).toBe('/x/hub/models--a--b');
  expect(at({ HF_HOME: '~/x' })).toBe('/h/x/hub/models--a--b');
  expect(at({ XDG_CACHE_HOME: '/c', HF_HOME: '' })).toBe('/c/huggingface/hub/models--a--b');
  expect(at({ HF_HUB_CACHE: '$HOME/m', HUGGINGFACE_HUB_CACHE: '/old' })).toBe('/h/m/models--a--b');
  expect(at({ HUGGINGFACE_HUB_CACHE: 'old' })).toBe('/w/old/models--a--b');
});

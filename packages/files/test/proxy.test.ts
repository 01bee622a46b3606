/** Proxies of the environment: which one is meant, transfers through a local one, and what is said when there is no way. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type LocalProxy,
  type LocalServer,
  selfSigned,
  serveBytes,
  startProxy,
  startServer,
} from '@crossgate/testing/node';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { downloadFile, patientFetch } from '../src';
import { proxyOf } from '../src/proxy';

const content = Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * index + (index >> 7)) & 255));
const known = { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
/** Long pauses: whoever waits for another attempt runs into the time limit of the test. */
const impatient = { pause: 60_000, patience: 5_000 };

let server: LocalServer;
let folder: string;
let path: string;
const open: { close(): Promise<void> }[] = [];
const proxy = async (...options: Parameters<typeof startProxy>): Promise<LocalProxy> => {
  const started = await startProxy(...options);
  open.push(started);
  return started;
};

beforeAll(() => import('../src/network'));
beforeEach(async () => {
  server = await startServer((request, response) => serveBytes(request, response, content));
  folder = await mkdtemp(join(tmpdir(), 'crossgate-proxy-'));
  path = join(folder, 'file.bin');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  for (const { close } of [...open.splice(0), server]) await close();
  await rm(folder, { recursive: true, force: true });
});

const download = (url: string, env: Record<string, string>) =>
  downloadFile({ url, ...known }, path, { ...impatient, env });
const failure = (url: string, env: Record<string, string> = {}) =>
  download(url, env).then(
    () => 'no failure',
    (error: Error) => error.message,
  );

describe('the proxy that is meant', () => {
  it.each<[string, Record<string, string>, string, string | undefined]>([
    ['none', {}, 'https://a.example/x', undefined],
    ['that of the scheme', { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://q:2' }, 'https://a.example/', 'p:1'],
    ['that of http', { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://q:2' }, 'http://a.example/', 'q:2'],
    ['that of http for https', { http_proxy: 'http://q:2' }, 'https://a.example/', 'q:2'],
    ['none of https for http', { https_proxy: 'http://q:2' }, 'http://a.example/', undefined],
    ['that of all', { ALL_PROXY: 'socks5h://s' }, 'https://a.example/', 's:1080'],
    ['lower case first', { http_proxy: 'http://p:1', HTTP_PROXY: 'http://q:2' }, 'http://a.example/', 'p:1'],
    ['what is not empty', { http_proxy: ' ', HTTP_PROXY: 'http://q:2' }, 'http://a.example/', 'q:2'],
    ['a host without a scheme', { HTTP_PROXY: 'proxy.local:3128' }, 'http://a.example/', 'proxy.local:3128'],
    ['a host without a port', { HTTP_PROXY: 'http://proxy.local' }, 'http://a.example/', 'proxy.local:80'],
    ['an IPv6 address', { HTTP_PROXY: 'http://[::1]:3128' }, 'http://a.example/', '[::1]:3128'],
  ])('%s', (_, env, url, host) => {
    expect(proxyOf(new URL(url), env)?.host).toBe(host);
  });

  it.each<[string, string, boolean]>([
    ['a.example', 'http://a.example/', true],
    ['a.example', 'http://b.a.example/', true],
    ['a.example', 'http://ba.example/', false],
    ['.a.example', 'http://b.a.example:8080/', true],
    ['*.a.example', 'http://b.a.example/', true],
    ['A.EXAMPLE', 'http://a.example/', true],
    ['a.example:8080', 'http://a.example:8080/', true],
    ['a.example:8080', 'http://a.example/', false],
    ['a.example:80', 'http://a.example/', true],
    ['x.example, localhost 127.0.0.1', 'http://127.0.0.1:9/', true],
    ['a.example.', 'http://a.example/', true],
    ['a.example', 'http://a.example./', true],
    ['*', 'https://a.example/', true],
    ['x.example,*', 'https://a.example/', true],
    ['10.0.0.0/8', 'http://10.20.30.40/', true],
    ['10.0.0.0/8', 'http://11.20.30.40/', false],
    ['10.0.0.0/8', 'http://a.example/', false],
    ['10.0.0.0/99', 'http://10.0.0.1/', false],
    ['::1', 'http://[::1]:9/', true],
    ['[::1]:9', 'http://[::1]:9/', true],
    ['[::1]:9', 'http://[::1]:8/', false],
    ['fd00::/8', 'http://[fd12::1]/', true],
    ['', 'http://a.example/', false],
  ])('NO_PROXY=%s for %s: none is %s', (list, url, none) => {
    for (const name of ['NO_PROXY', 'no_proxy']) {
      const env = { HTTP_PROXY: 'http://p:1', [name]: list };
      expect([name, proxyOf(new URL(url), env) === undefined]).toEqual([name, none]);
    }
  });

  it.each([
    ['HTTP_PROXY', 'http://user:geheim@', /^HTTP_PROXY: is not the address of a proxy; give one such as/],
    ['ALL_PROXY', 'ftp://user:geheim@p', /^ALL_PROXY: proxies of the kind ftp:\/\/ are not supported/],
    ['http_proxy', 'http://user:geheim%@p', /^http_proxy: its user or password has a %.* % \/ \? # are written as %25/],
    ['http_proxy', 'http://user:geheim#1@p', /^http_proxy: is not the address of a proxy/],
    ['https_proxy', '"http://p:3128"', /^https_proxy: is not the address of a proxy/],
  ])('is named when it is none, without its password: %s=%s', (name, value, message) => {
    const read = () => proxyOf(new URL('https://a.example/'), { [name]: value });
    expect(read).toThrow(message);
    expect(read).not.toThrow(/geheim/);
    expect(read).toThrow(expect.objectContaining({ code: 'network.proxy', name: 'InputError' }));
  });
});

describe('a transfer through a proxy', () => {
  it('asks it for addresses that this machine does not know, with a login, redirects too', async () => {
    const through = await proxy({
      login: 'a b:c@d',
      knows: { 'mirror.invalid': server.url.slice(7), 'cdn.invalid': server.url.slice(7) },
    });
    server.answer = (request, response) => {
      if (request.headers.host === 'cdn.invalid') serveBytes(request, response, content);
      else response.writeHead(302, { location: 'http://cdn.invalid/y' }).end();
    };
    await download('http://mirror.invalid/x', { http_proxy: `http://a%20b:c%40d@${through.host}` });
    expect(content.equals(await readFile(path))).toBe(true);
    expect(through.asked).toEqual(['GET http://mirror.invalid/x', 'GET http://cdn.invalid/y']);
    expect(server.requests.map(({ headers }) => headers['proxy-authorization'])).toEqual([undefined, undefined]);
  });

  it('makes a tunnel for https, and goes on in another one', async () => {
    const secure = await startServer(
      (request, response, count) => serveBytes(request, response, content, count === 1 ? { limit: 20_000 } : {}),
      selfSigned(),
    );
    open.push(secure);
    const through = await proxy();
    const { port } = new URL(secure.url);
    const env = { HTTPS_PROXY: `http://${through.host}` };
    expect(await failure(`${secure.url}/x`, env)).toMatch(
      /the certificate of localhost:\d+ is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\); .*NODE_EXTRA_CA_CERTS/,
    );
    // Node warns of it.
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    await downloadFile({ url: `${secure.url}/x`, ...known }, path, { pause: 1, env });
    expect(content.equals(await readFile(path))).toBe(true);
    expect(new Set(through.asked)).toEqual(new Set([`CONNECT localhost:${port}`]));
    expect(secure.requests.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=20000-']);
  });

  it('goes past it where NO_PROXY says so, and asks the environment of the process when none is given', async () => {
    const through = await proxy();
    const env = { HTTP_PROXY: through.host, NO_PROXY: '127.0.0.1' };
    await download(`${server.url}/x`, env);
    expect(through.asked).toEqual([]);
    vi.stubEnv('http_proxy', through.host);
    vi.stubEnv('no_proxy', '');
    vi.stubEnv('NO_PROXY', '');
    expect((await patientFetch(impatient)(`${server.url}/y`)).status).toBe(200);
    expect(through.asked).toEqual([`GET ${server.url}/y`]);
    // The program that uses the library keeps its own way.
    await (await fetch(`${server.url}/z`)).arrayBuffer();
    expect(through.asked.length).toBe(1);
  });

  it('goes through a SOCKS proxy, which is given names as they are', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const names: string[] = [];
    const socks = createTcpServer((client) => {
      client.once('data', () => {
        client.write(Buffer.from([5, 0]));
        client.once('data', (asked) => {
          names.push(String(asked.subarray(5, -2)));
          client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          client.once('data', () => client.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'));
        });
      });
    });
    await new Promise<void>((resolve) => socks.listen(0, '127.0.0.1', resolve));
    const env = { all_proxy: `socks5h://127.0.0.1:${(socks.address() as AddressInfo).port}` };
    const response = await patientFetch({ ...impatient, env })('http://mirror.invalid/x');
    expect([await response.text(), names]).toEqual(['hi', ['mirror.invalid']]);
    socks.close();
  });
});

describe('no way to the server', () => {
  /** A port that nobody listens on. */
  const free = async () => {
    const gone = await startServer(() => {});
    await gone.close();
    return gone.url.slice(7);
  };

  it('is said at once: a name, a refused connection, a port that is not allowed', async () => {
    const at = await free();
    expect(await failure('http://hub.invalid/x?signature=secret')).toMatch(
      /^http:\/\/hub\.invalid\/x: hub\.invalid does not resolve \((ENOTFOUND|EAI_AGAIN)\); check the address and the network; where a proxy is needed, set HTTPS_PROXY$/,
    );
    expect(await failure(`http://${at}/x`)).toBe(
      `http://${at}/x: ${at} refuses connections (ECONNREFUSED); check the address and that a server runs there`,
    );
    expect(await failure(`https://localhost:${new URL(server.url).port}/x`)).toMatch(
      /makes no encrypted connection .*; check whether http:\/\/ is meant where https:\/\/ stands in the address/,
    );
    expect(await failure('http://127.0.0.1:6000/x')).toMatch(/bad port/);
    server.answer = (_, response) => void response.writeHead(302, { location: `http://${at}/y` }).end();
    expect(await failure(`${server.url}/x`)).toContain(`${at} refuses connections`);
    server.answer = (_, response) => void response.writeHead(302, { location: '/x' }).end();
    expect(await failure(`${server.url}/x`)).toMatch(/redirect count exceeded/);
  });

  it('names the proxy that is not there', async () => {
    const at = await free();
    for (const scheme of ['http', 'https']) {
      expect(await failure(`${scheme}://hub.invalid/x`, { HTTP_PROXY: `http://u:geheim@${at}` })).toBe(
        `${scheme}://hub.invalid/x: the proxy ${at} of HTTP_PROXY refuses connections (ECONNREFUSED); ` +
          'check HTTP_PROXY, or name hub.invalid in NO_PROXY to go without it',
      );
    }
    expect(await failure('https://hub.invalid/x', { https_proxy: 'http://proxy.invalid:3128' })).toMatch(
      /the proxy proxy\.invalid:3128 of https_proxy does not resolve .*; check https_proxy, or name hub\.invalid/,
    );
    expect(
      await failure('https://hub.invalid/x', { https_proxy: `https://localhost:${new URL(server.url).port}` }),
    ).toMatch(/no encrypted connection .*; check whether http:\/\/ is meant where https:\/\/ stands in https_proxy/);
  });

  it.each([
    [407, /says 407 and does not connect to hub\.invalid; it asks for a login: write USER:PASSWORD@ before its host/],
    [403, /says 403 and does not connect to hub\.invalid; ask who runs the proxy, or name hub\.invalid in NO_PROXY/],
    [502, /says 502 and does not connect to hub\.invalid; check the address; the proxy may not find it, or name/],
  ])('repeats what the proxy says: %d', async (status, message) => {
    const { host } = await proxy({ refuses: status });
    expect(await failure('https://hub.invalid/x', { HTTPS_PROXY: host })).toMatch(message);
  });

  it('repeats what the proxy says to plain requests', async () => {
    const closed = await proxy({ login: 'a:b' });
    expect(await failure('http://hub.invalid/x', { HTTP_PROXY: closed.host })).toMatch(/says 407 .*asks for a login/);
    const lost = await proxy();
    const options = { pause: 1, attempts: 2, env: { HTTP_PROXY: lost.host } };
    await expect(patientFetch(options)('http://127.0.0.1:9/x')).rejects.toThrow(/bad port/);
    await expect(downloadFile({ url: `http://${await free()}/x`, ...known }, path, options)).rejects.toThrow(
      new RegExp(`the server says 502 \\(through the proxy ${lost.host} of HTTP_PROXY\\)`),
    );
  });

  it('names the proxy that refuses a plain request, in the words of its status', async () => {
    const { host } = await proxy({ refuses: 403 });
    expect(await failure('http://hub.invalid/x', { HTTP_PROXY: host })).toContain(
      `the server says 403 Forbidden (through the proxy ${host} of HTTP_PROXY); access is refused, by the server or by`,
    );
  });

  it('knows the login of a proxy that no variable names', async () => {
    server.answer = (_, response) => void response.writeHead(407).end();
    expect(await failure(`${server.url}/x`)).toMatch(
      /: a proxy on the way to 127\.0\.0\.1:\d+ says 407; it asks for a login: set HTTPS_PROXY and HTTP_PROXY/,
    );
  });

  it('is said at once where a proxy hangs up, or is none', async () => {
    for (const [scheme, said, words] of [
      ['https', '', 'closed the connection'],
      ['https', 'SSH-2.0-x\r\n', 'does not answer in HTTP'],
      ['http', 'SSH-2.0-x\r\n', 'does not answer in HTTP'],
    ] as const) {
      let connections = 0;
      const none = createTcpServer((client) => {
        connections++;
        client.on('error', () => {});
        client.once('data', () => client.end(said));
      });
      await new Promise<void>((resolve) => none.listen(0, '127.0.0.1', resolve));
      const host = `127.0.0.1:${(none.address() as AddressInfo).port}`;
      expect(await failure(`${scheme}://hub.invalid/x`, { HTTPS_PROXY: host, HTTP_PROXY: host })).toMatch(
        new RegExp(`the proxy ${host} of HTTPS?_PROXY ${words}; check HTTPS?_PROXY, or name hub\\.invalid in NO_PROXY`),
      );
      expect(connections).toBe(1);
      none.close();
    }
  });

  it('names the proxy that may have sent a page', async () => {
    const { host } = await proxy({ knows: { 'hub.invalid': server.url.slice(7) } });
    server.answer = (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<form>');
    expect(await failure('http://hub.invalid/x', { HTTP_PROXY: host })).toContain(
      `hub.invalid sends a web page in place of the file (through the proxy ${host} of HTTP_PROXY); a network`,
    );
  });

  it('is waited for when there was one before', async () => {
    server.answer = (request, response) => {
      // Gone for a while, as a server that starts anew.
      response.on('close', () => void server.close());
      serveBytes(request, response, content, { limit: 10_000 });
    };
    const wanted = { url: `${server.url}/x`, ...known };
    await expect(downloadFile(wanted, path, { pause: 1, attempts: 3 })).rejects.toThrow(
      /refuses connections .*; 10000 of 50000 bytes are kept, run it again to go on/,
    );
    const later = await startServer((request, response) => serveBytes(request, response, content));
    open.push(later);
    await downloadFile({ ...wanted, url: `${later.url}/x` }, path, { pause: 1 });
    expect(later.requests.map(({ headers }) => headers.range)).toEqual(['bytes=10000-']);
  });
});

it('takes a login from an address, never says it, and sends it nowhere else', async () => {
  const elsewhere = await startServer((request, response) => serveBytes(request, response, content));
  open.push(elsewhere);
  const { host } = new URL(server.url);
  server.answer = (_, response) => void response.writeHead(302, { location: `${elsewhere.url}/y` }).end();
  await download(`http://me:geheim@${host}/x`, {});
  expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:geheim').toString('base64')}`);
  expect(elsewhere.requests[0]?.headers.authorization).toBeUndefined();
  server.answer = (_, response) => void response.writeHead(403).end();
  await rm(path);
  expect(await failure(`http://me:geheim@${host}/x`)).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/x: the server says 403/);
});

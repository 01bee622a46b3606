/** Requests through the proxies that the environment names, and what it means when no connection comes about. */
import { Agent, Dispatcher, fetch, Pool, ProxyAgent, type Response } from 'undici';
import { basic, type Environment, loginOf, type NamedProxy, proxyOf } from './proxy';

/** The last step of a request: where it was sent, through what. A redirect makes another. */
interface Hop {
  readonly host: string;
  readonly proxy: NamedProxy | undefined;
}

/** What stands in the way of a connection. */
export interface Obstacle {
  readonly problem: string;
  readonly fix?: string;
  /** Waiting does not help: the name, the address, or what is set must change. */
  readonly lasting: boolean;
}

/** A proxy that makes no tunnel. */
class TunnelError extends Error {
  /** What it answers to CONNECT; undefined where it closes the connection instead. */
  readonly status: number | undefined;

  constructor(status?: number, options?: ErrorOptions) {
    super('the proxy makes no tunnel', options);
    this.status = status;
  }
}

/**
 * Connections to a proxy that tell what it answers to CONNECT. Undici's own lose the status, and ask again and again,
 * without a pause, where the proxy closes the connection instead of an answer.
 */
class TunnelPool extends Pool {
  override connect(options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData>;
  override connect(
    options: Dispatcher.ConnectOptions,
    callback: (error: Error | null, data: Dispatcher.ConnectData) => void,
  ): void;
  override connect(
    options: Dispatcher.ConnectOptions,
    callback?: (error: Error | null, data: Dispatcher.ConnectData) => void,
  ): Promise<Dispatcher.ConnectData> | undefined {
    if (callback !== undefined) {
      super.connect(options, callback);
      return undefined;
    }
    return super.connect(options).then(
      (data) => {
        if (data.statusCode === 200) return data;
        data.socket.on('error', () => {}).destroy();
        throw new TunnelError(data.statusCode);
      },
      (error: Error & { code?: unknown }) => {
        throw error.code === 'UND_ERR_SOCKET' ? new TunnelError(undefined, { cause: error }) : error;
      },
    );
  }
}

/** Connections by proxy, kept for the next request. */
const agents = new Map<string, Dispatcher>();

function agentOf(proxy: NamedProxy | undefined): Dispatcher {
  const key = proxy === undefined ? '' : `${proxy.url} ${JSON.stringify(proxy.login ?? null)}`;
  let agent = agents.get(key);
  if (agent === undefined) {
    agent = proxy === undefined ? new Agent() : proxyAgent(proxy);
    agents.set(key, agent);
  }
  return agent;
}

function proxyAgent({ url, login }: NamedProxy): Dispatcher {
  const address = new URL(url);
  const isSocks = address.protocol === 'socks5:';
  if (isSocks && login !== undefined) {
    address.username = encodeURIComponent(login.user);
    address.password = encodeURIComponent(login.password);
  }
  return new ProxyAgent({
    uri: address.href,
    ...(login !== undefined && !isSocks && { token: basic(login) }),
    // Many proxies make tunnels to port 443 alone: what is not encrypted is asked of the proxy itself.
    proxyTunnel: false,
    clientFactory: (origin, options) => new TunnelPool(origin, options),
  });
}

/** Sends each step of a request, redirects too, through the proxy of its own address. */
class Route extends Dispatcher {
  hop: Hop;

  constructor(
    url: URL,
    private readonly env: Environment,
  ) {
    super();
    this.hop = { host: url.host, proxy: proxyOf(url, env) };
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const origin = new URL(String(options.origin));
    this.hop = { host: origin.host, proxy: proxyOf(origin, this.env) };
    return agentOf(this.hop.proxy).dispatch(options, handler);
  }
}

/** Asks for an address. */
export interface RoutedRequest {
  /** Rejects with a TypeError where the network fails, whose meaning is `obstacle`. */
  send(init: { readonly headers?: Readonly<Record<string, string>>; readonly signal: AbortSignal }): Promise<Response>;
  /** What an error of `send`, or of reading what it gave, means. */
  obstacle(error: TypeError): Obstacle;
  /** Who the last step was sent through, in words that follow `the server says 503`; empty without a proxy. */
  through(): string;
}

/**
 * A request of an address. A user and password in it become its login, as in curl, unless a header says who asks.
 * @throws InputError for a variable that names no proxy
 */
export function requestOf(url: string, env: Environment): RoutedRequest {
  const address = new URL(url);
  const login = address.username === '' ? undefined : loginOf(address);
  const own: Record<string, string> = login === undefined ? {} : { authorization: basic(login) };
  address.username = '';
  address.password = '';
  const route = new Route(address, env);
  return {
    send: ({ headers = {}, signal }) => fetch(address, { headers: { ...own, ...headers }, signal, dispatcher: route }),
    obstacle: (error) => obstacleOf(error, route.hop),
    through: () => (route.hop.proxy === undefined ? '' : ` (through ${wordsOf(route.hop.proxy)})`),
  };
}

/**
 * Sends a request as `fetch` does, through the proxies that the environment names.
 * @throws InputError for a variable that names no proxy
 */
export async function fetchThrough(
  env: Environment,
  ...[input, init]: Parameters<typeof globalThis.fetch>
): Promise<globalThis.Response> {
  // A form is of Node's own classes, which undici does not know: it is packed first.
  const request = new Request(input, init);
  const body = request.body === null ? null : new Uint8Array(await request.arrayBuffer());
  const response = await fetch(request.url, {
    ...{ method: request.method, headers: Object.fromEntries(request.headers), body, signal: request.signal },
    dispatcher: new Route(new URL(request.url), env),
  });
  return response as unknown as globalThis.Response;
}

const wordsOf = ({ host, variable }: NamedProxy) => `the proxy ${host} of ${variable}`;

/** What is wrong with the first machine on the way. */
const FIRST_STEP: Readonly<Record<string, string>> = {
  ENOTFOUND: 'does not resolve',
  EAI_AGAIN: 'does not resolve',
  EAI_FAIL: 'does not resolve',
  ECONNREFUSED: 'refuses connections',
  ENETUNREACH: 'cannot be reached from this network',
  EHOSTUNREACH: 'cannot be reached from this network',
  ENETDOWN: 'cannot be reached from this network',
  UND_ERR_CONNECT_TIMEOUT: 'does not answer',
  ETIMEDOUT: 'does not answer',
};

/** Whether an error means the status 407, which fetch gives to nobody: it makes an error without words of it. */
const isLoginAsked = (error: TypeError, { message, code = '' }: { message: string; code?: unknown }) =>
  /\(407\)/.test(message) || (error.message === 'fetch failed' && message === '' && code === '');

function obstacleOf(error: TypeError, { host, proxy }: Hop): Obstacle {
  const cause = error.cause as (Error & { code?: unknown }) | undefined;
  const code = typeof cause?.code === 'string' ? cause.code : '';
  const without = `or name ${host.replace(/:\d+$/, '')} in NO_PROXY to go without it`;
  const tunnel = cause instanceof TunnelError ? cause : undefined;
  const status = tunnel?.status ?? (cause !== undefined && isLoginAsked(error, cause) ? 407 : undefined);
  if (status !== undefined && proxy === undefined) {
    const fix =
      'it asks for a login: set HTTPS_PROXY and HTTP_PROXY to its address, with USER:PASSWORD@ before its host';
    return { problem: `a proxy on the way to ${host} says ${status}`, fix, lasting: true };
  }
  if (status !== undefined && proxy !== undefined) {
    const problem = `${wordsOf(proxy)} says ${status} and does not connect to ${host}`;
    const fix =
      status === 407
        ? `it asks for a login: write USER:PASSWORD@ before its host in ${proxy.variable}`
        : status >= 500
          ? `check the address; the proxy may not find it, ${without}`
          : `ask who runs the proxy, ${without}`;
    return { problem, fix, lasting: true };
  }
  const step = FIRST_STEP[code];
  if (step !== undefined) {
    const lasting = !/TIME/.test(code);
    if (proxy !== undefined) {
      return { problem: `${wordsOf(proxy)} ${step} (${code})`, fix: `check ${proxy.variable}, ${without}`, lasting };
    }
    const fix = step.endsWith('connections')
      ? 'check the address and that a server runs there'
      : 'check the address and the network; where a proxy is needed, set HTTPS_PROXY';
    return { problem: `${host} ${step} (${code})`, fix, lasting };
  }
  if (/^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT|HOSTNAME_MISMATCH)/.test(code)) {
    return {
      problem: `the certificate of ${host} is not trusted (${code})`,
      fix: 'where a company signs connections itself, name the file of its certificate in NODE_EXTRA_CA_CERTS',
      lasting: true,
    };
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    const where = proxy?.url.startsWith('https:') ? `in ${proxy.variable}` : 'in the address';
    return {
      problem: `${host} makes no encrypted connection (${code})`,
      fix: `check whether http:// is meant where https:// stands ${where}`,
      lasting: true,
    };
  }
  const who = proxy === undefined ? host : wordsOf(proxy);
  const check = proxy === undefined ? 'check the address' : `check ${proxy.variable}, ${without}`;
  if (tunnel !== undefined || code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE') {
    const fix = proxy === undefined ? 'check the network, or try again later' : check;
    return { problem: `${who} closed the connection`, fix, lasting: tunnel !== undefined };
  }
  if (cause?.name === 'HTTPParserError')
    return { problem: `${who} does not answer in HTTP`, fix: check, lasting: true };
  // Without a code it is fetch itself that refuses: too many redirects, a port or a scheme that it does not allow.
  const problem = code.startsWith('Z_') ? `the answer is not packed as it says (${cause?.message})` : cause?.message;
  const through = proxy === undefined ? '' : ` (through ${wordsOf(proxy)})`;
  return { problem: `${problem || error.message}${through}`, lasting: code === '' };
}

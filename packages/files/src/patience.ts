/** Patience with servers: what passes by itself, how long to wait for it, and when to give up. */
import { STATUS_CODES } from 'node:http';
import { CrossgateError } from '@crossgate/core';
import type { Response as Answered } from 'undici';
import type { Environment } from './proxy';

/** How long a server is waited for. */
export interface Patience {
  /** Stops the transfer; the call then rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Attempts in a row that may bring no byte before it fails; default 5. */
  readonly attempts?: number;
  /** Milliseconds without a byte after which a connection counts as dead; default 30,000. */
  readonly patience?: number;
  /** Milliseconds before the second attempt in a row, doubled for each further one; default 1,000. */
  readonly pause?: number;
}

/** How a server is reached, and how long it is waited for. */
export interface NetworkOptions extends Patience {
  /** Environment that names proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`); default: the process's. */
  readonly env?: Environment;
}

/** The transfer broke off: another attempt may go on. Any other error is final. */
export class TransferError extends Error {
  override name = 'TransferError';
  /** What to do about it. */
  readonly fix: string | undefined;
  /** It would break off again: no connection came about, for a reason that waiting does not change. */
  readonly lasting: boolean;
  /** Whether the server answered before it broke off. */
  readonly answered: boolean;

  constructor(
    problem: string,
    { fix, lasting = false, answered = true }: { fix?: string | undefined; lasting?: boolean; answered?: boolean } = {},
  ) {
    super(problem);
    this.fix = fix;
    this.lasting = lasting;
    this.answered = answered;
  }

  /** The error that ends it, with the place that it was about. */
  asFinal(url: string, fix: string | undefined = this.fix): CrossgateError {
    return new CrossgateError(this.message, { code: 'network.failed', place: shownUrl(url), fix, cause: this });
  }
}

/** An address without what may be secret: user, password and query. */
export function shownUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** What a status means beyond its words, and what to do; any other may mean a file that moved. */
const STATUS_WORDS: Readonly<Record<number, string>> = {
  401: 'it asks for a login',
  403: 'access is refused, by the server or by a proxy on the way',
  511: 'this network asks for a login: open the address in a browser',
};

/** The server answered, and not with the file. */
export class RefusedError extends CrossgateError {
  override name = 'RefusedError';
  /** HTTP status. */
  readonly status: number;

  constructor(url: string, { status }: Pick<Response, 'status'>, through = '') {
    // The words of the status are not sent by every server, nor given on by every proxy.
    const said = `the server says ${`${status} ${STATUS_CODES[status] ?? ''}`.trimEnd()}${through}`;
    const fix = STATUS_WORDS[status] ?? 'the file may have moved';
    super(said, { code: 'network.failed', place: shownUrl(url), fix });
    this.status = status;
  }
}

/** Statuses from 500 that a later attempt does not better: 501 (not implemented), 505 (HTTP version), 511 (login). */
const FOR_GOOD: ReadonlySet<number> = new Set([501, 505, 511]);

/** @throws TransferError for an answer that another attempt may better. */
export function refuseTransient({ status }: Pick<Response, 'status'>, through = ''): void {
  const passes = (status >= 500 && !FOR_GOOD.has(status)) || status === 429 || status === 408;
  if (passes) throw new TransferError(`the server says ${status}${through}`, { fix: 'try again later' });
}

/** Waits before the attempt after `fruitless` ones. Rejects with the signal's reason when aborted. */
export function pauseFor(fruitless: number, { pause = 1_000, signal }: Patience): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, pause * 2 ** (fruitless - 1));
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** One exchange with a server. */
export interface Exchange {
  /** Asks for the address. */
  send(headers?: Readonly<Record<string, string>>): Promise<Answered>;
  /** Called when something came. */
  alive(): void;
  /** Who it was sent through, for messages; empty without a proxy. */
  through(): string;
}

/**
 * Runs one exchange with a server; a connection without a byte for too long is aborted.
 * @throws TransferError where the network failed; the signal's reason when aborted; InputError for a variable that
 *   names no proxy; else what `work` throws
 */
export async function overNetwork<T>(
  url: string,
  { patience = 30_000, signal, env = process.env }: NetworkOptions,
  work: (exchange: Exchange) => Promise<T>,
): Promise<T> {
  // Loaded when used: commands without a network start sooner.
  const { requestOf } = await import('./network');
  const request = requestOf(url, env);
  const stalled = new AbortController();
  const wait = () => setTimeout(() => stalled.abort(), patience);
  let timer = wait();
  const alive = () => {
    clearTimeout(timer);
    timer = wait();
  };
  let answered = false;
  const either = AbortSignal.any(signal ? [stalled.signal, signal] : [stalled.signal]);
  try {
    return await work({
      async send(headers = {}) {
        const response = await request.send({ headers, signal: either });
        answered = true;
        return response;
      },
      alive,
      through: () => request.through(),
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (stalled.signal.aborted) {
      const problem = `no byte came for ${patience / 1000} s${request.through()}`;
      throw new TransferError(problem, { fix: 'check the network, or try again later', answered });
    }
    // What fetch itself throws: no route, a reset connection, a name that does not resolve.
    if (!(error instanceof TypeError)) throw error;
    if (error.cause instanceof CrossgateError) throw error.cause;
    const { problem, ...more } = request.obstacle(error);
    throw new TransferError(problem, { ...more, answered });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A `fetch` for small answers, such as those of an API: it reads them whole, and asks again when a connection breaks,
 * stalls, or the server says that it is busy. Other refusals are answers. It takes an address and headers. Rejects with
 * an Error that names the address, at once where no connection comes about.
 */
export function patientFetch(options: NetworkOptions = {}): typeof fetch {
  return async (input, init) => {
    if (input instanceof Request) throw new TypeError('give an address, not a Request');
    const url = String(input);
    let met = false;
    for (let fruitless = 1; ; fruitless++) {
      options.signal?.throwIfAborted();
      try {
        return await overNetwork(url, options, async ({ send, through }) => {
          const response = await send(Object.fromEntries(new Headers(init?.headers)));
          refuseTransient(response, through());
          const { status, statusText, headers } = response;
          return new Response(await response.arrayBuffer(), { status, statusText, headers: [...headers] });
        });
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        met ||= error.answered;
        if ((error.lasting && !met) || fruitless >= (options.attempts ?? 5)) throw error.asFinal(url);
        await pauseFor(fruitless, options);
      }
    }
  };
}

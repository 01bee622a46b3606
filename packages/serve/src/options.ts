/** What a server can be told, with defaults. */
import { InputError, type Log, silentLog } from '@crossgate/core';

/** Options of {@link createServer}; everything has a default. */
export interface ServeOptions {
  /** Items that CF hands to the language model, where a request names no number. Default: 200. */
  readonly candidates?: number;
  /** SQLite file that keeps events and new items. Default: none; they are forgotten when the process ends. */
  readonly state?: string | undefined;
  /** Tokens of which every request to `/v1` and `/metrics` brings one. Default: none; everybody may ask. */
  readonly tokens?: readonly string[];
  /** Host names (without port) that a `Host` header may have, against DNS rebinding. Default: any. */
  readonly hosts?: readonly string[];
  /** Origins whose pages may ask, such as `https://shop.example`. Default: none. */
  readonly cors?: readonly string[];
  /** Milliseconds after which a list is given in the order of CF. A request may say less or more. Default: 2,000. */
  readonly deadline?: number;
  /** Requests that may wait for the model; more are answered with 429. Default: 256. */
  readonly queue?: number;
  /** Milliseconds that an idle server with a language model waits for requests to share work with. Default: 2. */
  readonly batchWait?: number;
  /**
   * Milliseconds after which a call that does not end counts as a lost GPU. Default: 120,000, or a minute more than the
   * deadline where that is more.
   */
  readonly hangAfter?: number;
  /** Bytes of a body. Default: 1 MiB. */
  readonly maxBody?: number;
  /** Requests a second with one token, on average; twice as many at once. Default: 1,000. */
  readonly rate?: number;
  /** One line a request at `debug`, faults at `warn`. Default: nowhere. */
  readonly log?: Log;
  /** Folder of the page that `/` shows. Default: the one of this package. */
  readonly page?: string | undefined;
  /** Whether `/metrics` also describes the process (memory, event loop). Default: false. */
  readonly processMetrics?: boolean;
  /** Settles when the GPU is lost while nobody asks; a lost GPU is noticed by a call without it. */
  readonly lost?: Promise<unknown>;
}

/** Options with their defaults. */
export interface Settings extends Required<Omit<ServeOptions, 'state' | 'page' | 'lost' | 'hosts'>> {
  readonly state: string | undefined;
  readonly page: string | undefined;
  readonly lost: Promise<unknown> | undefined;
  readonly hosts: readonly string[] | undefined;
}

/** The host names under which a machine reaches itself. */
export const LOOPBACK: readonly string[] = ['127.0.0.1', 'localhost', '[::1]'];

/** Whether a host to listen on is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Shortest token: 16 random characters of base64 are 96 bits. */
const LEAST_TOKEN = 16;

/**
 * Checks options, as `createServer` does, before there is a run.
 * @throws InputError naming the option
 */
export function checkOptions(options: ServeOptions): void {
  settingsOf(options);
}

/**
 * Checks options and fills in defaults.
 * @throws InputError naming the option
 */
export function settingsOf(options: ServeOptions): Settings {
  const { state, page, lost, hosts, candidates = 200, deadline = 2000, queue = 256, batchWait = 2 } = options;
  // A call that everybody still waits for is no hang.
  const {
    hangAfter = Math.max(120_000, deadline + 60_000),
    maxBody = 2 ** 20,
    rate = 1000,
    log = silentLog,
    processMetrics = false,
  } = options;
  const { tokens = [], cors = [] } = options;
  const range = (name: string, value: number, least: number, most: number) => {
    if (value >= least && value <= most) return;
    throw new InputError(`${value} is not from ${least} to ${most}`, { code: 'input', place: name });
  };
  range('candidates', candidates, 1, 100_000);
  range('deadline', deadline, 1, 600_000);
  range('queue', queue, 1, 100_000);
  range('batchWait', batchWait, 0, 1000);
  range('hangAfter', hangAfter, 100, 3_600_000);
  range('maxBody', maxBody, 1024, 2 ** 27);
  range('rate', rate, 1, 1_000_000);
  for (const token of tokens) checkToken(token, 'tokens');
  return {
    ...{ state, page, lost, hosts, candidates, deadline, queue, batchWait, hangAfter, maxBody, rate, log },
    ...{ processMetrics, tokens, cors: cors.map(checkOrigin) },
  };
}

/** @throws InputError for a token that is too short, or cannot stand in a header; it is never part of the message */
function checkToken(token: string, place: string): void {
  const fix = 'make one with: openssl rand -hex 32';
  const fail = (problem: string) => new InputError(problem, { code: 'input', place, fix });
  if (token.length < LEAST_TOKEN) throw fail(`a token is shorter than ${LEAST_TOKEN} characters`);
  if (!/^[\x21-\x7e]{1,1024}$/.test(token)) throw fail('a token holds blanks or characters beyond ASCII');
}

/**
 * Tokens of a file: one a line; blank lines and lines that begin with # do not count.
 * @param place what messages call the file
 * @throws InputError for a file without tokens, or a token that is too short
 */
export function readTokens(text: string, place: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const tokens = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (tokens.length === 0) {
    throw new InputError('holds no token', { code: 'input', place, fix: 'write one a line: openssl rand -hex 32' });
  }
  for (const token of tokens) checkToken(token, place);
  return tokens;
}

/** @throws InputError for anything but an origin */
function checkOrigin(origin: string): string {
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.origin === origin) return origin;
  throw new InputError(`${JSON.stringify(origin)} is not an origin`, {
    code: 'input',
    place: 'cors',
    fix: 'name scheme, host and port of the page, as in https://shop.example',
  });
}

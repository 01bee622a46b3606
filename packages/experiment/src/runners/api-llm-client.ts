/**
 * One endpoint that speaks the protocol of OpenAI: requests with retries, limits and timeouts. Its errors never hold
 * the key.
 */
import { CrossgateError, InputError, InterruptedError, type Log } from '@crossgate/core';
import { routedFetch } from '@crossgate/files';
import OpenAI, { APIConnectionError, APIError } from 'openai';
import type { ExperimentConfig } from '../config/schema';
import { type Clock, Pacer, systemClock } from './api-llm-pacer';

/** What a client is made of. */
export interface ClientOptions {
  /** The section `api` of a config. */
  readonly api: ExperimentConfig['api'];
  /** Environment variables by name, with the key among them. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where waits are told. */
  readonly log: Log;
  /** Aborted when the user interrupts: nothing more is sent, and what was sent is waited for. */
  readonly signal: AbortSignal;
  /** Default: that of the machine. */
  readonly clock?: Clock;
}

/** One request. */
export interface Request<T> {
  /** Tokens that it is expected to take; 0 for what no model reads. */
  readonly tokens: number;
  /**
   * Sends it.
   * @param tries how often it was sent before
   */
  send(openai: OpenAI, options: { signal: AbortSignal }, tries: number): Promise<unknown>;
  /** What the body says; undefined where it is not what the protocol asks for, and the request is made again. */
  read(body: unknown): T | undefined;
}

/** An endpoint that refuses one prompt for what it says: no error of the run. */
export class PromptRefusedError extends CrossgateError {
  override name = 'PromptRefusedError';
}

/** Longest wait that an endpoint may ask for, in milliseconds: beyond it, the run ends and is resumed later. */
const LONGEST_WAIT = 600_000;
/** Longest wait between two tries that nobody asked for. */
const LONGEST_BACK_OFF = 60_000;
/** Waits above this are told. */
const TOLD = 5_000;

/** @throws InputError where the variable is not set, or holds what no header can */
export function readKey(
  { keyVariable }: Pick<ExperimentConfig['api'], 'keyVariable'>,
  env: ClientOptions['env'],
): string | null {
  if (keyVariable === null) return null;
  // A key in its place must not be told to anybody, so the value is not either.
  if (!/^[A-Z_][A-Z0-9_]*$/.test(keyVariable)) {
    throw new InputError('must be the name of an environment variable, in capitals; it is not the place of a key', {
      code: 'config.value',
      place: 'api.keyVariable',
      fix: 'export the key as OPENAI_API_KEY, say, and name that',
    });
  }
  const key = env[keyVariable]?.trim() ?? '';
  if (key === '') {
    throw new InputError(`the environment variable ${keyVariable}, which holds the key, is not set`, {
      code: 'api.unset',
      place: 'api.keyVariable',
      fix: 'set it, or --set api.keyVariable=null for an endpoint without keys',
    });
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new InputError(`${keyVariable} holds blanks or letters that no key has`, {
      code: 'api.unset',
      place: 'api.keyVariable',
      fix: 'copy the key again',
    });
  }
  return key;
}

/** An endpoint, with its key. */
export class ApiClient {
  private readonly openai: OpenAI;
  /** Finds the key. */
  private readonly secret: RegExp | null;
  private readonly pacer: Pacer;
  private readonly clock: Clock;
  /** Requests that were sent again. */
  retries = 0;

  /** @throws InputError without a key, see `readKey` */
  constructor(private readonly options: ClientOptions) {
    const { api, env, clock = systemClock } = options;
    this.clock = clock;
    const key = readKey(api, env);
    this.secret = key === null ? null : secretPattern(key);
    this.pacer = new Pacer(api, clock);
    this.openai = new OpenAI({
      baseURL: api.baseUrl,
      // Without a key, the header is left out below; the library wants a word all the same.
      apiKey: key ?? 'none',
      adminAPIKey: null,
      organization: env.OPENAI_ORG_ID ?? null,
      project: env.OPENAI_PROJECT_ID ?? null,
      // Retries are ours: the library's end a wait that the endpoint asks for at a minute, and know no limits.
      maxRetries: 0,
      fetch: routedFetch(env),
      timeout: api.timeout * 1000,
      logLevel: 'off',
      ...(key === null && { defaultHeaders: { Authorization: null } }),
    });
  }

  /** A text without the key, however the endpoint wrote it. */
  redact(text: string): string {
    return this.secret === null ? text : text.replaceAll(this.secret, '[key]');
  }

  /** Counts tokens that a request took beyond those that were expected. */
  correct(tokens: number): void {
    this.pacer.correct(tokens);
  }

  /**
   * Makes a request until it is answered.
   * @throws InputError for what the user must change, such as a key that is refused; PromptRefusedError;
   * InterruptedError once the user interrupts, but not before the answer of a request that was sent; CrossgateError
   * when no try was answered
   */
  async request<T>({ tokens, send, read }: Request<T>): Promise<T> {
    const { api, signal, log } = this.options;
    for (let tries = 0; ; tries++) {
      await this.pacer.start(tokens, signal);
      if (signal.aborted) throw new InterruptedError();
      const outcome = await this.attempt(send, read, tries);
      if ('value' in outcome) return outcome.value;
      const { reason, wait } = outcome;
      if (wait !== null && wait > LONGEST_WAIT) {
        throw new CrossgateError(`${this.place}: asks to wait ${Math.round(wait / 1000)} s (${reason})`, {
          code: 'api.quota',
        });
      }
      if (tries >= api.retries) {
        throw new CrossgateError(`${this.place}: no answer after ${tries + 1} tries; the last: ${reason}`, {
          code: 'network.failed',
        });
      }
      this.retries++;
      if (wait !== null) this.pacer.pause(wait);
      const pause = wait ?? backOff(tries);
      (pause > TOLD ? log.info : log.debug).call(log, `${reason}; again in ${Math.round(pause) / 1000} s`);
      // A pause that the endpoint asks for is kept by the pacer, for all requests.
      if (wait === null) await this.clock.sleep(pause, signal);
    }
  }

  /** The host of the endpoint, which messages name. */
  private get place(): string {
    return this.options.api.baseUrl;
  }

  private async attempt<T>(
    send: Request<T>['send'],
    read: Request<T>['read'],
    tries: number,
  ): Promise<{ value: T } | { reason: string; wait: number | null }> {
    const seconds = this.options.api.timeout;
    const timeout = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // The library's own timeout ends with the headers; a body may take as long as it likes.
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => {
        resolve('late');
        timeout.abort();
      }, seconds * 1000);
    });
    try {
      const sent = send(this.openai, { signal: timeout.signal }, tries);
      sent.catch(() => {}); // After a timeout nobody listens any more.
      const body = await Promise.race([sent, late]);
      if (body === 'late') return { reason: `no answer in ${seconds} s`, wait: null };
      const value = read(parseBody(body));
      if (value !== undefined) return { value };
      return { reason: `an answer that is not of the protocol: ${this.excerpt(body)}`, wait: null };
    } catch (error) {
      return this.judge(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether to try again. @throws what ends the run */
  private judge(error: unknown): { reason: string; wait: number | null } {
    // Thrown by `send` itself.
    if (error instanceof CrossgateError) throw error;
    if (error instanceof Error && error.cause instanceof CrossgateError) throw error.cause;
    if (error instanceof APIConnectionError) return { reason: this.excerpt(causeOf(error)), wait: null };
    if (!(error instanceof APIError)) {
      // A body that is no JSON, or ends early: the library throws what reading it threw.
      const isCutOff = error instanceof SyntaxError || (error instanceof TypeError && error.cause !== undefined);
      if (isCutOff) return { reason: `an answer that is cut off (${this.excerpt(error.message)})`, wait: null };
      throw new CrossgateError(`${this.place}: ${this.excerpt(String(error))}`);
    }
    const { status, headers } = error as { status: number | undefined; headers: Headers | undefined };
    const message = this.excerpt(error.message);
    const code = String(error.code ?? error.type ?? '');
    if (/^content_(filter|policy_violation)$/.test(code))
      throw new PromptRefusedError(message, { code: 'api.request' });
    if (status === 402 || code === 'insufficient_quota') {
      throw new CrossgateError(`${this.place}: ${message}`, { code: 'api.quota', fix: 'add credit to the account' });
    }
    if (status === undefined || [408, 409, 425, 429].includes(status) || status >= 500) {
      return { reason: message, wait: retryAfter(headers, Date.now()) };
    }
    if (status === 401 || status === 403) {
      throw new InputError(`the endpoint refuses the key: ${message}`, {
        code: 'api.key',
        place: this.place,
        fix: `check ${this.options.api.keyVariable ?? 'api.keyVariable'}`,
      });
    }
    throw new InputError(message, { code: 'api.request', place: this.place, fix: fixFor(status, message) });
  }

  /** The beginning of what an endpoint says, on one line, without the key. */
  private excerpt(said: unknown): string {
    const text = typeof said === 'string' ? said : (JSON.stringify(said) ?? String(said));
    // The key goes first: of one that is cut, a part would stay.
    const line = this.redact(text).replaceAll(/\s+/g, ' ').trim();
    return line.length > 200 ? `${line.slice(0, 199)}…` : line || 'nothing';
  }
}

/** Matches a key as it is, with the backslashes of JSON in JSON, and as addresses write it. */
function secretPattern(key: string): RegExp {
  const letters = Array.from(key, (letter) => {
    const code = letter.charCodeAt(0).toString(16).padStart(2, '0');
    return `\\\\*(?:\\u{${code}}|%(?:${code}|${code.toUpperCase()}))`;
  });
  return new RegExp(letters.join(''), 'gu');
}

/** A body of another content type than JSON comes as text. */
function parseBody(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

/** The innermost words: `connect ECONNREFUSED 127.0.0.1:80`, not `Connection error.` */
function causeOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? causeOf(cause) : error.message;
}

function fixFor(status: number, message: string): string {
  if (/logprobs/i.test(message)) return '--set api.logprobs=false';
  if (/max_completion_tokens|max_tokens/i.test(message)) {
    return '--set api.maxTokens=null --set api.parameters.max_completion_tokens=1000';
  }
  if (/temperature/i.test(message)) return '--set api.temperature=null';
  return status === 404 ? 'check api.baseUrl and api.model' : 'check the section api of the config';
}

/** Milliseconds that an endpoint asks to wait, by its headers; null where it does not. */
export function retryAfter(headers: Pick<Headers, 'get'> | undefined, now: number): number | null {
  const exact = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (exact >= 0) return exact;
  const text = headers?.get('retry-after')?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/**
 * Milliseconds before a further try: 1 s, 2 s, 4 s …, each shortened by up to half, so that requests do not come
 * together.
 */
function backOff(tries: number): number {
  return Math.min(LONGEST_BACK_OFF, 1000 * 2 ** tries) * (1 - Math.random() / 2);
}

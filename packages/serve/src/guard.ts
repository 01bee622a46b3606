/** Who may ask: hosts, tokens, and how often. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Settings } from './options';
import { Problem } from './problem';

const digest = (text: string) => createHash('sha256').update(text).digest();

/** A bucket that fills by `rate` tokens a second, and holds twice as many. */
class Bucket {
  readonly #rate: number;
  #level: number;
  #at = performance.now();

  constructor(rate: number) {
    this.#rate = rate;
    this.#level = 2 * rate;
  }

  /** Takes one. @returns 0, or seconds until there is one */
  take(): number {
    const now = performance.now();
    this.#level = Math.min(2 * this.#rate, this.#level + ((now - this.#at) / 1000) * this.#rate);
    this.#at = now;
    if (this.#level < 1) return (1 - this.#level) / this.#rate;
    this.#level -= 1;
    return 0;
  }
}

interface KnownToken {
  readonly digest: Buffer;
  readonly bucket: Bucket;
}

/** Checks what comes with a request before anything else is read of it. */
export class Guard {
  readonly #tokens: readonly KnownToken[];
  readonly #hosts: ReadonlySet<string> | undefined;

  constructor({ tokens, hosts, rate }: Pick<Settings, 'tokens' | 'hosts' | 'rate'>) {
    this.#tokens = tokens.map((token) => ({ digest: digest(token), bucket: new Bucket(rate) }));
    this.#hosts = hosts && new Set(hosts.map((host) => host.toLowerCase()));
  }

  /** @throws Problem for a host that is not this server's */
  checkHost(header: string | undefined): void {
    if (!this.#hosts) return;
    const host = (header ?? '').toLowerCase().replace(/:\d{1,5}$/, '');
    if (this.#hosts.has(host)) return;
    throw new Problem('host', 'the Host header names no host of this server', {
      path: 'Host',
      fix: 'ask by the address that the server listens on',
    });
  }

  /** @throws Problem for a token that is missing, unknown or over its rate */
  checkToken(header: string | undefined): void {
    if (this.#tokens.length === 0) return;
    const [, given] = /^Bearer ([\x21-\x7e]{1,1024})$/i.exec(header ?? '') ?? [];
    const found = given === undefined ? undefined : this.#find(digest(given));
    if (!found) {
      const problem = given === undefined ? 'a token is needed' : 'the token is not known';
      throw new Problem('token', problem, { path: 'Authorization', fix: 'send Authorization: Bearer TOKEN' });
    }
    const wait = found.bucket.take();
    if (wait > 0) {
      const retryAfter = Math.max(1, Math.ceil(wait));
      throw new Problem('rate', 'too many requests with this token', {
        retryAfter,
        fix: `come back in ${retryAfter} s`,
      });
    }
  }

  /** Compares with every token, in a time that does not depend on which one it is, or how much of it is right. */
  #find(given: Buffer): KnownToken | undefined {
    let found: KnownToken | undefined;
    for (const token of this.#tokens) if (timingSafeEqual(token.digest, given)) found = token;
    return found;
  }
}

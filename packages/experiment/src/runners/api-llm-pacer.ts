/** When requests may start: within the limits of an account, and not while the endpoint asks to wait. */
import { InterruptedError } from '@crossgate/core';

/** The time, and waiting for it; tests bring their own. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  /** Waits. @throws InterruptedError once the signal is aborted */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        reject(new InterruptedError());
      };
      if (signal.aborted) return reject(new InterruptedError());
      const timer = setTimeout(
        () => {
          signal.removeEventListener('abort', stop);
          resolve();
        },
        // Longer waits would end at once.
        Math.min(ms, 2 ** 31 - 1),
      );
      signal.addEventListener('abort', stop, { once: true });
    }),
};

/** Most requests and tokens a minute; null: no limit. */
export interface Limits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

const MINUTE = 60_000;

/** Lets requests start evenly, so that no minute holds more than the limits. */
export class Pacer {
  private nextByRequests = 0;
  private nextByTokens = 0;
  private pausedUntil = 0;

  constructor(
    private readonly limits: Limits,
    private readonly clock: Clock,
  ) {}

  /**
   * Waits until a request may start.
   * @param tokens that it is expected to take, prompt and answer
   */
  async start(tokens: number, signal: AbortSignal): Promise<void> {
    const { requestsPerMinute, tokensPerMinute } = this.limits;
    const now = this.clock.now();
    const at = Math.max(now, this.nextByRequests, this.nextByTokens);
    // The place in the queue is taken before waiting: others come behind it.
    if (requestsPerMinute !== null) this.nextByRequests = at + MINUTE / requestsPerMinute;
    if (tokensPerMinute !== null) this.nextByTokens = at + (tokens * MINUTE) / tokensPerMinute;
    if (at > now) await this.clock.sleep(at - now, signal);
    // The endpoint may ask to wait while others wait already, and again.
    for (let rest = this.rest(); rest > 0; rest = this.rest()) await this.clock.sleep(rest, signal);
  }

  /** Counts what a request took beyond what was expected; fewer tokens make room. */
  correct(tokens: number): void {
    const { tokensPerMinute } = this.limits;
    if (tokensPerMinute !== null) this.nextByTokens += (tokens * MINUTE) / tokensPerMinute;
  }

  /** Lets nothing start for a while: the endpoint asks for it, and asks all requests of an account. */
  pause(ms: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, this.clock.now() + ms);
  }

  private rest(): number {
    return this.pausedUntil - this.clock.now();
  }
}

/** Patience with servers: what passes by itself, how long to wait for it, and when to give up. */
import { CrossgateError } from '@crossgate/core';

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

/** The transfer broke off: another attempt may go on. Any other error is final. */
export class TransferError extends Error {
  override name = 'TransferError';
}

/** The server answered, and not with the file. */
export class RefusedError extends CrossgateError {
  override name = 'RefusedError';
  /** HTTP status. */
  readonly status: number;

  constructor(url: string, { status, statusText }: Pick<Response, 'status' | 'statusText'>) {
    super(`the server says ${status} ${statusText}; the file may have moved`, { code: 'network.failed', place: url });
    this.status = status;
  }
}

/** @throws TransferError for an answer that another attempt may better. */
export function refuseTransient({ status }: Response): void {
  if (status >= 500 || status === 429 || status === 408) throw new TransferError(`the server says ${status}`);
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

/**
 * Runs one exchange with a server; a connection without a byte for too long is aborted.
 * @param exchange calls `alive` when something came, and gives `signal` to what waits
 * @throws TransferError where the network failed; the signal's reason when aborted; else what `exchange` throws
 */
export async function overNetwork<T>(
  { patience = 30_000, signal }: Patience,
  exchange: (alive: () => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stalled = new AbortController();
  const wait = () => setTimeout(() => stalled.abort(), patience);
  let timer = wait();
  const alive = () => {
    clearTimeout(timer);
    timer = wait();
  };
  try {
    return await exchange(alive, AbortSignal.any(signal ? [stalled.signal, signal] : [stalled.signal]));
  } catch (error) {
    signal?.throwIfAborted();
    if (stalled.signal.aborted) throw new TransferError(`no byte came for ${patience / 1000} s`);
    // What fetch itself throws: no route, a reset connection, a name that does not resolve.
    if (error instanceof TypeError) throw new TransferError(String((error.cause as Error)?.message ?? error.message));
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A `fetch` for small answers, such as those of an API: it reads them whole, and asks again when a connection breaks,
 * stalls, or the server says that it is busy. Other refusals are answers. Rejects with an Error that names the address.
 */
export function patientFetch(patience: Patience = {}): typeof fetch {
  return async (input, init) => {
    for (let fruitless = 1; ; fruitless++) {
      patience.signal?.throwIfAborted();
      try {
        return await overNetwork(patience, async (_, signal) => {
          const response = await fetch(input, { ...init, signal });
          refuseTransient(response);
          const { status, statusText, headers } = response;
          return new Response(await response.arrayBuffer(), { status, statusText, headers });
        });
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        if (fruitless >= (patience.attempts ?? 5)) {
          throw new CrossgateError(error.message, { code: 'network.failed', place: String(input).split('?')[0] });
        }
        await pauseFor(fruitless, patience);
      }
    }
  };
}

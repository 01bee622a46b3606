/** Of the requests of one kind only the newest counts: an older one is cancelled, and its answer never shown. */
export class Latest {
  #current: AbortController | undefined;

  /** Cancels the request before; the signal is the next one's. */
  next(): AbortSignal {
    this.cancel();
    this.#current = new AbortController();
    return this.#current.signal;
  }

  /** Cancels the request that is under way. */
  cancel(): void {
    this.#current?.abort();
  }
}

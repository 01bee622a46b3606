// Commands in their order, held back while something that they need is made ready.

/** Lets commands through at once, or holds them and everything behind them back for a while. */
export class CommandGate {
  #held: (() => void)[] | null = null;
  #opened: Promise<void> = Promise.resolve();

  /** Whether commands are held back now. */
  get isClosed(): boolean {
    return this.#held !== null;
  }

  /** Resolves when all that is held back has been carried out; rejects with the reason why it was not made ready. */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** Carries a command out, now or behind those that are held back. */
  run(command: () => void): void {
    if (this.#held) this.#held.push(command);
    else command();
  }

  /**
   * Holds back what `record` and anybody else runs until all is ready. Then all of it is carried out, in order.
   *
   * @param wait asked again and again until it gives undefined: nothing is to be waited for any more.
   * @throws what `record` throws, and the first reason that `wait` rejects with.
   */
  async hold(record: () => void, wait: () => Promise<void> | undefined): Promise<void> {
    if (this.#held) {
      record();
      return this.#opened;
    }
    this.#held = [];
    // What is read inside `record` waits for it already.
    let settle!: (opened: Promise<void>) => void;
    const opened = new Promise<void>((resolve) => {
      settle = resolve;
    });
    opened.catch(() => {}); // Whoever waits is told.
    this.#opened = opened;
    let thrown: { readonly error: unknown } | undefined;
    try {
      record();
    } catch (error) {
      thrown = { error };
    }
    settle(this.#open(wait));
    // An error of `record` explains more than what came of it.
    if (thrown) await opened.catch(() => {});
    if (thrown) throw thrown.error;
    return opened;
  }

  async #open(wait: () => Promise<void> | undefined): Promise<void> {
    const failures: unknown[] = [];
    for (let waiting = wait(); waiting; waiting = wait()) await waiting.catch((reason) => failures.push(reason));
    // Nothing may come between the last answer of `wait` and this: it would not have been waited for.
    const held = this.#held!;
    this.#held = null;
    for (const command of held) {
      try {
        command();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

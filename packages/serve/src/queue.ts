/**
 * The one queue before the model. Requests that ask the same share one call; a call that would come too late is given
 * in the order of CF; what the queue cannot hold is refused.
 *
 * Two lanes lead to the run, each with one call at a time. The full lane computes what was asked, the request with the
 * nearest deadline first. The quick lane gives what takes milliseconds: orders of CF in place of lists that would come
 * too late, and similar items.
 */
import { InputError } from '@crossgate/core';
import { isLost, Problem } from './problem';

/** How much is computed: all, or the order of CF alone. */
export type Effort = 'full' | 'cf';

/** A kind of work that requests can share. */
export interface Task<Ask, Answer> {
  /** Of metrics and of keys. */
  readonly name: string;
  /** Lane that it enters. */
  readonly lane: 'full' | 'quick';
  /** Whether CF can answer in its place. */
  readonly canDegrade: boolean;
  /** Whether a call that nobody waits for any more stops; one that does not is left to end. */
  readonly canStop: boolean;
  /** Asks with the same key share a call. */
  key(ask: Ask): string;
  /** @returns one answer an ask, in their order */
  compute(asks: readonly Ask[], effort: Effort, signal: AbortSignal): Promise<readonly Answer[]>;
}

/** What the queue reports as it happens. */
export interface QueueWatcher {
  /** A call ended: asks that shared it, and milliseconds. */
  onCall?(task: string, effort: Effort, asks: number, ms: number): void;
  /** An ask goes to CF since its deadline passed, or would pass. */
  onDegrade?(task: string): void;
}

/** When an answer is due. */
export interface AskOptions {
  /** By performance.now(): when CF answers instead. */
  readonly deadline: number;
  /** Aborted when the client has gone. */
  readonly signal?: AbortSignal | undefined;
}

/** See `Queue.ask`. */
export type AskModel = <Ask, Answer>(
  task: Task<Ask, Answer>,
  ask: Ask,
  options: AskOptions,
) => Promise<Answered<Answer>>;

/** Limits of a queue. */
export interface QueueOptions extends QueueWatcher {
  /** Asks that may wait. */
  readonly limit: number;
  /** Milliseconds that an idle lane waits for asks that share work with the first. */
  readonly batchWait: number;
  /** Milliseconds after which a call that does not end counts as a lost GPU. */
  readonly hangAfter: number;
}

/** What an ask gets. */
export interface Answered<Answer> {
  readonly value: Answer;
  /** Computed by CF alone though more was asked. */
  readonly degraded: boolean;
}

// Asks of every kind stand in one queue; their types meet again in `ask`.
type AnyTask = Task<unknown, unknown>;

interface Waiter {
  readonly task: AnyTask;
  readonly ask: unknown;
  /** By performance.now(). */
  readonly deadline: number;
  group: Group | undefined;
  degraded: boolean;
  settle(outcome: Answered<unknown> | { readonly error: unknown }): void;
}

interface Group {
  readonly key: string;
  readonly task: AnyTask;
  readonly lane: Lane;
  readonly waiters: Set<Waiter>;
  /** Set while its call runs. */
  running: AbortController | undefined;
}

interface Lane {
  readonly name: 'full' | 'quick';
  readonly effort: Effort;
  /** Groups whose call has not begun, by key. */
  readonly waiting: Map<string, Group>;
  /** The group whose call runs. */
  running: Group | undefined;
  busy: boolean;
}

/** Half-life of what is known about the time of a call, in milliseconds. */
const HALF_LIFE = 10_000;

const now = () => performance.now();
const lane = (name: Lane['name'], effort: Effort): Lane => ({
  name,
  effort,
  waiting: new Map(),
  running: undefined,
  busy: false,
});

const deadlineProblem = () =>
  new Problem('deadline', 'the deadline passed, and CF cannot answer', { fix: 'allow more: x-deadline-ms' });

/** See the file. */
export class Queue {
  readonly #options: QueueOptions;
  readonly #full = lane('full', 'full');
  readonly #quick = lane('quick', 'cf');
  /** Milliseconds that full calls took, by task, and when that was measured. */
  readonly #expected = new Map<string, { ms: number; at: number }>();
  #waiting = 0;
  /** Requests that were taken and are not answered. */
  #requests = 0;
  #stopping = false;
  #failure: Error | undefined;
  readonly #idle: (() => void)[] = [];
  #reportLost: (error: Error) => void = () => {};
  /** Resolves with the reason once the GPU is lost or a call hangs. */
  readonly lost = new Promise<Error>((resolve) => {
    this.#reportLost = resolve;
  });

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Asks whose call has not begun. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Why nothing more is taken, or undefined. */
  get closed(): 'lost' | 'stopping' | undefined {
    return this.#failure ? 'lost' : this.#stopping ? 'stopping' : undefined;
  }

  /**
   * Takes a request, which may ask several times. Once it is taken, a queue that stops refuses none of its asks.
   * @throws Problem when the queue is closed; what `work` throws
   */
  async request<T>(work: (ask: AskModel) => Promise<T>): Promise<T> {
    if (this.closed !== undefined) throw this.#refusal();
    this.#requests++;
    try {
      return await work((...asked) => this.#ask(...asked));
    } finally {
      this.#requests--;
      this.#checkIdle();
    }
  }

  /**
   * Waits for an answer.
   * @throws Problem when the queue is full or closed, or the deadline passed and CF cannot answer
   */
  ask<Ask, Answer>(task: Task<Ask, Answer>, ask: Ask, options: AskOptions): Promise<Answered<Answer>> {
    return this.request((own) => own(task, ask, options));
  }

  #ask<Ask, Answer>(task: Task<Ask, Answer>, ask: Ask, { deadline, signal }: AskOptions): Promise<Answered<Answer>> {
    if (this.#failure) return Promise.reject(this.#refusal());
    if (this.#waiting >= this.#options.limit) return Promise.reject(this.#busy());
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        task: task as unknown as AnyTask,
        ask,
        deadline,
        group: undefined,
        degraded: false,
        settle(outcome) {
          clearTimeout(timer);
          signal?.removeEventListener('abort', leave);
          if ('error' in outcome) reject(outcome.error);
          else resolve(outcome as Answered<Answer>);
        },
      };
      const leave = () => {
        this.#take(waiter);
        waiter.settle({ error: new Problem('invalid', 'the client has gone') });
        this.#checkIdle();
      };
      const timer = setTimeout(() => this.#expire(waiter), Math.max(0, deadline - now()));
      if (signal?.aborted) return leave();
      signal?.addEventListener('abort', leave, { once: true });
      this.#enter(waiter, task.lane === 'quick' ? this.#quick : this.#full);
    });
  }

  /** Takes nothing more, and waits for what was taken. */
  async drain(): Promise<void> {
    this.#stopping = true;
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Takes nothing more, and refuses what waits and what runs: the GPU is gone. */
  fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    for (const { waiting, running } of [this.#full, this.#quick]) {
      for (const group of waiting.values()) this.#refuse(group, this.#refusal());
      waiting.clear();
      if (!running) continue;
      this.#refuse(running, this.#refusal());
      running.running?.abort(error);
    }
    this.#waiting = 0;
    this.#reportLost(error);
    this.#checkIdle();
  }

  #refusal(): Problem {
    if (this.#failure) return new Problem('lost', 'the GPU was lost', { retryAfter: 10 });
    return new Problem('stopping', 'the server is stopping', { retryAfter: 5 });
  }

  #busy(): Problem {
    const ms = Math.max(...[...this.#expected.keys()].map((task) => this.#expectedMs(task)), 0);
    const retryAfter = Math.min(30, Math.max(1, Math.ceil((ms * this.#full.waiting.size) / 1000)));
    const fix = `come back in ${retryAfter} s`;
    return new Problem('busy', 'the server has more requests than it can hold', { retryAfter, fix });
  }

  #expectedMs(task: string): number {
    const known = this.#expected.get(task);
    return known ? known.ms * 0.5 ** ((now() - known.at) / HALF_LIFE) : 0;
  }

  #enter(waiter: Waiter, where: Lane): void {
    const { task } = waiter;
    const key = `${task.name} ${task.key(waiter.ask)}`;
    let group = where.waiting.get(key);
    if (!group) {
      group = { key, task, lane: where, waiters: new Set(), running: undefined };
      where.waiting.set(key, group);
    }
    group.waiters.add(waiter);
    waiter.group = group;
    this.#waiting++;
    if (!where.busy) {
      where.busy = true;
      void this.#work(where);
    }
  }

  /** Takes an ask out of its group. A call that nobody waits for any more is stopped. */
  #take(waiter: Waiter): void {
    const { group } = waiter;
    if (!group) return;
    waiter.group = undefined;
    group.waiters.delete(waiter);
    if (!group.running) this.#waiting--;
    if (group.waiters.size > 0) return;
    if (group.running) {
      if (group.task.canStop) group.running.abort(new Problem('deadline', 'nobody waits for it'));
    } else group.lane.waiting.delete(group.key);
  }

  #expire(waiter: Waiter): void {
    const { group, task } = waiter;
    // What CF gives alone takes milliseconds: it is worth waiting for.
    if (!group || waiter.degraded) return;
    if (group.lane === this.#full && task.canDegrade) {
      this.#degrade(waiter);
    } else if (!group.running) {
      this.#take(waiter);
      waiter.settle({ error: this.#busy() });
    } else if (task.canStop) {
      this.#take(waiter);
      waiter.settle({ error: deadlineProblem() });
    }
    this.#checkIdle();
  }

  #degrade(waiter: Waiter): void {
    this.#take(waiter);
    waiter.degraded = true;
    this.#options.onDegrade?.(waiter.task.name);
    this.#enter(waiter, this.#quick);
  }

  #refuse(group: Group, error: unknown): void {
    for (const waiter of group.waiters) {
      waiter.group = undefined;
      // CF alone cannot answer everything that the language model can.
      const isLate = waiter.degraded && error instanceof InputError;
      waiter.settle({ error: isLate ? deadlineProblem() : error });
    }
    group.waiters.clear();
  }

  /** The group whose first deadline is nearest. */
  #next(where: Lane): Group | undefined {
    let [best, nearest]: [Group | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
    for (const group of where.waiting.values()) {
      for (const { deadline } of group.waiters) {
        if (deadline < nearest) [best, nearest] = [group, deadline];
      }
    }
    return best;
  }

  async #work(where: Lane): Promise<void> {
    const { batchWait } = this.#options;
    if (where === this.#full) {
      // Requests of one moment are seen together in any case.
      await new Promise((resolve) => (batchWait > 0 ? setTimeout(resolve, batchWait) : setImmediate(resolve)));
    }
    for (let group = this.#next(where); group; group = this.#next(where)) {
      // A call that would end after the deadline only keeps others from being in time.
      if (where === this.#full && group.task.canDegrade) {
        const end = now() + this.#expectedMs(group.task.name);
        for (const waiter of [...group.waiters]) if (waiter.deadline < end) this.#degrade(waiter);
        if (group.waiters.size === 0) continue;
      }
      await this.#call(group);
      // What has arrived meanwhile is read, or the limit and the deadlines would not hold for it.
      if (where.waiting.size > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    where.busy = false;
    this.#checkIdle();
  }

  async #call(group: Group): Promise<void> {
    const { lane: where, task, waiters } = group;
    where.waiting.delete(group.key);
    this.#waiting -= waiters.size;
    const controller = new AbortController();
    group.running = controller;
    where.running = group;
    const asked = [...waiters];
    const began = now();
    const { hangAfter, onCall } = this.#options;
    let hang: NodeJS.Timeout | undefined;
    const hanging = new Promise<never>((_, reject) => {
      hang = setTimeout(() => reject(new HangError(hangAfter)), hangAfter);
    });
    try {
      const call = task.compute(
        asked.map(({ ask }) => ask),
        task.lane === 'quick' ? 'full' : where.effort,
        controller.signal,
      );
      const values = await Promise.race([call, hanging]);
      for (const [index, waiter] of asked.entries()) {
        // Those that are no longer of this group have been answered, or wait in the other lane.
        if (waiter.group !== group) continue;
        waiter.group = undefined;
        waiter.settle({ value: values[index], degraded: waiter.degraded });
      }
      waiters.clear();
    } catch (error) {
      if (isLost(error) || error instanceof HangError) {
        this.#refuse(group, new Problem('lost', 'the GPU was lost', { retryAfter: 10, cause: error }));
        this.fail(error as Error);
      } else this.#refuse(group, error);
    } finally {
      clearTimeout(hang);
      where.running = undefined;
      const ms = now() - began;
      if (where === this.#full) this.#learn(task.name, ms, controller.signal.aborted);
      onCall?.(task.name, where.effort, asked.length, ms);
    }
  }

  /** Keeps how long a call takes; one that was stopped takes longer than it did. */
  #learn(task: string, ms: number, stopped: boolean): void {
    const known = this.#expectedMs(task);
    const next = stopped ? Math.max(known, ms) : known === 0 ? ms : known * 0.7 + ms * 0.3;
    this.#expected.set(task, { ms: next, at: now() });
  }

  #isIdle(): boolean {
    // A call that hangs is not waited for.
    return this.#failure !== undefined || (this.#requests === 0 && !this.#full.busy && !this.#quick.busy);
  }

  #checkIdle(): void {
    if ((this.#failure || this.#stopping) && this.#isIdle()) for (const done of this.#idle.splice(0)) done();
  }
}

/** A call that does not end: the driver hangs. */
export class HangError extends Error {
  override name = 'HangError';

  constructor(ms: number) {
    super(`a call of the model did not end within ${ms / 1000} s`);
  }
}

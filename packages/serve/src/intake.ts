/** Takes new events and items: checked, kept, and only then part of the run. */
import type { ItemAttributes } from '@crossgate/data';
import type { LiveRun, NewItem } from '@crossgate/experiment';
import { Problem } from './problem';
import type { Store, StoredEvent } from './state';

/** An event as it arrives. */
export interface NewEvent extends Omit<StoredEvent, 'timestamp'> {
  readonly timestamp?: number | undefined;
}

/** What became of events. */
export interface Taken {
  readonly accepted: number;
  /** Had come before. */
  readonly duplicates: number;
}

interface Submission {
  readonly events: readonly NewEvent[];
  resolve(taken: Taken): void;
  reject(error: unknown): void;
}

/** Seconds that the clock of a sender may be ahead: what is of the future would stay the newest of a history. */
const AHEAD = 86_400;

/** Events and items on their way into the store and the run. */
export class Intake {
  readonly #run: LiveRun;
  readonly #store: Store;
  #waiting: Submission[] = [];
  #flush: Promise<void> | undefined;

  /** Events of the store that the data of the run hold themselves. */
  readonly inData: number;
  /** Items of the store with attributes that the data of the run do not have, or have in another type: these are left out. */
  readonly unfit: number;

  /**
   * Hands what was kept before to the run, but for events that its data hold: it may have been trained on them since.
   * @throws InputError where the run does not know an item of an event, or knows an item by another title
   */
  constructor(run: LiveRun, store: Store) {
    this.#run = run;
    this.#store = store;
    const { items, events } = store.load();
    const known = items.map((item) => ({ ...item, attributes: fitting(run, item.attributes) }));
    this.unfit = items.filter(({ attributes = {} }, index) => {
      return Object.keys(known[index]!.attributes).length < Object.keys(attributes).length;
    }).length;
    if (items.length > 0) run.addItems(known);
    const fresh = notIn(run, events);
    this.inData = events.length - fresh.length;
    if (fresh.length > 0) run.observe(fresh);
  }

  /**
   * Takes events. Those of one moment are written together, since waiting for the disk is what takes long.
   * @throws Problem for unknown items, and for an id that came before with other content; then none of these is taken
   */
  addEvents(events: readonly NewEvent[]): Promise<Taken> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ events, resolve, reject });
      this.#flush ??= new Promise((done) =>
        setImmediate(() => {
          this.#flush = undefined;
          this.#write();
          done();
        }),
      );
    });
  }

  /**
   * Takes items, and attributes of those that are known.
   * @param items their attributes are those of the run
   * @throws Problem for an id that has another title; then none is taken
   */
  addItems(
    items: readonly {
      readonly item: string;
      readonly title: string;
      readonly attributes?: ItemAttributes | undefined;
    }[],
  ): { added: number; known: number } {
    const taken = new Map<string, NewItem>();
    let added = 0;
    for (const [index, { item, title, attributes }] of items.entries()) {
      const before = taken.get(item)?.title ?? this.#run.item(item)?.title;
      if (before === undefined) added++;
      if (before === undefined || attributes) {
        const told = { ...taken.get(item)?.attributes, ...attributes };
        taken.set(item, { id: item, title, ...(Object.keys(told).length > 0 && { attributes: told }) });
      }
      if (before !== undefined && before !== title) {
        throw new Problem('conflict', 'this id has another title', {
          path: `items[${index}].item`,
          fix: 'give the new item an id of its own',
        });
      }
      // With it, no list that holds the item could be given.
      if (before === undefined && !this.#run.fits(title)) {
        throw new Problem('invalid', 'the title is longer than the prompts of this run can be', {
          path: `items[${index}].title`,
          fix: 'shorten it',
        });
      }
    }
    if (taken.size > 0) {
      this.#keep({ items: [...taken.values()] });
      this.#run.addItems([...taken.values()]);
    }
    return { added, known: items.length - added };
  }

  /** Waits for what is on its way and gives the store back. */
  async close(): Promise<void> {
    await this.#flush;
    await this.#store.close();
  }

  #keep(what: Parameters<Store['keep']>[0]): void {
    try {
      this.#store.keep(what);
    } catch (error) {
      throw new Problem('state', 'the state file cannot be written', { cause: error, retryAfter: 30 });
    }
  }

  #write(): void {
    const submissions = this.#waiting;
    this.#waiting = [];
    const fresh = new Map<string, StoredEvent>();
    const answers: (() => void)[] = [];
    const accepted: Submission[] = [];
    for (const submission of submissions) {
      try {
        const own = this.#check(submission.events, fresh);
        for (const event of own) fresh.set(event.id, event);
        const taken = { accepted: own.length, duplicates: submission.events.length - own.length };
        accepted.push(submission);
        answers.push(() => submission.resolve(taken));
      } catch (error) {
        submission.reject(error);
      }
    }
    try {
      const events = [...fresh.values()];
      if (events.length > 0) {
        this.#keep({ events });
        this.#run.observe(events);
      }
      for (const answer of answers) answer();
    } catch (error) {
      for (const { reject } of accepted) reject(error);
    }
  }

  /** The events of one request that have not come before. */
  #check(events: readonly NewEvent[], others: ReadonlyMap<string, StoredEvent>): StoredEvent[] {
    const own = new Map<string, StoredEvent>();
    const now = Math.floor(Date.now() / 1000);
    for (const [index, event] of events.entries()) {
      const before = own.get(event.id) ?? others.get(event.id) ?? this.#store.event(event.id);
      if (before === undefined) {
        if (this.#run.item(event.item) === undefined) {
          throw new Problem('unknown-item', 'no such item', {
            path: `events[${index}].item`,
            fix: 'add it first: POST /v1/items',
          });
        }
        if (event.timestamp !== undefined && event.timestamp > now + AHEAD) {
          throw new Problem('invalid', 'the event is more than a day ahead of the clock of the server', {
            path: `events[${index}].timestamp`,
            fix: 'send seconds since 1970, UTC',
          });
        }
        own.set(event.id, { ...event, timestamp: event.timestamp ?? now });
      } else if (!isSame(before, event)) {
        throw new Problem('conflict', 'an event with this id and other content came before', {
          path: `events[${index}].id`,
          fix: 'give every event an id of its own',
        });
      }
    }
    return [...own.values()];
  }
}

/** Those of an item's attributes that the data of the run have, in their types: a newer run may have others. */
function fitting({ attributes }: LiveRun, given: ItemAttributes = {}): ItemAttributes {
  const fits = ([name, value]: [string, unknown]) => {
    const type = typeof value === 'number' ? 'number' : 'text';
    return attributes?.some((attribute) => attribute.name === name && attribute.type === type);
  };
  return Object.fromEntries(Object.entries(given).filter(fits));
}

/** The events that are no rows of the run's data; each row stands for one event. */
function notIn(run: LiveRun, events: readonly StoredEvent[]): StoredEvent[] {
  const keyOf = (event: Pick<StoredEvent, 'item' | 'label'> & { readonly timestamp: number | null }) =>
    JSON.stringify([event.item, event.label, event.timestamp]);
  const rowsOf = new Map<string, Map<string, number>>();
  return events.filter((event) => {
    let rows = rowsOf.get(event.user);
    if (!rows) {
      rows = new Map();
      for (const row of run.user(event.user)?.events ?? []) rows.set(keyOf(row), (rows.get(keyOf(row)) ?? 0) + 1);
      rowsOf.set(event.user, rows);
    }
    const left = rows.get(keyOf(event)) ?? 0;
    if (left > 0) rows.set(keyOf(event), left - 1);
    return left === 0;
  });
}

function isSame(before: StoredEvent, { user, item, label, timestamp }: NewEvent): boolean {
  const sameTime = timestamp === undefined || timestamp === before.timestamp;
  return before.user === user && before.item === item && before.label === label && sameTime;
}

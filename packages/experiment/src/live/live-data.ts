/** What a live run knows of users and items: the run's data, and what was observed and added since. */
import { InputError } from '@crossgate/core';
import {
  type Attribute,
  type AttributeSummary,
  attributesOf,
  checkAttributes,
  Dataset,
  IdLookup,
  type Item,
  type ItemAttributes,
  itemFilter,
  type Split,
  splitNames,
  summarizeAttributes,
  type Where,
} from '@crossgate/data';
import type { LiveEvent, LiveHistory, LiveItem, NewItem } from './live-run';

/** An event by dense ids. `split` is the place in `splitNames` of a row of the run; null for what came since. */
export interface Event {
  readonly item: number;
  readonly label: 0 | 1;
  /** Seconds since 1970; 0 where the source has none. */
  readonly timestamp: number;
  readonly split: number | null;
}

/** An attribute whose items may become more, and have other values. */
interface LiveAttribute {
  readonly name: string;
  readonly type: Attribute['type'];
  readonly values: (readonly string[] | number | null)[];
}

/** Users and items beyond those of the run have the dense ids that follow. Histories are oldest first. */
export class LiveData {
  readonly #users: string[];
  readonly #items: Item[];
  readonly #userOf: Map<string, number>;
  readonly #itemOf: Map<string, number>;
  /** [users + 2] where the rows of each user of the run begin in `#rows`. */
  readonly #offsets: Int32Array;
  /** Split and row of each row, user behind user. */
  readonly #splitOf: Uint8Array;
  readonly #rowOf: Int32Array;
  readonly #added = new Map<number, Event[]>();
  readonly #merged = new Map<number, readonly Event[]>();
  /** Items that a user with events since likes. */
  readonly #likedBy = new Map<number, Set<number>>();
  readonly #liked: number[];
  readonly #attributes: LiveAttribute[] | null;
  #summaries: AttributeSummary[] | undefined;
  readonly trainUser: Uint8Array;
  readonly trainItem: Uint8Array;

  constructor(/** The data of the run. */ readonly dataset: Dataset) {
    const { users, items, attributes, userCount, itemCount, splits } = dataset;
    this.#attributes = attributes?.map(({ name, type, values }) => ({ name, type, values: [...values] })) ?? null;
    this.#users = [...users];
    this.#items = [...items];
    this.#userOf = new Map(users.map((id, user) => [id, user] as const).slice(1));
    this.#itemOf = new Map(items.map(({ id }, item) => [id, item] as const).slice(1));
    const offsets = new Int32Array(userCount + 2);
    for (const split of splitNames) for (const user of splits[split].user) offsets[user + 1]!++;
    for (let user = 0; user <= userCount; user++) offsets[user + 1]! += offsets[user]!;
    const next = offsets.slice();
    this.#splitOf = new Uint8Array(offsets.at(-1)!);
    this.#rowOf = new Int32Array(offsets.at(-1)!);
    this.trainUser = new Uint8Array(userCount + 1);
    this.trainItem = new Uint8Array(itemCount + 1);
    const liked = new Set<number>();
    this.#liked = new Array<number>(itemCount + 1).fill(0);
    for (const [index, split] of splitNames.entries()) {
      const { user, item } = splits[split];
      for (let row = 0; row < user.length; row++) {
        const place = next[user[row]!]!++;
        this.#splitOf[place] = index;
        this.#rowOf[place] = row;
        if (index > 0) continue;
        this.trainUser[user[row]!] = 1;
        this.trainItem[item[row]!] = 1;
      }
    }
    this.#offsets = offsets;
    for (let user = 1; user <= userCount; user++) {
      liked.clear();
      for (const item of dataset.positives(user)) liked.add(item);
      for (const item of liked) this.#liked[item]!++;
    }
  }

  /** Number of items, those of the run and those added. */
  get itemCount(): number {
    return this.#items.length - 1;
  }

  /** Number of users, those of the run and those that came since. */
  get userCount(): number {
    return this.#users.length - 1;
  }

  /** The id of a user by the dense one. */
  userId(user: number): string {
    return this.#users[user]!;
  }

  /** The dense id of a user, or undefined. */
  userOf(id: string): number | undefined {
    return this.#userOf.get(id);
  }

  /** The dense id of an item, or undefined. */
  itemOf(id: string): number | undefined {
    return this.#itemOf.get(id);
  }

  /** @param place for the message @throws InputError for an unknown id, with the most similar one */
  requireUser(id: string, place = 'user'): number {
    return this.#userOf.get(id) ?? this.#unknown('user', id, place);
  }

  /** @param place for the message @throws InputError for an unknown id, with the most similar one */
  requireItem(id: string, place = 'item'): number {
    return this.#itemOf.get(id) ?? this.#unknown('item', id, place);
  }

  #unknown(kind: 'user' | 'item', id: string, place: string): never {
    const ids = kind === 'user' ? this.#users : this.#items.map((item) => item.id);
    new IdLookup(kind, ids, this.dataset.name).find(id, place);
    throw new Error(`${kind} ${id} is known after all`);
  }

  /** Attributes of the items, those of added ones too; null: the run was kept by a version that knew none. */
  get attributes(): readonly Attribute[] | null {
    // Values of one attribute have its type.
    return this.#attributes as readonly Attribute[] | null;
  }

  /** The attributes that an item has, by its dense id. */
  attributesOf(item: number): ItemAttributes {
    return attributesOf(this.attributes ?? [], item);
  }

  /** What values there are; counted once for all who ask. */
  summaries(): readonly AttributeSummary[] {
    this.#summaries ??= summarizeAttributes(this.attributes ?? []);
    return this.#summaries;
  }

  /** Whether an item passes a filter. @throws InputError as `checkWhere` */
  filter(where: Where): (item: number) => boolean {
    return itemFilter(this.attributes, where);
  }

  /** How many users like an item. */
  popularity(item: number): number {
    return this.#liked[item]!;
  }

  /** An item by its dense id. */
  item(item: number): LiveItem {
    const { id, title } = this.#items[item]!;
    const known = item > this.dataset.itemCount ? 'added' : this.trainItem[item] === 1 ? 'trained' : 'untrained';
    return { id, title, known };
  }

  /** Whether an item was added after the training. */
  isAdded(item: number): boolean {
    return item > this.dataset.itemCount;
  }

  /** How a user is known, by dense id. */
  knownAs(user: number): LiveHistory['known'] {
    return user > this.dataset.userCount ? 'added' : this.trainUser[user] === 1 ? 'trained' : 'untrained';
  }

  /** How many events of this user were observed since. */
  observed(user: number): number {
    return this.#added.get(user)?.length ?? 0;
  }

  /** All that a user did, oldest first. Do not change it. */
  events(user: number): readonly Event[] {
    const known = this.#merged.get(user);
    if (known) return known;
    const events: Event[] = [];
    const { splits, userCount } = this.dataset;
    if (user <= userCount) {
      for (let place = this.#offsets[user]!; place < this.#offsets[user + 1]!; place++) {
        const split = this.#splitOf[place]!;
        const { item, label, timestamp } = splits[splitNames[split]!];
        const row = this.#rowOf[place]!;
        events.push({ item: item[row]!, label: label[row] as 0 | 1, timestamp: timestamp[row]!, split });
      }
    }
    const added = this.#added.get(user);
    // Stable: what is of one second keeps the order of splits and rows, and comes before what was observed.
    const merged = [...events, ...(added ?? [])].sort((a, b) => a.timestamp - b.timestamp);
    if (added) this.#merged.set(user, merged);
    return merged;
  }

  /** Dense ids of all that a user likes, oldest first. */
  likes(user: number): Int32Array {
    if (!this.#added.has(user)) return user <= this.dataset.userCount ? this.dataset.positives(user) : new Int32Array();
    return Int32Array.from(this.events(user).flatMap(({ item, label }) => (label === 1 ? [item] : [])));
  }

  /** @throws InputError for an unknown item, a label or a time that is none; then none is taken */
  observe(events: readonly LiveEvent[]): void {
    const items = events.map(({ item, label, timestamp }, index) => {
      const place = `event ${index + 1}`;
      if (label !== 0 && label !== 1) throw new InputError(`label is ${label}, not 0 or 1`, { code: 'input', place });
      if (!Number.isFinite(timestamp)) throw new InputError(`timestamp is ${timestamp}`, { code: 'input', place });
      return this.requireItem(item, place);
    });
    for (const [index, { user: id, label, timestamp }] of events.entries()) {
      let user = this.#userOf.get(id);
      if (user === undefined) {
        user = this.#users.push(id) - 1;
        this.#userOf.set(id, user);
      }
      const item = items[index]!;
      let liked = this.#likedBy.get(user);
      if (!liked) {
        liked = new Set(this.likes(user));
        this.#likedBy.set(user, liked);
      }
      if (label === 1 && !liked.has(item)) {
        liked.add(item);
        this.#liked[item]!++;
      }
      if (!this.#added.has(user)) this.#added.set(user, []);
      this.#added.get(user)!.push({ item, label, timestamp, split: null });
      this.#merged.delete(user);
    }
  }

  /**
   * Adds items; of those that are known already, the attributes that are given take the place of the former values.
   * @returns the items that are new, in their order
   * @throws InputError for an id with another title, and as `checkAttributes`; then none is added
   */
  addItems(items: readonly NewItem[]): readonly Item[] {
    const added = new Map<string, Item>();
    for (const { id, title, attributes = {} } of items) {
      checkAttributes(this.#attributes, attributes, `item ${id}`);
      if (id === '' || title.trim() === '')
        throw new InputError(`item ${JSON.stringify(id)} lacks an id or a title`, { code: 'input' });
      const known = this.#itemOf.get(id);
      const other = known === undefined ? added.get(id)?.title : this.#items[known]!.title;
      if (other === undefined) added.set(id, { id, title: title.trim() });
      else if (other !== title.trim()) {
        throw new InputError(`has the title ${JSON.stringify(other)} already, not ${JSON.stringify(title)}`, {
          code: 'data.other',
          place: `item ${id}`,
          fix: 'give the new item an id of its own',
        });
      }
    }
    for (const item of added.values()) {
      this.#itemOf.set(item.id, this.#items.push(item) - 1);
      this.#liked.push(0);
      for (const { type, values } of this.#attributes ?? []) values.push(type === 'text' ? [] : null);
    }
    for (const { id, attributes = {} } of items) {
      const item = this.#itemOf.get(id)!;
      for (const { name, values } of this.#attributes ?? []) {
        if (!Object.hasOwn(attributes, name)) continue;
        const value = attributes[name]!;
        // Filters count on each text being there once.
        values[item] = typeof value === 'number' ? value : [...new Set(value)];
      }
    }
    this.#summaries = undefined;
    return [...added.values()];
  }

  /** See `LiveRun.users`. */
  users({
    query = '',
    limit = Number.POSITIVE_INFINITY,
  }: {
    readonly query?: string;
    readonly limit?: number;
  }): string[] {
    const words = query.toLowerCase();
    const found: string[] = [];
    for (let user = 1; user < this.#users.length && found.length < limit; user++) {
      const id = this.#users[user]!;
      if (words === '' || id.toLowerCase().includes(words)) found.push(id);
    }
    return found;
  }

  /** See `LiveRun.items`. */
  items({
    query = '',
    limit = Number.POSITIVE_INFINITY,
  }: {
    readonly query?: string;
    readonly limit?: number;
  }): LiveItem[] {
    const words = query.toLowerCase();
    const found: LiveItem[] = [];
    for (let item = 1; item < this.#items.length && found.length < limit; item++) {
      const { id, title } = this.#items[item]!;
      if (`${id}\n${title}`.toLowerCase().includes(words)) found.push(this.item(item));
    }
    return found;
  }

  /**
   * A data set of one user, dense id 1, with events of the run's items alone: a CF model makes its history of it as it
   * makes histories of the run's data. What came after the training is in test.
   */
  alone(events: readonly Event[]): Dataset {
    const { dataset } = this;
    const known = events.filter(({ item }) => item <= dataset.itemCount);
    const likes = known.filter(({ label }) => label === 1);
    const splitOf = ({ split }: Event) => split ?? 2;
    const splits = splitNames.map((_, index): Split => {
      const rows = known.filter((event) => splitOf(event) === index);
      return {
        rows: rows.length,
        user: new Int32Array(rows.length).fill(1),
        item: Int32Array.from(rows, ({ item }) => item),
        label: Uint8Array.from(rows, ({ label }) => label),
        timestamp: Float64Array.from(rows, ({ timestamp }) => timestamp),
        seen: new Uint8Array(rows.length),
        historyLength: new Int32Array(rows.length),
      };
    }) as [Split, Split, Split];
    return new Dataset({
      ...{ name: dataset.name, hash: '', recipe: dataset.recipe, warnings: [], users: ['', ''], items: dataset.items },
      splits: { train: splits[0], valid: splits[1], test: splits[2] },
      positiveOffset: Int32Array.of(0, 0, likes.length),
      positiveItem: Int32Array.from(likes, ({ item }) => item),
    });
  }
}

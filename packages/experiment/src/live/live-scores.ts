/** The answers of a live run: CF ranks on the host, the language model scores what CF picked. */
import { findCfDefinition, readVectors } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { AttributeSummary, AttributeType, ItemAttributes } from '@crossgate/data';
import { ItemCosines, type ItemTable, readItemTable } from '../item-cosines';
import type { CfView, LiveCf, Someone } from './live-cf';
import type { Event, LiveData } from './live-data';
import type { LiveLlm, Reader } from './live-llm';
import {
  type Basis,
  HANDED_ON,
  type LiveEvent,
  type LiveExplainOptions,
  type LiveHistory,
  type LiveItem,
  type LiveList,
  type LiveListOptions,
  type LiveQuery,
  type LiveRun,
  type LiveScores,
  type NewItem,
  type Person,
} from './live-run';
import { topPositions } from './top';

/** What an open run works with. */
export interface LiveParts {
  readonly path: string;
  readonly method: string;
  readonly model: string;
  readonly adapter: string;
  readonly data: LiveData;
  readonly cfs: readonly LiveCf[];
  readonly llm: LiveLlm | null;
  /** Runs work on the device when nothing else uses it. */
  readonly gpu: <T>(work: () => Promise<T>) => Promise<T>;
  readonly release: () => void;
  /** Of the session. */
  readonly signal: AbortSignal;
}

type Effort = LiveListOptions['effort'];
type ScoreOptions = Pick<LiveListOptions, 'effort' | 'onProgress' | 'signal'>;

/** Most items of a history that {@link LiveRun.explain} takes out where CF reads any number of them. */
const EXPLAINED = 200;

/** See {@link LiveRun}. */
export class OpenLiveRun implements LiveRun {
  readonly path: string;
  readonly method: string;
  readonly model: string;
  readonly adapter: string;
  readonly parts: LiveRun['parts'];
  readonly #parts: LiveParts;
  /** Of the first question on: most runs are never asked. */
  #cosines: Promise<ItemCosines> | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.path = parts.path;
    this.method = parts.method;
    this.model = parts.model;
    this.adapter = parts.adapter;
    this.parts = { cf: parts.cfs.length > 0, llm: parts.llm !== null };
  }

  get attributes(): readonly AttributeType[] | null {
    return this.#parts.data.attributes;
  }

  attributeValues(): readonly AttributeSummary[] {
    return this.#parts.data.summaries();
  }

  attributesOf(id: string): ItemAttributes {
    const { data } = this.#parts;
    return data.attributesOf(data.requireItem(id));
  }

  user(id: string): LiveHistory | undefined {
    const { data } = this.#parts;
    const user = data.userOf(id);
    if (user === undefined) return undefined;
    const events = data.events(user).map(({ item, label, timestamp }) => {
      return { item: data.item(item).id, label, timestamp: timestamp === 0 ? null : timestamp };
    });
    return { known: data.knownAs(user), events };
  }

  item(id: string): LiveItem | undefined {
    const { data } = this.#parts;
    const item = data.itemOf(id);
    return item === undefined ? undefined : data.item(item);
  }

  users(options: LiveQuery = {}): string[] {
    return this.#parts.data.users(options);
  }

  items(options: LiveQuery = {}): LiveItem[] {
    return this.#parts.data.items(options);
  }

  observe(events: readonly LiveEvent[]): void {
    const { data, cfs } = this.#parts;
    data.observe(events);
    for (const { user } of events) for (const cf of cfs) cf.forget(data.userOf(user)!);
  }

  addItems(items: readonly NewItem[]): void {
    for (const { title } of this.#parts.data.addItems(items)) this.#parts.llm?.addItem(title);
  }

  fits(title: string): boolean {
    return this.#parts.llm?.fits(title) ?? true;
  }

  async recommend(person: Person, options: LiveListOptions = {}): Promise<LiveList> {
    const { data, cfs, llm } = this.#parts;
    const { top = 10, candidates = HANDED_ON, effort } = options;
    this.#check(effort, { top, candidates });
    const reader = await this.#reader(person);
    const asksLlm = llm !== null && effort !== 'cf';
    const basis = asksLlm ? this.#basisOfLlm(reader) : basisOf(reader.views);
    // Few enough for the language model, nobody has to rank them.
    const open = this.#candidates(reader, options);
    const isPicked = cfs.length > 0 && options.among === undefined && (!asksLlm || open.length > candidates);
    const allowed = isPicked ? open.filter((item) => this.#isRanked(item)) : open;
    if (basis === 'popularity') {
      // Unless they are asked for, items that nobody likes are not popular.
      const isAsked = options.among !== undefined || options.titleContains !== undefined;
      const items = allowed.filter((item) => isAsked || data.popularity(item) > 0);
      const best = topPositions(
        Float64Array.from(items, (item) => data.popularity(item)),
        top,
      );
      return { basis, items: best.map((at) => this.#popular(items[at]!)) };
    }
    if (!asksLlm) {
      const logits = this.#cfLogits(reader.views, allowed);
      return {
        basis,
        items: topPositions(logits, top).map((at) => this.#byCf(reader.views, allowed[at]!, logits[at]!)),
      };
    }
    // Where CF can rank fewer than that, as behind a filter, the others fill up: the language model knows their titles.
    const picked = cfs.length > 0 && open.length > candidates ? this.#picked(reader, open, candidates) : open;
    if (picked.length === 0) return { basis, items: [] };
    const logits = await this.#llmLogits(reader, picked, options);
    const best = topPositions(logits, top);
    return { basis, items: best.map((at) => this.#byLlm(reader.views, picked[at]!, logits[at]!)) };
  }

  async score(person: Person, ids: readonly string[], options: ScoreOptions = {}) {
    const { data, llm, cfs } = this.#parts;
    this.#check(options.effort);
    const reader = await this.#reader(person);
    const items = Int32Array.from(ids, (id) => data.requireItem(id));
    const asksLlm = llm !== null && options.effort !== 'cf';
    const basis = asksLlm ? this.#basisOfLlm(reader) : basisOf(reader.views);
    const added = asksLlm ? -1 : items.findIndex((item) => data.isAdded(item));
    if (added >= 0) {
      throw new InputError(`came after the training, and ${cfs[0]!.model.name} knows items by their train rows alone`, {
        code: 'run.not-held',
        place: `item ${ids[added]}`,
      });
    }
    if (basis === 'popularity') return { basis, scores: Array.from(items, (item) => this.#popular(item)) };
    if (items.length === 0) return { basis, scores: [] };
    if (!asksLlm) {
      const logits = this.#cfLogits(reader.views, items);
      return { basis, scores: Array.from(items, (item, at) => this.#byCf(reader.views, item, logits[at]!)) };
    }
    const logits = await this.#llmLogits(reader, items, options);
    return { basis, scores: Array.from(items, (item, at) => this.#byLlm(reader.views, item, logits[at]!)) };
  }

  async explain(
    person: Person,
    ids: readonly string[],
    { most = 3, signal }: LiveExplainOptions = {},
  ): Promise<readonly (readonly { readonly item: string; readonly change: number }[])[]> {
    const { data, llm, cfs } = this.#parts;
    const items = Int32Array.from(ids, (id) => data.requireItem(id));
    const reader = await this.#reader(person);
    const scoresOf = async (of: Reader) => {
      if (llm) return (await this.#llmLogits(of, items, { ...(signal && { signal }) })).map(logistic);
      return basisOf(of.views) === 'popularity'
        ? new Float64Array(items.length)
        : this.#cfLogits(of.views, items).map(logistic);
    };
    const without = async (item: number): Promise<Reader> => {
      const events = reader.events.filter((event) => event.item !== item);
      return { user: reader.user, events, likes: likesOf(events), views: await this.#viewsWithout(reader, events) };
    };
    // A vector that was learned does not depend on the history: what is explained is the vector solved for in its place.
    const base = llm ? reader : { ...reader, views: await this.#viewsWithout(reader, reader.events) };
    const before = await scoresOf(base);
    const changes: { item: string; change: ArrayLike<number> }[] = [];
    for (const item of this.#readItems(reader, llm, cfs)) {
      // CF alone never waits for a device: others have their turn, and the signal is heard.
      await nextTurn();
      signal?.throwIfAborted();
      const after = await scoresOf(await without(item));
      changes.push({ item: data.item(item).id, change: Float64Array.from(before, (value, at) => value - after[at]!) });
    }
    return Array.from(items, (_, at) => {
      const own = changes.map(({ item, change }) => ({ item, change: change[at]! }));
      return own.sort((a, b) => Math.abs(b.change) - Math.abs(a.change)).slice(0, most);
    });
  }

  async similar(id: string, top = 10): Promise<readonly { readonly item: string; readonly score: number }[]> {
    const { data, cfs, gpu, llm } = this.#parts;
    this.#check('cf', { top });
    const item = data.requireItem(id);
    this.#cosines ??= gpu(() => readCosines(cfs, llm));
    const cosines = await this.#cosines;
    if (!cosines.has(item)) {
      throw new InputError('has no train rows, so CF has no vector of it', {
        code: 'run.not-held',
        place: `item ${id}`,
      });
    }
    return cosines.nearest(item, top).map(({ item: near, score }) => ({ item: data.item(near).id, score }));
  }

  close(): Promise<void> {
    this.#closed ??= this.#parts.gpu(async () => this.#parts.release());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @throws InputError for an effort that the run has not, and for numbers below 1 */
  #check(effort: Effort, numbers: Readonly<Record<string, number>> = {}): void {
    if (this.#closed) throw new InputError('the run is closed', { code: 'input' });
    for (const [name, value] of Object.entries(numbers)) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new InputError(`${name} is ${value}, not a whole number from 1`, { code: 'input' });
    }
    if (effort !== 'cf' || this.parts.cf) return;
    throw new InputError(`a run of ${this.method} has no CF model`, { code: 'run.not-held', place: 'effort' });
  }

  async #reader(person: Person): Promise<Reader> {
    const { data, cfs } = this.#parts;
    let someone: Someone & { readonly likes: Int32Array };
    if ('user' in person) {
      const user = data.requireUser(person.user);
      someone = { user, events: data.events(user), likes: data.likes(user) };
    } else {
      const event = (label: 0 | 1) => (id: string) => ({ item: data.requireItem(id, 'history'), label, split: null });
      const untimed = [...(person.dislikes ?? []).map(event(0)), ...person.history.map(event(1))];
      const events = untimed.map((each, at): Event => ({ ...each, timestamp: at + 1 }));
      someone = { user: null, events, likes: likesOf(events) };
    }
    return { ...someone, views: await Promise.all(cfs.map((cf) => cf.view(someone))) };
  }

  /** Views of the same person by other events; a vector that was learned stays where a language model reads it. */
  #viewsWithout(reader: Reader, events: readonly Event[]): Promise<(CfView | null)[]> {
    const { cfs, llm } = this.#parts;
    return Promise.all(
      cfs.map(async (cf, index) => {
        const own = reader.views[index] ?? null;
        if (own?.basis !== 'user') return cf.view({ user: null, events });
        return llm ? own : cf.fold(events);
      }),
    );
  }

  /** Items of the history that the run reads, those that came last first. */
  #readItems(reader: Reader, llm: LiveLlm | null, cfs: readonly LiveCf[]): Set<number> {
    const items = new Set<number>();
    if (llm)
      for (const item of reader.likes.slice(reader.likes.length - Math.min(llm.historyLength, reader.likes.length)))
        items.add(item);
    const readsCf = llm === null || llm.reads.cf;
    for (const [index, { model }] of readsCf ? cfs.entries() : []) {
      if (llm && reader.views[index]?.basis === 'user') continue;
      const most = Math.min(model.historyLength || EXPLAINED, EXPLAINED);
      for (const { item } of reader.events.slice(-most)) items.add(item);
    }
    return items;
  }

  #basisOfLlm({ likes, views }: Reader): Basis {
    const { reads } = this.#parts.llm!;
    const byCf = reads.cf ? basisOf(views) : 'popularity';
    if (byCf !== 'popularity') return byCf;
    return reads.history && likes.length > 0 ? 'history' : 'popularity';
  }

  /** Dense ids of the items to choose from, ascending unless they are given. */
  #candidates(
    { events }: Reader,
    { among, exclude = [], where = {}, titleContains, repeats = 'exclude' }: LiveListOptions,
  ): Int32Array {
    const { data } = this.#parts;
    const meets = data.filter(where);
    const words = titleContains?.toLowerCase();
    const passes = (item: number) =>
      meets(item) && (words === undefined || data.item(item).title.toLowerCase().includes(words));
    const out = new Set(exclude.map((id) => data.requireItem(id, 'exclude')));
    if (among) {
      const items = new Set(among.map((id) => data.requireItem(id, 'among')));
      return Int32Array.from(items).filter((item) => !out.has(item) && passes(item));
    }
    if (repeats === 'exclude') for (const { item } of events) out.add(item);
    const items = new Int32Array(data.itemCount);
    let count = 0;
    for (let item = 1; item <= data.itemCount; item++) if (!out.has(item) && passes(item)) items[count++] = item;
    return items.subarray(0, count);
  }

  /** Whether CF has a vector of an item. */
  #isRanked(item: number): boolean {
    for (const cf of this.#parts.cfs) if (!cf.knowsItem(item)) return false;
    return true;
  }

  /** The candidates that CF ranks first; of somebody it knows nothing of, the popular ones. */
  #picked({ views }: Reader, items: Int32Array, count: number): Int32Array {
    const { data } = this.#parts;
    const known = basisOf(views) !== 'popularity';
    const logits = known ? this.#cfLogits(views, items) : Float64Array.from(items, (item) => data.popularity(item));
    // CF cannot rank items without train rows: they come last.
    const ranks = logits.map((logit, at) => (this.#isRanked(items[at]!) ? logit : -Number.MAX_VALUE));
    return Int32Array.from(topPositions(ranks, count), (at) => items[at]!);
  }

  /** The mean logit of the models that know the person. */
  #cfLogits(views: readonly (CfView | null)[], items: ArrayLike<number>): Float64Array {
    const { cfs } = this.#parts;
    const known = views.flatMap((view, index) => (view ? [cfs[index]!.logits(view, items)] : []));
    const [first, ...others] = known as [Float64Array, ...Float64Array[]];
    if (others.length === 0) return first;
    return first.map((logit, at) => others.reduce((sum, logits) => sum + logits[at]!, logit) / known.length);
  }

  #llmLogits(reader: Reader, items: Int32Array, { signal, onProgress }: ScoreOptions): Promise<Float64Array> {
    const { cfs, data, gpu, llm, signal: session } = this.#parts;
    return gpu(async () => {
      session.throwIfAborted();
      signal?.throwIfAborted();
      // AbortSignal.any would leave something behind in the session's signal with every call (Node 20).
      const either = new AbortController();
      const stop = () => either.abort(session.aborted ? session.reason : signal!.reason);
      for (const each of [session, signal]) each?.addEventListener('abort', stop);
      try {
        const options = { signal: either.signal, ...(onProgress && { onProgress }) };
        return Float64Array.from(await llm!.logits(reader, items, cfs, data, options));
      } finally {
        for (const each of [session, signal]) each?.removeEventListener('abort', stop);
      }
    });
  }

  #popular(item: number): LiveScores {
    const { data } = this.#parts;
    return { item: data.item(item).id, score: data.popularity(item), cf: null, llm: null };
  }

  #byCf(views: readonly (CfView | null)[], item: number, logit: number): LiveScores {
    const score = logistic(logit);
    return { item: this.#parts.data.item(item).id, score, cf: this.#cfScore(views, item), llm: null };
  }

  #byLlm(views: readonly (CfView | null)[], item: number, logit: number): LiveScores {
    const score = logistic(logit);
    return { item: this.#parts.data.item(item).id, score, cf: this.#cfScore(views, item), llm: score };
  }

  /** Null where no CF model knows the person, or none knows the item. */
  #cfScore(views: readonly (CfView | null)[], item: number): number | null {
    const isKnown = views.some((view) => view) && this.#parts.cfs.some((cf) => cf.knowsItem(item));
    return isKnown ? logistic(this.#cfLogits(views, [item])[0]!) : null;
  }
}

const nextTurn = () => new Promise<void>((resolve) => setTimeout(resolve));

/** Vectors of items on the host, as `openVectors` gives them. */
async function readCosines(cfs: readonly LiveCf[], llm: LiveLlm | null): Promise<ItemCosines> {
  const tables: ItemTable[] = [];
  for (const [index, { model }] of cfs.entries()) {
    const backend = llm?.backends[index] ?? model;
    const ids = [...backend.itemSeen.keys()].filter((item) => backend.itemSeen[item] === 1);
    const { levelColumns = 0 } = findCfDefinition(model.name);
    tables.push(await readItemTable(ids, backend.cfDim, levelColumns, readVectors(backend, 'item', ids)));
  }
  return new ItemCosines(tables);
}

const logistic = (logit: number) => 1 / (1 + Math.exp(-logit));

const likesOf = (events: readonly Event[]) =>
  Int32Array.from(events.flatMap(({ item, label }) => (label === 1 ? [item] : [])));

/** What CF goes by: what was learned of the user before what was solved for, and this before the history. */
function basisOf(views: readonly (CfView | null)[]): Basis {
  const found = new Set(views.map((view) => view?.basis));
  return (['user', 'folded-in', 'history'] as const).find((basis) => found.has(basis)) ?? 'popularity';
}

/** A run without a model: its scores are made up, its times are told, and it counts what it is asked. */
import { CrossgateError, InputError } from '@crossgate/core';
import {
  type Attribute,
  attributesOf,
  checkAttributes,
  itemFilter,
  summarizeAttributes,
  type Where,
} from '@crossgate/data';
import type { LiveEvent, LiveItem, LiveRun, LiveScores, Person } from '@crossgate/experiment';

/** What a fake run is told. */
export interface FakeOptions {
  readonly parts?: { readonly cf: boolean; readonly llm: boolean };
  /** Milliseconds of a list with the language model. Default: 0. */
  readonly llmMs?: number;
  /** Milliseconds of a list by CF. Default: 0. */
  readonly cfMs?: number;
  readonly users?: number;
  readonly items?: number;
  /** null: as a run of an earlier version. Default: genres and a price. */
  readonly attributes?: null;
}

/** A call that a fake run was asked for. */
export interface FakeCall {
  readonly name: string;
  readonly person?: Person;
  readonly effort?: string;
  readonly top?: number;
  readonly items?: readonly string[];
  readonly where?: Where;
  readonly among?: readonly string[] | undefined;
  /** Set when the call was stopped. */
  stopped?: boolean;
}

/** A run that counts. */
export interface FakeRun extends LiveRun {
  readonly calls: FakeCall[];
  /** Called at the begin of every call of the model; throws or waits as a test wants. */
  before: (call: FakeCall) => void | Promise<void>;
}

/** What a lost device throws. */
export const lostError = () => new CrossgateError('the GPU was lost: driver reset', { code: 'gpu.lost' });

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', stop);
      resolve();
    }
    function stop() {
      clearTimeout(timer);
      reject(signal!.reason);
    }
    signal?.addEventListener('abort', stop);
  });
}

/** A number from 0 to 1 that a text always has. */
function scoreOf(text: string): number {
  let hash = 2166136261;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619) >>> 0;
  return hash / 2 ** 32;
}

/** Makes one: users `u1` … , items `i1` … with titles `Title 1` …; `u1` likes `i1`, dislikes `i2`, and so on. */
export function fakeRun(options: FakeOptions = {}): FakeRun {
  const { parts = { cf: true, llm: true }, llmMs = 0, cfMs = 0, users: userCount = 5, items: itemCount = 20 } = options;
  const items = new Map<string, LiveItem>();
  for (let i = 1; i <= itemCount; i++) {
    items.set(`i${i}`, { id: `i${i}`, title: `Title ${i}`, known: i === itemCount ? 'untrained' : 'trained' });
  }
  // Odd and even numbers are genres, and so are multiples of three; i1 has no price.
  const numbers = Array.from({ length: itemCount + 1 }, (_, i) => i);
  const genres = numbers.map((i) => (i === 0 ? [] : [i % 2 ? 'Odd' : 'Even', ...(i % 3 ? [] : ['Three'])]));
  const prices = numbers.map((i) => (i < 2 ? null : i));
  const ids = ['', ...items.keys()];
  const attributes: readonly Attribute[] | null =
    options.attributes === null
      ? null
      : [
          { name: 'genres', type: 'text', values: genres },
          { name: 'price', type: 'number', values: prices },
        ];
  const events = new Map<string, { item: string; label: 0 | 1; timestamp: number | null }[]>();
  for (let u = 1; u <= userCount; u++) {
    events.set(`u${u}`, [
      { item: `i${u}`, label: 1, timestamp: 100 },
      { item: `i${u + 1}`, label: 0, timestamp: 200 },
    ]);
  }
  const trained = new Set(events.keys());
  let queue: Promise<unknown> = Promise.resolve();
  const calls: FakeCall[] = [];

  const known = (person: Person): string[] =>
    'user' in person
      ? (events.get(person.user) ?? []).map(({ item }) => item)
      : [...person.history, ...(person.dislikes ?? [])];
  const likes = (person: Person): string[] =>
    'user' in person
      ? (events.get(person.user) ?? []).filter(({ label }) => label === 1).map(({ item }) => item)
      : [...person.history];
  const scores = (person: Person, item: string, effort: string): LiveScores => {
    const cf = parts.cf ? scoreOf(`cf ${JSON.stringify(likes(person))} ${item}`) : null;
    const llm = parts.llm && effort === 'full' ? scoreOf(`llm ${JSON.stringify(likes(person))} ${item}`) : null;
    return { item, score: llm ?? cf ?? 0, cf, llm };
  };
  const check = (person: Person, ids: readonly string[]) => {
    if ('user' in person && !events.has(person.user)) {
      throw new InputError(`unknown user ${person.user}`, { code: 'data.unknown-id' });
    }
    for (const id of ids) if (!items.has(id)) throw new InputError(`unknown item ${id}`, { code: 'data.unknown-id' });
  };
  /** One call at a time, in order, as the real run. */
  function call<T>(what: FakeCall, ms: number, signal: AbortSignal | undefined, compute: () => T): Promise<T> {
    const run = async () => {
      calls.push(what);
      await fake.before(what);
      try {
        if (ms > 0) await sleep(ms, signal);
        signal?.throwIfAborted();
      } catch (error) {
        what.stopped = true;
        throw error;
      }
      return compute();
    };
    const result = queue.then(run, run);
    queue = result.catch(() => {});
    return result;
  }

  const fake: FakeRun = {
    calls,
    before() {},
    path: '/srv/secret/runs/fake',
    method: 'fake',
    model: '0123456789ab',
    adapter: 'none',
    parts,
    attributes,
    attributeValues: () => summarizeAttributes(attributes ?? []),
    attributesOf: (id) => attributesOf(attributes ?? [], ids.indexOf(id)),
    user(id) {
      const own = events.get(id);
      return own && { known: trained.has(id) ? 'trained' : 'added', events: own };
    },
    item: (id) => items.get(id),
    users: ({ query = '', limit = 50 } = {}) =>
      [...events.keys()].filter((id) => id.toLowerCase().includes(query.toLowerCase())).slice(0, limit),
    items: ({ query = '', limit = 50 } = {}) => {
      const text = query.toLowerCase();
      const fits = ({ id, title }: LiveItem) => id.toLowerCase().includes(text) || title.toLowerCase().includes(text);
      return [...items.values()].filter(fits).slice(0, limit);
    },
    observe(added: readonly LiveEvent[]) {
      check(
        { history: [] },
        added.map(({ item }) => item),
      );
      for (const { user, item, label, timestamp } of added) {
        const own = events.get(user) ?? [];
        own.push({ item, label, timestamp });
        own.sort((a, b) => (a.timestamp ?? 0) - (b.timestamp ?? 0));
        events.set(user, own);
      }
    },
    addItems(added) {
      for (const { id, title, attributes: given = {} } of added) {
        checkAttributes(attributes, given, id);
        if ((items.get(id)?.title ?? title) !== title) throw new InputError('another title', { code: 'data.other' });
        if (!items.has(id)) {
          items.set(id, { id, title, known: 'added' });
          ids.push(id);
        }
        const own = given as { readonly genres?: string[]; readonly price?: number };
        genres[ids.indexOf(id)] = own.genres ?? genres[ids.indexOf(id)] ?? [];
        prices[ids.indexOf(id)] = own.price ?? prices[ids.indexOf(id)] ?? null;
      }
    },
    fits: (title) => title.length <= 200,
    recommend(
      person,
      {
        top = 10,
        among,
        exclude = [],
        repeats = 'exclude',
        where = {},
        titleContains = '',
        effort = 'full',
        signal,
      } = {},
    ) {
      const ms = effort === 'full' && parts.llm ? llmMs : cfMs;
      return call({ name: 'recommend', person, effort, top, where, among }, ms, signal, () => {
        check(person, [...(among ?? []), ...exclude]);
        const not = new Set([...exclude, ...(among || repeats === 'allow' ? [] : known(person))]);
        const from = among ?? [...items.values()].filter(({ known }) => known === 'trained').map(({ id }) => id);
        const passes = itemFilter(attributes, where);
        const hasText = (id: string) => items.get(id)!.title.toLowerCase().includes(titleContains.toLowerCase());
        const left = from.filter((id) => !not.has(id) && passes(ids.indexOf(id)) && hasText(id));
        const found = left.map((id) => scores(person, id, effort));
        found.sort((a, b) => b.score - a.score);
        return { items: found.slice(0, top), basis: 'user' in person ? 'user' : 'history' };
      });
    },
    score(person, ids, { effort = 'full', signal } = {}) {
      const ms = effort === 'full' && parts.llm ? llmMs : cfMs;
      return call({ name: 'score', person, effort, items: ids }, ms, signal, () => {
        check(person, ids);
        return { basis: 'user', scores: ids.map((id) => scores(person, id, effort)) };
      });
    },
    explain(person, ids, { most = 3, signal } = {}) {
      return call({ name: 'explain', person, items: ids }, llmMs, signal, () =>
        ids.map((id) =>
          likes(person)
            .slice(0, most)
            .map((item) => ({ item, change: scoreOf(`${id} ${item}`) })),
        ),
      );
    },
    similar(item, top = 10) {
      return call({ name: 'similar', items: [item], top }, cfMs, undefined, () => {
        if (!parts.cf) throw new InputError('the run in /srv/secret/runs/fake has no CF', { code: 'run.not-held' });
        return [...items.keys()]
          .filter((id) => id !== item)
          .slice(0, top)
          .map((id, rank) => ({ item: id, score: 1 - rank / 100 }));
      });
    },
    async close() {},
    async [Symbol.asyncDispose]() {},
  };
  return fake;
}

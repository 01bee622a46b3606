/** What the endpoints under `/v1` do. */
import { InputError } from '@crossgate/core';
import { checkAttributes, checkWhere, orderedWhere } from '@crossgate/data';
import type { LiveItem, LiveRun, LiveScores, Person } from '@crossgate/experiment';
import type { z } from 'zod';
import type { EndpointName } from './endpoints';
import type { Intake, NewEvent, Taken } from './intake';
import { Problem } from './problem';
import type { Answered, Queue } from './queue';
import type { Input } from './request';
import type * as schemas from './schemas';
import { type Reasons, tasksOf } from './tasks';

/** What handlers work with. */
export interface Room {
  readonly run: LiveRun;
  readonly queue: Queue;
  readonly intake: Intake;
  /** Candidates of a request that names no number. */
  readonly candidates: number;
  /** Told of events that were taken. */
  onEvents(taken: Taken): void;
}

/** What a handler gets besides the input. */
export interface Timing {
  /** By performance.now(). */
  readonly deadline: number;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal | undefined;
}

/** Answers one endpoint; `took` and `model` are added to what it gives. */
export type Handler = (input: Input, timing: Timing) => object | Promise<object>;

/** Endpoints that are answered here. */
export type HandlerName = Exclude<EndpointName, 'health' | 'ready' | 'metrics' | 'openapi'>;

/** The handlers of a run. */
export function handlersOf({ run, queue, intake, candidates, onEvents }: Room): Record<HandlerName, Handler> {
  const tasks = tasksOf(run);
  const title = (id: string) => run.item(id)?.title ?? '';
  const mustBeOpen = () => {
    if (queue.closed) throw new Problem(queue.closed, 'nothing more is taken', { retryAfter: 10 });
  };

  return {
    recommend: ({ body }, timing) =>
      queue.request(async (ask) => {
        const asked = body as z.output<typeof schemas.recommendBody>;
        const person = personOf(run, asked);
        const among = amongOf(run, asked);
        withPath(() => checkWhere(run.attributes, asked.where));
        const { value: list, degraded } = await ask(
          tasks.list,
          {
            ...{ person, among, top: asked.top, candidates: asked.candidates ?? candidates, repeats: asked.repeats },
            // What nobody knows cannot be in a list.
            exclude: [...new Set(asked.exclude)].filter((id) => run.item(id) !== undefined).sort(),
            where: orderedWhere(asked.where),
            titleContains: asked.titleContains?.toLowerCase(),
          },
          timing,
        );
        const ids = list.items.map(({ item }) => item);
        const canExplain = asked.explain && !degraded && ids.length > 0 && list.basis !== 'popularity';
        const reasons = canExplain
          ? await reasonsOf(() => ask(tasks.explain, { person, items: ids }, timing))
          : undefined;
        return {
          items: list.items.map((scores, index) => ({
            ...{ item: scores.item, title: title(scores.item), score: scores.score },
            ...parts(scores),
            ...(reasons && { reasons: reasons[index]!.map((one) => ({ ...one, title: title(one.item) })) }),
          })),
          basis: list.basis,
          ...((degraded || (canExplain && !reasons)) && { degraded: true }),
        };
      }),

    score: ({ body }, timing) =>
      queue.request(async (ask) => {
        const { pairs } = body as z.output<typeof schemas.scoreBody>;
        const byUser = new Map<string, string[]>();
        for (const [index, { user, item }] of pairs.entries()) {
          if (run.user(user) === undefined) throw unknownUser(`pairs[${index}].user`);
          requireItem(run, item, `pairs[${index}].item`);
          const items = byUser.get(user) ?? [];
          byUser.set(user, [...items, item]);
        }
        const users = [...byUser];
        const answers = await someAtATime(users, timing.signal, ([user, items], signal) =>
          ask(tasks.score, { person: { user }, items: [...new Set(items)] }, { ...timing, signal }),
        );
        const found = new Map(
          users.map(([user], at) => {
            const { value } = answers[at]!;
            return [user, { basis: value.basis, scores: new Map(value.scores.map((one) => [one.item, one])) }] as const;
          }),
        );
        return {
          scores: pairs.map(({ user, item }) => {
            const { basis, scores } = found.get(user)!;
            const one = scores.get(item)!;
            return { user, item, score: one.score, ...parts(one), basis };
          }),
          ...(answers.some(({ degraded }) => degraded) && { degraded: true }),
        };
      }),

    async similar({ params, query }, timing) {
      const { item } = params as z.output<typeof schemas.itemParams>;
      const { top } = query as z.output<typeof schemas.similarQuery>;
      requireItem(run, item, 'item');
      const { value } = await queue.ask(tasks.similar, { item, top }, timing);
      return { item, items: value.map((one) => ({ item: one.item, title: title(one.item), score: one.score })) };
    },

    addItems({ body }) {
      mustBeOpen();
      const { items } = body as z.output<typeof schemas.itemsBody>;
      for (const [index, { attributes = {} }] of items.entries()) {
        withPath(() => checkAttributes(run.attributes, attributes, `items[${index}].attributes`));
      }
      return { ...intake.addItems(items), ranked: run.parts.llm };
    },

    async addEvents({ body }) {
      mustBeOpen();
      const { events } = body as { readonly events: readonly NewEvent[] };
      const taken = await intake.addEvents(events);
      onEvents(taken);
      return taken;
    },

    users({ query }) {
      return { users: run.users(searchOf(query)) };
    },

    user({ params }) {
      const { id } = params as z.output<typeof schemas.userParams>;
      const history = run.user(id);
      if (history === undefined) throw unknownUser('id');
      const events = history.events.map((event) => ({ ...event, title: title(event.item) }));
      return { user: id, known: history.known, events };
    },

    items({ query }) {
      return {
        items: run.items(searchOf(query)).map((each) => itemOf(run, each)),
      };
    },

    item({ params }) {
      const { item } = params as z.output<typeof schemas.itemParams>;
      return itemOf(run, requireItem(run, item, 'item'));
    },

    attributes({ query }) {
      const { limit } = query as z.output<typeof schemas.attributesQuery>;
      return {
        attributes: run.attributeValues().map((each) => {
          return each.type === 'text' ? { ...each, values: each.values.slice(0, limit) } : each;
        }),
      };
    },
  };
}

/** An item as answers show it. */
function itemOf(run: LiveRun, { id, title, known }: LiveItem) {
  return { item: id, title, known, attributes: run.attributesOf(id) };
}

/** What does not fit the attributes of the run, as a refusal with its place. @throws Problem */
function withPath(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { place, fix, statement } = error;
    throw new Problem('invalid', statement, { path: place, fix, cause: error });
  }
}

function searchOf(query: Input['query']): { limit: number; query?: string } {
  const { query: text, limit } = query as z.output<typeof schemas.itemsQuery>;
  return { limit, ...(text && { query: text }) };
}

const unknownUser = (path: string) =>
  new Problem('unknown-user', 'no such user', { path, fix: 'send a history instead, or events of the user first' });

function requireItem(run: LiveRun, id: string, path: string) {
  const item = run.item(id);
  if (item === undefined)
    throw new Problem('unknown-item', 'no such item', { path, fix: 'add it first: POST /v1/items' });
  return item;
}

/** @throws Problem for a user or item that nobody knows */
function personOf(run: LiveRun, { user, history = [], dislikes }: z.output<typeof schemas.recommendBody>): Person {
  if (user !== undefined) {
    if (run.user(user) === undefined) throw unknownUser('user');
    return { user };
  }
  for (const [index, id] of history.entries()) requireItem(run, id, `history[${index}]`);
  for (const [index, id] of (dislikes ?? []).entries()) requireItem(run, id, `dislikes[${index}]`);
  return { history, ...(dislikes && dislikes.length > 0 && { dislikes }) };
}

/** The only items to choose from, or undefined: as the run chooses. @throws Problem for an item that nobody knows */
function amongOf(run: LiveRun, { among }: z.output<typeof schemas.recommendBody>): string[] | undefined {
  for (const [index, id] of (among ?? []).entries()) requireItem(run, id, `among[${index}]`);
  return among && [...new Set(among)].sort();
}

/** Users of one request that wait at a time: the queue is for others too. */
const TOGETHER = 8;

/** Asks for each of many, some at a time. Where one is refused, the others leave. */
async function someAtATime<T, R>(
  all: readonly T[],
  gone: AbortSignal | undefined,
  ask: (one: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  if (gone?.aborted) leave();
  gone?.addEventListener('abort', leave);
  const found: R[] = [];
  const rest = all.entries();
  const work = async () => {
    for (const [at, one] of rest) found[at] = await ask(one, leaving.signal);
  };
  try {
    await Promise.all(
      Array.from({ length: TOGETHER }, () =>
        work().catch((error) => {
          leave();
          throw error;
        }),
      ),
    );
  } finally {
    gone?.removeEventListener('abort', leave);
  }
  return found;
}

/** The parts that a run has. */
function parts({ cf, llm }: LiveScores) {
  return { ...(cf !== null && { cf }), ...(llm !== null && { llm }) };
}

/** Reasons, or undefined where there was no time for them: the list itself is good. */
async function reasonsOf(
  explain: () => Promise<Answered<readonly Reasons[]>>,
): Promise<readonly Reasons[] | undefined> {
  try {
    return (await explain()).value;
  } catch (error) {
    if (error instanceof Problem && (error.code === 'deadline' || error.code === 'busy')) return undefined;
    throw error;
  }
}

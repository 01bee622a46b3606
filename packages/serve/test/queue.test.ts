/** What happens between a request and the model: sharing, deadlines, limits, a lost GPU. */
import { InputError } from '@crossgate/core';
import { expect, it } from 'vitest';
import { settingsOf } from '../src/options';
import { serverOf } from './ask';
import { type FakeCall, fakeRun, lostError } from './fake-run';

/** Longer than any test: such a call ends only by being stopped. */
const FOREVER = 1e6;

/** A run whose first call waits until `open` is called; `begun` resolves when that call has begun. */
function gated(options: Parameters<typeof fakeRun>[0] = {}) {
  const run = fakeRun(options);
  let open = () => {};
  let begin = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  run.before = () => {
    begin();
    return gate;
  };
  return { run, open, begun };
}

const asked = (calls: readonly FakeCall[]) =>
  calls.map(({ person, effort, top }) => [person && 'user' in person ? person.user : '', effort, top]);
const names = (body: { items: { item: string }[] }) => body.items.map(({ item }) => item);

it('computes one list for requests for one person, as long as the longest', async () => {
  const { post, run } = await serverOf({ batchWait: 20 });
  const answers = await Promise.all([
    post('/v1/recommend', { user: 'u1', top: 2 }),
    post('/v1/recommend', { user: 'u1', top: 5 }),
    post('/v1/recommend', { user: 'u1', top: 3 }),
    post('/v1/recommend', { user: 'u1', top: 3, exclude: ['i9'] }),
    post('/v1/recommend', { user: 'u2', top: 1 }),
  ]);
  expect(asked(run.calls)).toEqual([
    ['u1', 'full', 5],
    ['u1', 'full', 3],
    ['u2', 'full', 1],
  ]);
  const [two, five, three] = answers.map(({ body }) => names(body));
  expect(five).toHaveLength(5);
  expect(two).toEqual(five!.slice(0, 2));
  expect(three).toEqual(five!.slice(0, 3));
});

it('scores the items of requests for one person in one call', async () => {
  const { post, run } = await serverOf({ batchWait: 20 });
  const pair = (item: string) => ({ pairs: [{ user: 'u1', item }] });
  const [a, b] = await Promise.all([post('/v1/score', pair('i8')), post('/v1/score', pair('i9'))]);
  expect(run.calls).toMatchObject([{ name: 'score', items: ['i8', 'i9'] }]);
  expect([a.body.scores[0].item, b.body.scores[0].item]).toEqual(['i8', 'i9']);
});

it('scores more users in one request than may wait, and leaves the queue when one is refused', async () => {
  const { post, run } = await serverOf({ queue: 20, batchWait: 1 }, { users: 300 });
  const pairs = Array.from({ length: 300 }, (_, n) => ({ user: `u${n + 1}`, item: 'i9' }));
  const { status, body } = await post('/v1/score', { pairs });
  expect({ status, count: body.scores?.length }).toEqual({ status: 200, count: 300 });
  expect(run.calls).toHaveLength(300);
  run.calls.length = 0;
  run.before = () => {
    throw new InputError('not this one');
  };
  expect((await post('/v1/score', { pairs })).status).toBe(422);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(run.calls.length).toBeLessThan(20);
});

it('stops an explanation at the deadline also where CF alone is explained', async () => {
  const run = fakeRun({ parts: { cf: true, llm: false }, llmMs: FOREVER });
  const { post } = await serverOf({ deadline: 50 }, run);
  const { status, body } = await post('/v1/recommend', { user: 'u1', top: 1, explain: true });
  expect({ status, degraded: body.degraded }).toEqual({ status: 200, degraded: true });
  expect(run.calls.at(-1)).toMatchObject({ name: 'explain', stopped: true });
});

it('takes no call for a hang that a deadline allows', () => {
  expect(settingsOf({}).hangAfter).toBe(120_000);
  expect(settingsOf({ deadline: 600_000 }).hangAfter).toBeGreaterThan(600_000);
});

it('does not give a list that began before an event to a request that came after it', async () => {
  const { run, open, begun } = gated();
  const { post } = await serverOf({}, run);
  const before = post('/v1/recommend', { user: 'u1', top: 20 });
  await begun;
  await post('/v1/events', { events: [{ id: 'e', user: 'u1', item: 'i7', label: 1 }] });
  const after = post('/v1/recommend', { user: 'u1', top: 20 });
  open();
  await before;
  expect(names((await after).body)).not.toContain('i7');
  expect(run.calls).toHaveLength(2);
});

it('gives the order of CF when the deadline passes, and stops the call', async () => {
  const { post, run } = await serverOf({}, { llmMs: FOREVER });
  const { status, body } = await post(
    '/v1/recommend',
    { user: 'u1', top: 4, explain: true },
    { 'x-deadline-ms': '30' },
  );
  expect(status).toBe(200);
  expect(body.degraded).toBe(true);
  const expected = await run.recommend({ user: 'u1' }, { top: 4, effort: 'cf' });
  expect(names(body)).toEqual(expected.items.map(({ item }) => item));
  expect(body.items[0]).not.toHaveProperty('llm');
  expect(run.calls[0]).toMatchObject({ effort: 'full', stopped: true });
});

it('gives scores of CF when the deadline passes', async () => {
  const { post } = await serverOf({ deadline: 30 }, { llmMs: FOREVER });
  const { status, body } = await post('/v1/score', { pairs: [{ user: 'u1', item: 'i5' }] });
  expect({ status, degraded: body.degraded }).toEqual({ status: 200, degraded: true });
  expect(body.scores[0].score).toBe(body.scores[0].cf);
});

it('says that the deadline passed where CF alone cannot answer', async () => {
  const run = fakeRun({ llmMs: FOREVER });
  const score = run.score.bind(run);
  run.score = (person, items, options) =>
    options?.effort === 'cf'
      ? Promise.reject(new InputError('came after the training'))
      : score(person, items, options);
  const { post } = await serverOf({ deadline: 30 }, run);
  const { status, body } = await post('/v1/score', { pairs: [{ user: 'u1', item: 'i5' }] });
  expect({ status, code: body.error.code }).toEqual({ status: 504, code: 'deadline' });
});

it('answers in time those who wait behind a long call, the nearest deadline first', async () => {
  const { post, run } = await serverOf({ deadline: 50 }, { llmMs: FOREVER });
  const users = ['u1', 'u2', 'u3', 'u4'];
  const answers = await Promise.all(users.map((user) => post('/v1/recommend', { user })));
  expect(answers.map(({ status, body }) => [status, body.degraded])).toEqual(users.map(() => [200, true]));
  expect(run.calls.filter(({ effort }) => effort === 'cf')).toHaveLength(4);
});

it('does not begin what would come too late', async () => {
  // The order of CF, once begun, is given even when it comes after the deadline.
  const { post, run } = await serverOf({}, { llmMs: FOREVER, cfMs: 100 });
  await post('/v1/recommend', { user: 'u1' }, { 'x-deadline-ms': '100' });
  const { status, body } = await post('/v1/recommend', { user: 'u2' }, { 'x-deadline-ms': '50' });
  expect({ status, degraded: body.degraded }).toEqual({ status: 200, degraded: true });
  expect(asked(run.calls)).toEqual([
    ['u1', 'full', 10],
    ['u1', 'cf', 10],
    ['u2', 'cf', 10],
  ]);
});

it('leaves out reasons for which there is no time', async () => {
  const run = fakeRun();
  let end = () => {};
  run.before = ({ name }) =>
    name === 'explain'
      ? new Promise<void>((resolve) => {
          end = resolve;
        })
      : undefined;
  const { post } = await serverOf({ deadline: 200 }, run);
  const { status, body } = await post('/v1/recommend', { user: 'u1', top: 1, explain: true });
  expect({ status, degraded: body.degraded }).toEqual({ status: 200, degraded: true });
  expect(body.items[0]).toMatchObject({ llm: expect.any(Number) });
  expect(body.items[0]).not.toHaveProperty('reasons');
  end();
});

it('refuses by a deadline only where CF cannot answer', async () => {
  const { post } = await serverOf({ deadline: 30 }, { llmMs: FOREVER, parts: { cf: false, llm: true } });
  const { status, body } = await post('/v1/recommend', { user: 'u1' });
  expect({ status, code: body.error.code }).toEqual({ status: 504, code: 'deadline' });
});

it('refuses with Retry-After what a run with CF alone could not begin in time', async () => {
  const { run, open, begun } = gated({ parts: { cf: true, llm: false } });
  const { post } = await serverOf({ deadline: 60_000 }, run);
  const first = post('/v1/recommend', { user: 'u1' });
  await begun;
  const late = await post('/v1/recommend', { user: 'u2' }, { 'x-deadline-ms': '20' });
  expect({ status: late.status, code: late.body.error.code }).toEqual({ status: 429, code: 'busy' });
  expect(Number(late.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  open();
  expect((await first).status).toBe(200);
});

it('refuses with Retry-After what the queue cannot hold', async () => {
  const { run, open, begun } = gated();
  const { post, get } = await serverOf({ queue: 2, deadline: 60_000 }, run);
  const held = [post('/v1/recommend', { user: 'u1' })];
  await begun;
  held.push(post('/v1/recommend', { user: 'u2' }), post('/v1/recommend', { user: 'u3' }));
  const refused = await post('/v1/recommend', { user: 'u4' });
  expect({ status: refused.status, code: refused.body.error.code }).toEqual({ status: 429, code: 'busy' });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  // What needs no model is answered all the same.
  expect((await get('/v1/users/u4')).status).toBe(200);
  expect((await get('/metrics')).body).toContain('crossgate_queue_waiting 2');
  open();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200, 200]);
});

it('reads new requests between two calls, so that the queue sees all that wait', async () => {
  const { post, run } = await serverOf({}, { parts: { cf: true, llm: false } });
  let turns = 0;
  const seen: number[] = [];
  run.before = () => {
    seen.push(turns);
    setImmediate(() => turns++);
  };
  await Promise.all(['u1', 'u2', 'u3'].map((user) => post('/v1/recommend', { user })));
  expect(seen).toEqual([0, 1, 2]);
});

it('stops a call for which nobody waits any more', async () => {
  const { server, run } = await serverOf({ deadline: 60_000 }, { llmMs: FOREVER });
  const leaving = new AbortController();
  run.before = () => leaving.abort();
  const body = JSON.stringify({ user: 'u1' });
  const headers = { 'content-type': 'application/json' };
  await server.app.request('/v1/recommend', { method: 'POST', headers, body, signal: leaving.signal });
  await server.drain();
  expect(run.calls).toMatchObject([{ stopped: true }]);
});

it('is not ready any more once the GPU is lost, and refuses what waits', async () => {
  const { run, open, begun } = gated();
  const { get, post, server } = await serverOf({ deadline: 60_000 }, run);
  const first = post('/v1/recommend', { user: 'u1' });
  await begun;
  run.before = () => {};
  const waiting = post('/v1/recommend', { user: 'u2' });
  const lost = lostError();
  run.recommend = () => Promise.reject(lost);
  open();
  expect((await first).status).toBe(200);
  expect((await waiting).body.error.code).toBe('lost');
  expect(await server.lost).toBe(lost);
  expect(server.ready).toBe(false);
  expect(await get('/readyz')).toMatchObject({ status: 503, body: { reason: 'lost' } });
  expect(await post('/v1/recommend', { user: 'u1' })).toMatchObject({ status: 503, body: { error: { code: 'lost' } } });
});

it('takes a call that does not end for a lost GPU', async () => {
  const run = fakeRun();
  run.before = () => new Promise(() => {});
  const { post, server } = await serverOf({ hangAfter: 100, deadline: 60_000 }, run);
  const answers = await Promise.all(['u1', 'u2'].map((user) => post('/v1/recommend', { user })));
  expect(answers.map(({ body }) => body.error.code)).toEqual(['lost', 'lost']);
  expect((await server.lost).name).toBe('HangError');
});

it('does not wait for a call that hangs once the GPU is lost', async () => {
  const run = fakeRun();
  let lose = (_: Error) => {};
  const lost = new Promise<Error>((resolve) => {
    lose = resolve;
  });
  const begun = new Promise<void>((resolve) => {
    run.before = () => {
      resolve();
      return new Promise(() => {});
    };
  });
  const { post, server } = await serverOf({ deadline: 60_000, lost }, run);
  const asked = post('/v1/recommend', { user: 'u1' });
  await begun;
  lose(lostError());
  expect((await asked).body.error.code).toBe('lost');
  await server.close();
});

it('answers every request, whatever deadlines, lengths and departures they have', async () => {
  const { server, get } = await serverOf({ queue: 40, batchWait: 1 }, { llmMs: 4, cfMs: 1 });
  // A generator of its own, so that a failure can be repeated.
  let seed = 7;
  const below = (n: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  const ask = async () => {
    const leaving = new AbortController();
    const body = { user: `u${1 + below(5)}`, top: 1 + below(20), explain: below(4) === 0 };
    const headers = { 'content-type': 'application/json', 'x-deadline-ms': String(1 + below(30)) };
    const request = { method: 'POST', headers, body: JSON.stringify(body), signal: leaving.signal };
    const answer = server.app.request('/v1/recommend', request);
    if (below(5) === 0) setTimeout(() => leaving.abort(), below(10));
    const { status } = await answer;
    return leaving.signal.aborted ? 'left' : status;
  };
  const statuses: (number | string)[] = [];
  for (let wave = 0; wave < 12; wave++) {
    const asked = Array.from({ length: 25 }, ask);
    await new Promise((resolve) => setTimeout(resolve, below(15)));
    statuses.push(...(await Promise.all(asked)));
  }
  expect(statuses).toHaveLength(300);
  expect([...new Set(statuses)].filter((status) => !['left', 200, 429].includes(status))).toEqual([]);
  expect((await get('/metrics')).body).toContain('crossgate_queue_waiting 0');
  await server.drain();
});

it('notices a GPU that is lost while nobody asks', async () => {
  const { server, get } = await serverOf({ lost: Promise.resolve() });
  await server.lost;
  expect((await get('/readyz')).status).toBe(503);
});

it('answers the whole of what it has taken when it stops: reasons, and many users', async () => {
  const { run, open, begun } = gated({ users: 30 });
  const { post, server } = await serverOf({ deadline: 60_000 }, run);
  const pairs = Array.from({ length: 30 }, (_, n) => ({ user: `u${n + 1}`, item: 'i9' }));
  const taken = [post('/v1/recommend', { user: 'u1', top: 1, explain: true }), post('/v1/score', { pairs })];
  await begun;
  const closed = server.close().then(() => run.calls.length);
  open();
  const [list, scores] = await Promise.all(taken);
  expect(list!.body.items[0].reasons).toHaveLength(1);
  expect(scores!.body.scores).toHaveLength(30);
  expect(await closed).toBe(32);
});

it('answers what it has taken when it stops, and takes nothing more', async () => {
  const { run, open, begun } = gated();
  const { post, server } = await serverOf({ deadline: 60_000 }, run);
  const taken = [post('/v1/recommend', { user: 'u1' })];
  await begun;
  taken.push(post('/v1/recommend', { user: 'u2' }));
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  const closed = server.close();
  for (const [path, body] of [
    ['/v1/recommend', { user: 'u3' }],
    ['/v1/events', { events: [{ id: 'e', user: 'u1', item: 'i1', label: 1 }] }],
    ['/v1/items', { items: [{ item: 'n', title: 'New' }] }],
  ] as const) {
    expect(await post(path, body)).toMatchObject({ status: 503, body: { error: { code: 'stopping' } } });
  }
  open();
  expect((await Promise.all(taken)).map(({ status }) => status)).toEqual([200, 200]);
  await closed;
});

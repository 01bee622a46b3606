/** What every endpoint answers, and that it answers what its schema says. */
import { expect, it } from 'vitest';
import { endpoints } from '../src/endpoints';
import { serverOf } from './ask';
import { fakeRun } from './fake-run';

it('recommends to a user by id', async () => {
  const { post, run } = await serverOf();
  const { status, body } = await post('/v1/recommend', { user: 'u1', top: 3 });
  expect(status).toBe(200);
  const expected = await run.recommend({ user: 'u1' }, { top: 3 });
  expect(body).toMatchObject({ basis: 'user', model: run.model, took: expect.any(Number) });
  expect(body.items).toEqual(
    expected.items.map(({ item, score, cf, llm }) => ({ item, title: `Title ${item.slice(1)}`, score, cf, llm })),
  );
  expect(body).not.toHaveProperty('degraded');
  expect(endpoints.recommend.answer.parse(body)).toEqual(body);
});

it('recommends to anybody by a history', async () => {
  const { post, run } = await serverOf();
  const { body } = await post('/v1/recommend', { history: ['i3', 'i4'], dislikes: ['i5'], exclude: ['i6', 'gone'] });
  expect(body.basis).toBe('history');
  const items = body.items.map(({ item }: { item: string }) => item);
  expect(items).toHaveLength(10);
  expect(items.filter((item: string) => ['i3', 'i4', 'i5', 'i6'].includes(item))).toEqual([]);
  const { body: all } = await post('/v1/recommend', {
    history: ['i3', 'i4'],
    dislikes: ['i5'],
    top: 99,
    repeats: 'allow',
  });
  const repeated = all.items.map(({ item }: { item: string }) => item);
  expect(repeated).toEqual(expect.arrayContaining(['i3', 'i4', 'i5']));
  expect(run.calls[0]).toMatchObject({ person: { history: ['i3', 'i4'], dislikes: ['i5'] }, top: 10 });
});

it('gives reasons to those who ask for them', async () => {
  const { post } = await serverOf();
  const { body } = await post('/v1/recommend', { user: 'u2', top: 2, explain: true });
  for (const item of body.items) {
    expect(item).toMatchObject({ cf: expect.any(Number), llm: expect.any(Number) });
    expect(item.reasons).toEqual([{ item: 'i2', title: 'Title 2', change: expect.any(Number) }]);
  }
  expect(endpoints.recommend.answer.parse(body)).toEqual(body);
});

it('chooses among named items, and among titles with a text', async () => {
  const { post } = await serverOf();
  const of = async (body: object) =>
    (await post('/v1/recommend', { top: 20, ...body })).body.items.map(({ item }: { item: string }) => item).sort();
  expect(await of({ user: 'u1', among: ['i7', 'i9', 'i7'] })).toEqual(['i7', 'i9']);
  // i1 is liked already; i20 has no train rows, so CF cannot rank it.
  const tens = ['i10', 'i11', 'i12', 'i13', 'i14', 'i15', 'i16', 'i17', 'i18', 'i19'];
  expect(await of({ user: 'u1', titleContains: 'TITLE 1' })).toEqual(tens);
  expect(await of({ history: ['i12'], titleContains: ' title 1 ' })).toEqual([
    'i1',
    ...tens.filter((id) => id !== 'i12'),
  ]);
  expect(await of({ user: 'u1', among: ['i7', 'i12'], titleContains: '12' })).toEqual(['i12']);
  expect((await post('/v1/recommend', { user: 'u1', titleContains: 'nothing' })).body).toMatchObject({
    items: [],
    basis: 'user',
  });
});

it('gives the parts of scores that the run has, asked for reasons or not', async () => {
  for (const parts of [
    { cf: true, llm: false },
    { cf: false, llm: true },
  ]) {
    const { post } = await serverOf({}, { parts });
    const [item] = (await post('/v1/recommend', { user: 'u2', top: 1 })).body.items;
    expect({ cf: 'cf' in item, llm: 'llm' in item, reasons: 'reasons' in item }).toEqual({ ...parts, reasons: false });
  }
});

it('says what an empty list goes by', async () => {
  const run = fakeRun();
  const recommend = run.recommend.bind(run);
  run.recommend = async (person, options) => ({ ...(await recommend(person, options)), basis: 'folded-in' });
  const { post } = await serverOf({}, run);
  const { body } = await post('/v1/recommend', { user: 'u1', titleContains: 'nothing' });
  expect(body).toMatchObject({ items: [], basis: 'folded-in' });
});

it('shares a list among requests with the same text of titles, in any case, and with no other', async () => {
  const { post, run } = await serverOf();
  const of = (titleContains?: string) => post('/v1/recommend', { user: 'u1', top: 20, titleContains });
  const answers = await Promise.all([of('title 1'), of(' Title 1'), of('title 12'), of()]);
  expect(answers.map(({ body }) => body.items.length)).toEqual([10, 10, 1, 17]);
  expect(run.calls).toHaveLength(3);
});

it('scores pairs in their order, with one call a user', async () => {
  const { post, run } = await serverOf();
  const pairs = [
    { user: 'u1', item: 'i9' },
    { user: 'u2', item: 'i8' },
    { user: 'u1', item: 'i3' },
    { user: 'u1', item: 'i9' },
  ];
  const { body } = await post('/v1/score', { pairs });
  expect(body.scores.map(({ user, item }: { user: string; item: string }) => ({ user, item }))).toEqual(pairs);
  expect(body.scores[0].score).toBe(body.scores[3].score);
  expect(run.calls).toMatchObject([
    { name: 'score', person: { user: 'u1' }, items: ['i9', 'i3'] },
    { name: 'score', person: { user: 'u2' }, items: ['i8'] },
  ]);
  expect(endpoints.score.answer.parse(body)).toEqual(body);
});

it('finds similar items', async () => {
  const { get } = await serverOf();
  const { body } = await get('/v1/similar/i3?top=2');
  expect(body.items).toEqual([
    { item: 'i1', title: 'Title 1', score: 1 },
    { item: 'i2', title: 'Title 2', score: 0.99 },
  ]);
  expect(endpoints.similar.answer.parse(body)).toEqual(body);
});

it('takes events at once and once', async () => {
  const { get, post } = await serverOf();
  const events = [
    { id: 'e1', user: 'new', item: 'i3', label: 1, timestamp: 50 },
    { id: 'e2', user: 'new', item: 'i4', label: 0 },
  ];
  expect((await get('/v1/users/new')).status).toBe(404);
  const first = await post('/v1/events', { events });
  expect(first.body).toMatchObject({ accepted: 2, duplicates: 0 });
  expect(endpoints.addEvents.answer.parse(first.body)).toEqual(first.body);
  expect((await post('/v1/events', { events })).body).toMatchObject({ accepted: 0, duplicates: 2 });
  const { body } = await get('/v1/users/new');
  expect(body).toMatchObject({ user: 'new', known: 'added' });
  expect(body.events).toEqual([
    { item: 'i3', title: 'Title 3', label: 1, timestamp: 50 },
    { item: 'i4', title: 'Title 4', label: 0, timestamp: expect.any(Number) },
  ]);
  expect(Math.abs(body.events[1].timestamp - Date.now() / 1000)).toBeLessThan(60);
  expect(endpoints.user.answer.parse(body)).toEqual(body);
});

it('takes none of the events of a request that holds a wrong one', async () => {
  const { get, post } = await serverOf();
  const good = { id: 'e1', user: 'new', item: 'i3', label: 1 };
  const unknown = await post('/v1/events', { events: [good, { ...good, id: 'e2', item: 'gone' }] });
  expect(unknown).toMatchObject({ status: 404, body: { error: { code: 'unknown-item', path: 'events[1].item' } } });
  const twice = await post('/v1/events', { events: [good, { ...good, item: 'i4' }] });
  expect(twice).toMatchObject({ status: 409, body: { error: { code: 'conflict', path: 'events[1].id' } } });
  expect((await get('/v1/users/new')).status).toBe(404);
});

it('takes new items, which can be scored, found and asked among', async () => {
  const { get, post } = await serverOf();
  const items = [{ item: 'n1', title: 'New & shiny' }];
  const { body } = await post('/v1/items', { items });
  expect(body).toMatchObject({ added: 1, known: 0, ranked: true });
  expect(endpoints.addItems.answer.parse(body)).toEqual(body);
  expect((await post('/v1/items', { items })).body).toMatchObject({ added: 0, known: 1 });
  const other = await post('/v1/items', {
    items: [
      { item: 'n2', title: 'x' },
      { item: 'i1', title: 'Other' },
    ],
  });
  expect(other).toMatchObject({ status: 409, body: { error: { path: 'items[1].item' } } });
  expect((await get('/v1/items/n2')).status).toBe(404);
  const one = await get('/v1/items/n1');
  expect(one.body).toMatchObject({ item: 'n1', title: 'New & shiny', known: 'added' });
  expect(endpoints.item.answer.parse(one.body)).toEqual(one.body);
  const found = await get('/v1/items?query=shiny');
  expect(found.body.items).toEqual([{ item: 'n1', title: 'New & shiny', known: 'added', attributes: {} }]);
  expect(endpoints.items.answer.parse(found.body)).toEqual(found.body);
  const list = await post('/v1/recommend', { user: 'u1', among: ['n1', 'i5'] });
  expect(list.body.items).toHaveLength(2);
});

it('refuses a title that no prompt has room for, before it is kept', async () => {
  const { get, post } = await serverOf();
  const items = [
    { item: 'n1', title: 'Short' },
    { item: 'n2', title: 'x'.repeat(300) },
  ];
  expect(await post('/v1/items', { items })).toMatchObject({
    status: 400,
    body: { error: { code: 'invalid', path: 'items[1].title' } },
  });
  expect((await get('/v1/items/n1')).status).toBe(404);
});

it('finds users', async () => {
  const { get } = await serverOf();
  const { body } = await get('/v1/users?query=U&limit=2');
  expect(body.users).toEqual(['u1', 'u2']);
  expect(endpoints.users.answer.parse(body)).toEqual(body);
});

it('reads ids of any kind in paths', async () => {
  const run = fakeRun();
  const ids = ['a/b', '../../etc/passwd', 'x y', '100%', 'Ü', '?q=1', '%2F'];
  run.addItems(ids.map((id) => ({ id, title: `Item ${id}` })));
  const { get } = await serverOf({}, run);
  for (const id of ids) {
    const { body } = await get(`/v1/items/${encodeURIComponent(id)}`);
    expect(body).toMatchObject({ item: id });
  }
});

it('says that it is well, and ready', async () => {
  const { get, server } = await serverOf();
  expect((await get('/healthz')).body).toEqual({ ok: true });
  const ready = await get('/readyz');
  expect(ready).toMatchObject({ status: 200, body: { ready: true, method: 'fake', parts: { cf: true, llm: true } } });
  expect(endpoints.ready.answer.parse(ready.body)).toEqual(ready.body);
  await server.drain();
  expect(await get('/readyz')).toMatchObject({ status: 503, body: { ready: false, reason: 'stopping' } });
  expect((await get('/healthz')).status).toBe(200);
});

it('counts what it did, by endpoint and not by path', async () => {
  const { get, post } = await serverOf();
  await post('/v1/recommend', { user: 'u1' });
  await get('/v1/users/u1');
  await get('/v1/users/u2');
  await get('/private/person-77');
  const { body, headers } = await get('/metrics');
  expect(headers.get('content-type')).toMatch(/^text\/plain/);
  expect(body).toContain('crossgate_requests_total{endpoint="/v1/users/{id}",status="200"} 2');
  expect(body).toContain('crossgate_requests_total{endpoint="other",status="404"} 1');
  expect(body).toContain('crossgate_model_asks_total{task="list",effort="full"} 1');
  expect(body).toContain('crossgate_ready 1');
  expect(body).not.toContain('person-77');
});

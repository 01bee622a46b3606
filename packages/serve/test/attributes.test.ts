/** Lists filtered by attributes of items, and attributes of new items. */
import { join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import Database from 'libsql';
import { expect, it } from 'vitest';
import { endpoints } from '../src/endpoints';
import { openStateFile } from '../src/state';
import { serverOf } from './ask';
import { fakeRun } from './fake-run';

const idsOf = (body: { items: { item: string }[] }) => body.items.map(({ item }) => item);
const sorted = (body: { items: { item: string }[] }) => idsOf(body).sort();

it('filters lists by attributes before they are cut', async () => {
  const { post } = await serverOf();
  const of = async (body: object) => (await post('/v1/recommend', { user: 'u1', top: 20, ...body })).body;
  // u1 likes i1 and dislikes i2; i20 has no train rows.
  expect(sorted(await of({ where: { genres: { any: ['Three'] } } }))).toEqual(['i12', 'i15', 'i18', 'i3', 'i6', 'i9']);
  const even = { genres: { all: ['Three', 'Even'] }, price: { min: 6, max: 17.5 } };
  expect(sorted(await of({ where: even }))).toEqual(['i12', 'i6']);
  expect(sorted(await of({ where: { genres: { none: ['Odd', 'Three'] }, price: { max: 4 } } }))).toEqual(['i4']);
  const top = await of({ where: { genres: { any: ['Three'] } }, top: 2 });
  expect(idsOf(top)).toEqual(idsOf(await of({ where: { genres: { any: ['Three'] } } })).slice(0, 2));
  // With the other filters, all must hold.
  expect(sorted(await of({ where: even, among: ['i1', 'i6', 'i7'] }))).toEqual(['i6']);
  expect(sorted(await of({ where: even, titleContains: 'title 1' }))).toEqual(['i12']);
  expect(sorted(await of({ where: even, exclude: ['i12'] }))).toEqual(['i6']);
  expect(await of({ where: { genres: { any: ['odd'] } } })).toMatchObject({ items: [], basis: 'user' });
  expect(idsOf(await of({ where: {} }))).toEqual(idsOf(await of({})));
});

it('filters the order of CF alone too', async () => {
  const { post } = await serverOf({ deadline: 30 }, { llmMs: 400 });
  const { body } = await post('/v1/recommend', { user: 'u1', top: 20, where: { genres: { any: ['Three'] } } });
  expect(body).toMatchObject({ degraded: true });
  expect(sorted(body)).toEqual(['i12', 'i15', 'i18', 'i3', 'i6', 'i9']);
});

it('shares a list among requests with the same filter, in whatever order, and with no other', async () => {
  const { post, run } = await serverOf();
  const ask = (where: object) => post('/v1/recommend', { user: 'u1', top: 20, where });
  const [three, same, others] = await Promise.all([
    ask({ price: { min: 2 }, genres: { any: ['Three', 'Odd'] } }),
    ask({ genres: { any: ['Odd', 'Three', 'Odd'] }, price: { min: 2 } }),
    ask({ genres: { none: ['Odd', 'Three'] } }),
  ]);
  expect(sorted(three!.body)).toEqual(['i11', 'i12', 'i13', 'i15', 'i17', 'i18', 'i19', 'i3', 'i5', 'i6', 'i7', 'i9']);
  expect(idsOf(same!.body)).toEqual(idsOf(three!.body));
  expect(sorted(others!.body)).toEqual(['i10', 'i14', 'i16', 'i4', 'i8']);
  expect(run.calls.map(({ where }) => where)).toEqual([
    { genres: { any: ['Odd', 'Three'] }, price: { min: 2 } },
    { genres: { none: ['Odd', 'Three'] } },
  ]);
});

it.each<[string, unknown, string, RegExp]>([
  ['an unknown attribute', { genre: { any: ['x'] } }, 'where.genre', /"genre" is no attribute of the items/],
  ['a key of every object', { constructor: { any: ['x'] } }, 'where.constructor', /"constructor" is no attribute/],
  [
    'numbers asked of texts',
    { genres: { min: 1 } },
    'where.genres.min',
    /genres holds texts, which take any, all, none/,
  ],
  ['texts asked of numbers', { price: { any: ['5'] } }, 'where.price.any', /price holds numbers, which take min, max/],
  ['a text for a number', { price: { min: '5' } }, 'where.price.min', /expected number/],
  ['a text for a list', { genres: { any: 'Odd' } }, 'where.genres.any', /expected array/],
  ['an empty list', { genres: { any: [] } }, 'where.genres.any', /Too small/],
  ['no condition', { genres: {} }, 'where.genres', /needs one of any, all, none/],
  ['an unknown condition', { genres: { some: ['Odd'] } }, 'where.genres.some', /unknown key/],
  ['a range of nothing', { price: { min: 5, max: 4 } }, 'where.price.min', /is 5, above max 4/],
  ['a list', ['genres'], 'where', /expected record/],
  ['half of a surrogate pair', { genres: { any: ['\ud800'] } }, 'where.genres.any[0]', /half of a surrogate pair/],
  ['very many texts', { genres: { any: Array(1001).fill('x') } }, 'where.genres.any', /Too big/],
  [
    'very many attributes',
    Object.fromEntries(Array.from({ length: 21 }, (_, n) => [n, { min: 1 }])),
    'where',
    /more than 20/,
  ],
  ['a very long name', { ['x'.repeat(5000)]: { min: 1 } }, `where.${'x'.repeat(100)}`, /Invalid key/],
  ['a key that objects have a meaning for', JSON.parse('{"__proto__":{"any":["Odd"]}}'), '__proto__', /unknown key/],
])('refuses %s', async (_, where, path, message) => {
  const { post, run } = await serverOf();
  const { status, body } = await post('/v1/recommend', { user: 'u1', where });
  expect({ status, code: body.error?.code, path: body.error?.path }).toEqual({ status: 400, code: 'invalid', path });
  expect(body.error.message).toMatch(message);
  expect(JSON.stringify(body).length).toBeLessThan(1000);
  expect(run.calls).toEqual([]);
});

it('names the attributes that there are, and says why a run has none', async () => {
  const { post, get } = await serverOf();
  const { body } = await post('/v1/recommend', { user: 'u1', where: { genre: { any: ['x'] } } });
  expect(body.error.fix).toBe('there are genres, price (did you mean genres?)');
  const answer = (await get('/v1/attributes?limit=2')).body;
  expect(endpoints.attributes.answer.parse(answer)).toEqual(answer);
  expect(answer.attributes).toEqual([
    {
      ...{ name: 'genres', type: 'text' },
      values: [
        { value: 'Odd', items: 10 },
        { value: 'Even', items: 10 },
      ],
    },
    { name: 'price', type: 'number', min: 2, max: 20 },
  ]);
  const older = await serverOf({}, { attributes: null });
  expect((await older.get('/v1/attributes')).body.attributes).toEqual([]);
  const refused = await older.post('/v1/recommend', { user: 'u1', where: { genres: { any: ['Odd'] } } });
  expect(refused).toMatchObject({ status: 400, body: { error: { path: 'where.genres' } } });
  expect(refused.body.error.message).toMatch(
    /the data were kept without attributes of items, by a version that knew none/,
  );
  expect((await older.post('/v1/recommend', { user: 'u1', where: {} })).status).toBe(200);
});

it('takes attributes of new items, and newer ones of known items', async () => {
  const { post, get } = await serverOf();
  const added = await post('/v1/items', {
    items: [
      { item: 'n1', title: 'New', attributes: { genres: ['Saga'] } },
      { item: 'n1', title: 'New', attributes: { price: 3 } },
      { item: 'n2', title: 'Plain' },
      { item: 'i1', title: 'Title 1', attributes: { price: 99 } },
    ],
  });
  expect(added.body).toMatchObject({ added: 2, known: 2, ranked: true });
  const attributesOf = async (id: string) => (await get(`/v1/items/${id}`)).body.attributes;
  expect(await attributesOf('n1')).toEqual({ genres: ['Saga'], price: 3 });
  expect(await attributesOf('n2')).toEqual({});
  expect(await attributesOf('i1')).toEqual({ genres: ['Odd'], price: 99 });
  const { items } = (await get('/v1/items?query=new')).body;
  expect(items).toEqual([{ item: 'n1', title: 'New', known: 'added', attributes: { genres: ['Saga'], price: 3 } }]);
  const { body } = await post('/v1/recommend', {
    user: 'u2',
    among: ['n1', 'n2'],
    where: { genres: { any: ['Saga'] } },
  });
  expect(idsOf(body)).toEqual(['n1']);
});

it.each<[string, object, string]>([
  ['an unknown attribute', { genre: ['x'] }, 'items[1].attributes.genre'],
  ['a number for texts', { genres: 3 }, 'items[1].attributes.genres'],
  ['texts for a number', { price: ['3'] }, 'items[1].attributes.price'],
  ['a text alone', { genres: 'Saga' }, 'items[1].attributes.genres'],
  ['a NUL', { genres: ['a\0'] }, 'items[1].attributes.genres[0]'],
  ['null', { genres: null }, 'items[1].attributes.genres'],
])('refuses items with %s, all of the request', async (_, attributes, path) => {
  const { post, get } = await serverOf();
  const items = [
    { item: 'n1', title: 'New' },
    { item: 'n2', title: 'Other', attributes },
  ];
  const { status, body } = await post('/v1/items', { items });
  expect([status, body.error.code, body.error.path]).toEqual([400, 'invalid', path]);
  expect((await get('/v1/items/n1')).status).toBe(404);
});

it('keeps attributes in the state file, joined as they came', async () => {
  const state = join(await folderWith(), 'state.db');
  const first = await serverOf({ state });
  const send = (item: string, title: string, attributes: object) =>
    first.post('/v1/items', { items: [{ item, title, attributes }] });
  await send('n1', 'New', { genres: ['Saga', 'O\'Hara "x"'], price: 1 });
  await send('n1', 'New', { price: 0.1 });
  await send('i1', 'Title 1', { genres: [] });
  await first.server.close();
  const second = await serverOf({ state });
  const attributesOf = async (id: string) => (await second.get(`/v1/items/${id}`)).body.attributes;
  expect(await attributesOf('n1')).toEqual({ genres: ['Saga', 'O\'Hara "x"'], price: 0.1 });
  expect(await attributesOf('i1')).toEqual({});
  await second.server.close();
  // A run that has no such attributes goes on without them.
  const said: string[] = [];
  const log = { debug() {}, info() {}, warn: (message: unknown) => void said.push(String(message)) };
  const third = await serverOf({ state, log }, fakeRun({ attributes: null }));
  expect((await third.get('/v1/items/n1')).body).toMatchObject({ title: 'New', attributes: {} });
  expect(said).toEqual(['2 items of the state file have attributes that the data of the run do not have']);
});

it('reads a state file of the version before, and makes it one of this', async () => {
  const path = join(await folderWith(), 'state.db');
  const older = new Database(path);
  older.exec(`
    CREATE TABLE items (id TEXT PRIMARY KEY, title TEXT NOT NULL);
    CREATE TABLE events (
      id TEXT PRIMARY KEY, user TEXT NOT NULL, item TEXT NOT NULL, label INTEGER NOT NULL, timestamp INTEGER NOT NULL
    );
    PRAGMA application_id = ${0x43477374};
    PRAGMA user_version = 1;
    INSERT INTO items VALUES ('n1', 'New');
    INSERT INTO events VALUES ('e1', 'u1', 'n1', 1, 5);
  `);
  older.close();
  for (const attributes of [undefined, { price: 3 }]) {
    const store = await openStateFile(path);
    expect(store.load()).toEqual({
      items: [{ id: 'n1', title: 'New', ...(attributes && { attributes }) }],
      events: [{ id: 'e1', user: 'u1', item: 'n1', label: 1, timestamp: 5 }],
    });
    store.keep({ items: [{ id: 'n1', title: 'New', attributes: { price: 3 } }] });
    store.keep({ items: [{ id: 'n1', title: 'New' }] });
    await store.close();
  }
});

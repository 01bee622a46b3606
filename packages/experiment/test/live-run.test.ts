/** A finished CF run that answers for newer events, people and items, from its own copy of the data. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '@crossgate/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type LiveRun,
  loadConfig,
  openLiveRun,
  openRun,
  openSession,
  recommendAll,
  runExperiment,
  type Session,
} from '../src';
import { Recent } from '../src/live/recent';
import { topPositions } from '../src/live/top';

/** Users of even and of odd numbers like items of the same kind; each has 9 of 16 items, in another order. */
const events = Array.from({ length: 12 * 9 }, (_, n) => {
  const [user, turn] = [n % 12, Math.floor(n / 12)];
  const item = (user * 5 + turn * 7) % 16;
  return `u${user},i${item},${(user + item) % 2 === 0 ? 1 : 0},${100 + n}`;
});
// "late" comes in test alone, as does item i16.
const rows = [...events, 'late,i2,1,900', 'late,i3,0,901', 'u0,i16,1,902'];
const csv = `user,item,label,timestamp\n${rows.join('\n')}\n`;
const config = (method: string, cf = '') => `method: ${method}
data: { name: csv, path: shop.csv, split: { by: time, validFrom: 190, testFrom: 900 } }
cf: { model: ${method}, cfDim: 8, initStd: 0.3, learningRate: 0.05, batchSize: 16, epochs: 8, selectBy: last${cf} }
`;
const configs = {
  mf: config('mf', ', mf: { biases: true }'),
  lightgcn: config('lightgcn'),
  sasrec: config('sasrec', ', sasrec: { blocks: 1 }'),
  asvd: config('asvd'),
  'asvd-p': config('asvd', ', asvd: { information: P }'),
};
const names = Object.keys(configs);

let session: Session;
let cwd: string;
beforeAll(async () => {
  // Of `folderWith`, a folder ends with each test.
  cwd = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
  const write = (name: string, text: string) => writeFile(join(cwd, name), text);
  await write('shop.csv', csv);
  await write('mean.yaml', config('mean').replace(/cf:.*\n/, ''));
  for (const [name, text] of Object.entries(configs)) await write(`${name}.yaml`, text);
  session = openSession({ cwd });
  for (const name of names) await runExperiment(await loadConfig(`${name}.yaml`, { cwd }), session, { run: name });
  // From here on, the source is another.
  await writeFile(join(cwd, 'shop.csv'), csv.replaceAll('u1,', 'other,'));
});
afterAll(async () => {
  await session.close();
  await rm(cwd, { recursive: true, force: true });
});

const items = Array.from({ length: 16 }, (_, item) => `i${item}`);
const scoresOf = async (run: LiveRun, person: Parameters<LiveRun['score']>[0], ids: readonly string[] = items) =>
  (await run.score(person, ids)).scores.map(({ score }) => score);

describe.each(names)('a live run of %s', (name) => {
  it('scores and ranks for trained users as the run itself does, from the copy that it keeps', async () => {
    await using live = await openLiveRun(session, name);
    const { scorer, dataset } = await openRun(session, name, []);
    for (const user of ['u0', 'u5', 'u11']) {
      const dense = dataset.users.indexOf(user);
      const own = Int32Array.from(items, (id) => dataset.items.findIndex((item) => item.id === id));
      const pairs = { user: new Int32Array(own.length).fill(dense), item: own, place: items.map(() => null) };
      const { score } = await scorer.scorePairs(pairs);
      const scores = await scoresOf(live, { user });
      for (const [at, value] of scores.entries()) expect(value, `${user} ${items[at]}`).toBeCloseTo(score[at]!, 5);
      const best = await scorer.best(dense, { count: 4, candidates: null });
      const list = await live.recommend({ user }, { top: 4 });
      expect(list.items.map(({ item }) => item)).toEqual(Array.from(best.items, (item) => dataset.items[item]!.id));
      expect(list.items[0]).toMatchObject({ score: list.items[0]!.cf, llm: null });
    }
    await scorer.close();
  });

  it('takes newer events of trained users and of people it has never seen', async () => {
    await using live = await openLiveRun(session, name);
    const basis = name === 'mf' || name === 'lightgcn' ? 'folded-in' : 'history';
    const even = ['i0', 'i2', 'i4', 'i6'];
    const unknown = await live.score({ history: [] }, items);
    const likes = rows.filter((row) => /^\w+,i0,1,/.test(row)).length;
    expect([unknown.basis, unknown.scores[0]]).toEqual([
      'popularity',
      { item: 'i0', score: likes, cf: null, llm: null },
    ]);
    const stranger = await live.score({ history: even }, items);
    expect(stranger.basis).toBe(basis);
    expect(live.user('new')).toBeUndefined();
    live.observe(even.map((item, n) => ({ user: 'new', item, label: 1, timestamp: 2000 + n })));
    expect(live.user('new')).toMatchObject({ known: 'added', events: { length: 4 } });
    expect(await live.score({ user: 'new' }, items)).toEqual(stranger);
    const list = await live.recommend({ user: 'new' }, { top: 20 });
    expect(list.basis).toBe(basis);
    for (const { item } of list.items) expect(even).not.toContain(item);
    expect((await live.score({ user: 'late' }, ['i0'])).basis).toBe(basis);
    // A learned vector stays as it is; a history is what it is now.
    const before = await scoresOf(live, { user: 'u1' });
    live.observe([{ user: 'u1', item: 'i0', label: 1, timestamp: 3000 }]);
    const after = await scoresOf(live, { user: 'u1' });
    (basis === 'folded-in' ? expect(after) : expect(after).not).toEqual(before);
    expect(live.user('u1')!.events.at(-1)).toEqual({ item: 'i0', label: 1, timestamp: 3000 });
    expect((await live.recommend({ user: 'u1' }, { top: 20 })).items.map(({ item }) => item)).not.toContain('i0');
    // Dislikes count where the loss or the class of the run has them.
    live.observe([{ user: 'new', item: 'i1', label: 0, timestamp: 4000 }]);
    const disliked = (await live.score({ user: 'new' }, items)).scores;
    const told = name === 'asvd-p' || basis === 'folded-in';
    (told ? expect(disliked).not : expect(disliked)).toEqual(stranger.scores);
  });

  it('gives every user, those of newer events too, the list that the user is given alone', async () => {
    const newer = ['new,i0,1,2100000', 'new,i2,1,2100001', 'u1,i0,1,2100002', 'shy,i1,0,2100003'];
    await writeFile(join(cwd, 'newer.csv'), `user,item,label,timestamp\n${newer.join('\n')}\n`);
    const files = { events: 'newer.csv' };
    const out = join(cwd, `${name}.jsonl`);
    await using live = await openLiveRun(session, name, { files });
    for (const among of [undefined, ['i3', 'i16', 'i4', 'i0']]) {
      const counts = await recommendAll(session, name, {
        ...{ out, top: 5, files },
        ...(among && { candidates: async () => among }),
      });
      const lists = (await readFile(out, 'utf8')).trimEnd().split('\n');
      const bases = new Set<string>();
      expect(counts.users).toBe(15);
      for (const [at, user] of live.users().entries()) {
        const { items, basis } = await live.recommend({ user }, { top: 5, ...(among && { among }) });
        const expected = items.map(({ item, score }) => ({ item, title: live.item(item)!.title, score }));
        const isSaid = basis !== 'user' && items.length > 0;
        expect(JSON.parse(lists[at]!)).toEqual({ user, items: expected, ...(isSaid && { basis }) });
        bases.add(basis);
      }
      expect(bases).toContain(name === 'mf' || name === 'lightgcn' ? 'folded-in' : 'history');
    }
  });

  it('names neighbors and reasons, and waits in order', async () => {
    await using live = await openLiveRun(session, name);
    const near = await live.similar('i0', 3);
    expect(near).toHaveLength(3);
    expect(near.map(({ item }) => item)).not.toContain('i0');
    for (const { score } of near) expect(Math.abs(score)).toBeLessThanOrEqual(1 + 1e-6);
    await expect(live.similar('i16')).rejects.toThrow('item i16: has no train rows');
    const [a, b, [reasons]] = await Promise.all([
      live.recommend({ history: ['i1'] }),
      live.recommend({ history: ['i1'] }),
      live.explain({ history: ['i1', 'i3', 'i5'] }, ['i7'], { most: 2 }),
    ]);
    expect(a).toEqual(b);
    expect(reasons).toHaveLength(2);
    const whole = await scoresOf(live, { history: ['i1', 'i3', 'i5'] }, ['i7']);
    const left = await scoresOf(live, { history: ['i1', 'i3', 'i5'].filter((id) => id !== reasons![0]!.item) }, ['i7']);
    expect(reasons![0]!.change).toBeCloseTo(whole[0]! - left[0]!, 6);
    expect(Math.abs(reasons![0]!.change)).toBeGreaterThanOrEqual(Math.abs(reasons![1]!.change));
  });
});

describe('a live run', () => {
  it('knows its users and items, and refuses what contradicts them as a whole', async () => {
    await using live = await openLiveRun(session, 'mf', { items: [{ id: 'n1', title: 'New' }] });
    expect([live.item('i0')?.known, live.item('i16')?.known, live.item('n1')]).toEqual([
      'trained',
      'untrained',
      { id: 'n1', title: 'New', known: 'added' },
    ]);
    expect(live.users({ query: 'U1', limit: 2 })).toEqual(['u1', 'u10']);
    expect(live.items({ query: 'new' }).map(({ id }) => id)).toEqual(['n1']);
    expect([live.user('u3')?.known, live.user('late')?.known]).toEqual(['trained', 'untrained']);
    live.addItems([{ id: 'n1', title: 'New' }]);
    const other = [
      { id: 'n2', title: 'B' },
      { id: 'i0', title: 'another' },
    ];
    expect(() => live.addItems(other)).toThrow('item i0: has the title "i0" already, not "another"');
    expect(live.item('n2')).toBeUndefined();
    const mixed = [
      { user: 'new', item: 'i0', label: 1, timestamp: 1 },
      { user: 'new', item: 'i99', label: 1, timestamp: 1 },
    ] as const;
    expect(() => live.observe(mixed)).toThrow('event 2: item "i99" is not among the 18 items of csv');
    expect(live.user('new')).toBeUndefined();
    await expect(live.score({ user: 'u0' }, ['n1'])).rejects.toThrow(
      'item n1: came after the training, and mf knows items by their train rows alone',
    );
    expect((await live.recommend({ user: 'u0' }, { top: 99 })).items.map(({ item }) => item)).not.toContain('n1');
    const { items: chosen } = await live.recommend({ user: 'u0' }, { among: ['i0', 'i1', 'i2'], exclude: ['i1'] });
    expect(chosen.map(({ item }) => item).sort()).toEqual(['i0', 'i2']);
    await expect(live.recommend({ user: 'nobody' })).rejects.toThrow('user "nobody" is not among');
    await expect(live.recommend({ user: 'u0' }, { top: 0 })).rejects.toThrow('top is 0');
    expect(live.model).toMatch(/^[0-9a-f]{12}$/);
    expect(live.parts).toEqual({ cf: true, llm: false });
  });

  it('goes on with lists only by the events that they were begun with', async () => {
    const events = join(cwd, 'grown.csv');
    const write = (item: string) => writeFile(events, `user,item,label,timestamp\nnew,${item},1,2100000\n`);
    const options = { out: join(cwd, 'grown.jsonl'), top: 3, files: { events } };
    const stop = new AbortController();
    const progress: Progress = { start: () => ({ update: (done) => void (done === 4 && stop.abort()), finish() {} }) };
    await write('i0');
    await using stopped = openSession({ cwd, progress, signal: stop.signal });
    await expect(recommendAll(stopped, 'mf', options)).rejects.toThrow('4 of 14 users are kept');
    await write('i2');
    await expect(recommendAll(session, 'mf', options)).rejects.toMatchObject({
      code: 'part.other',
      message: expect.stringContaining('was begun with another file of events; repeat the command'),
    });
    await expect(recommendAll(session, 'mf', { ...options, rerank: 9 })).rejects.toThrow(
      'was begun with rerank none, and now it is 9',
    );
    await write('i0');
    expect(await recommendAll(session, 'mf', options)).toMatchObject({ users: 14 });
    const last = (await readFile(options.out, 'utf8')).trimEnd().split('\n').at(-1)!;
    expect(JSON.parse(last)).toMatchObject({ user: 'new', basis: 'folded-in' });
  });

  it('stops an explanation that nobody waits for any more, and lets others have their turn meanwhile', async () => {
    await using live = await openLiveRun(session, 'mf');
    const leaving = new AbortController();
    const explained = live.explain({ history: ['i1', 'i3', 'i5'] }, ['i7'], { signal: leaving.signal });
    setImmediate(() => leaving.abort(new Error('gone')));
    await expect(explained).rejects.toThrow('gone');
  });

  it('counts a user once who likes an item twice', async () => {
    await using live = await openLiveRun(session, 'mf');
    const popularity = async () => (await live.score({ history: [] }, ['i0', 'i1'])).scores.map(({ score }) => score);
    const [i0 = 0, i1 = 0] = await popularity();
    const like = (user: string, item: string) => ({ user, item, label: 1, timestamp: 3000 }) as const;
    live.observe([like('new', 'i0'), like('new', 'i0'), like('u1', 'i1'), like('new', 'i1')]);
    live.observe([like('new', 'i0'), { ...like('other', 'i0'), label: 0 }]);
    // u1 likes odd items already.
    expect(await popularity()).toEqual([i0 + 1, i1 + 1]);
  });

  it('leaves out what a person knows, disliked or not, unless repeats are allowed', async () => {
    await using live = await openLiveRun(session, 'mf');
    const listOf = async (...args: Parameters<typeof live.recommend>) =>
      (await live.recommend(args[0], { top: 20, ...args[1] })).items.map(({ item }) => item);
    for (const person of [{ user: 'u1' }, { history: ['i1'], dislikes: ['i2'] }]) {
      const known = 'user' in person ? live.user(person.user)!.events : [{ item: 'i1' }, { item: 'i2', label: 0 }];
      expect(known).toContainEqual(expect.objectContaining({ label: 0 }));
      const items = await listOf(person);
      for (const { item } of known) expect(items).not.toContain(item);
      const all = await listOf(person, { repeats: 'allow' });
      expect(all).toEqual(expect.arrayContaining(items));
      expect(all.length).toBeGreaterThan(items.length);
    }
  });

  it('keeps what was used last of what it could compute again', () => {
    const recent = new Recent<number, string>(2);
    recent.set(1, 'a');
    recent.set(2, 'b');
    expect(recent.get(1)).toBe('a');
    recent.set(3, 'c');
    expect([recent.size, recent.get(1), recent.get(2), recent.get(3)]).toEqual([2, 'a', undefined, 'c']);
    recent.delete(1);
    expect(recent.size).toBe(1);
  });

  it('refuses the run of a baseline', async () => {
    await writeFile(join(cwd, 'shop.csv'), csv);
    await runExperiment(await loadConfig('mean.yaml', { cwd }), session, { run: 'mean' });
    await expect(openLiveRun(session, 'mean')).rejects.toThrow('mean: a run of mean cannot answer for newer data');
    const options = { out: join(cwd, 'mean.jsonl'), top: 3 };
    for (const [more, place] of [
      [{ files: { events: 'shop.csv' } }, '--events'],
      [{ files: { items: 'shop.csv' } }, '--items'],
      [{ rerank: 5 }, '--rerank'],
    ] as const) {
      const refused = `${place}: a run of mean cannot answer for newer data`;
      await expect(recommendAll(session, 'mean', { ...options, ...more })).rejects.toThrow(refused);
    }
  });

  it('picks the best of many with ties in order', () => {
    const values = Array.from({ length: 300 }, (_, n) => (n * 7919) % 41);
    const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
    for (const count of [1, 7, 299, 400]) expect(topPositions(values, count)).toEqual(sorted.slice(0, count));
  });
});

/** A finished run on a language model that answers for newer events, people and items. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import {
  loadConfig,
  openLiveRun,
  openRun,
  openSession,
  recommendAll,
  runExperiment,
  type Session,
  similarItems,
} from '../src';

const base = `data: { path: ml-1m }
cf: { cfDim: 6, learningRate: 0.02, batchSize: 16, epochs: 3, sasrec: { blocks: 1 } }
llm: { path: model }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
lora: { rank: 2 }
training: { stage1: &s { rows: 4, batchSize: 4 }, stage2: *s }
evaluation: { validRows: 4, testRows: 4, batchTokens: 2000 }
`;
const runs = {
  'collm-mf': ['method=collm'],
  'ccf-sasrec': ['method=ccf', 'cf.model=sasrec'],
  mf: ['method=mf'],
  words: ['method=instruct', 'prompt.neighbors=true'],
  tallrec: ['method=tallrec'],
  sasrec: ['method=sasrec', 'cf.model=sasrec'],
  two: ['method=ccf', 'cf.run=[mf, sasrec]'],
};
const cfRuns = ['mf', 'sasrec'];

let session: Session;
let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
  for (const [name, text] of Object.entries({ ...inventedMl1m(14, 9), 'base.yaml': `method: collm\n${base}` })) {
    await mkdir(dirname(join(cwd, name)), { recursive: true });
    await writeFile(join(cwd, name), text);
  }
  await writeTinyModel(join(cwd, 'model'));
  session = openSession({ cwd });
  for (const [run, set] of Object.entries(runs)) {
    await runExperiment(await loadConfig('base.yaml', { cwd, set }), session, { run });
  }
});
afterAll(async () => {
  await session.close();
  await rm(cwd, { recursive: true, force: true });
});

it.each(['ccf-sasrec', 'words', 'tallrec'])(
  '%s gives every user the list that the user is given alone, and says what it costs',
  async (name) => {
    await writeFile(join(cwd, 'newer.csv'), 'user,item,label,timestamp\nme,1,1,2000000000\nme,new,1,2000000001\n');
    await writeFile(join(cwd, 'titles.csv'), 'item,title\nnew,A new film (2030)\n');
    const files = { events: 'newer.csv', items: 'titles.csv' };
    const said: string[] = [];
    const log = { debug() {}, warn() {}, info: (message: unknown) => void said.push(String(message)) };
    const out = join(cwd, `${name}.jsonl`);
    const counts = await recommendAll({ ...session, log }, name, { out, top: 3, rerank: 4, files });
    const lists = (await readFile(out, 'utf8')).trimEnd().split('\n');

    await using live = await openLiveRun(session, name, { files });
    let candidates = 0;
    for (const [at, user] of live.users().entries()) {
      const { items, basis } = await live.recommend({ user }, { top: 3, candidates: 4 });
      const expected = items.map(({ item, score }) => ({ item, title: live.item(item)!.title, score }));
      const isSaid = basis !== 'user' && items.length > 0;
      expect(JSON.parse(lists[at]!)).toEqual({ user, items: expected, ...(isSaid && { basis }) });
      const known = live.user(user)!.events.map(({ item }) => item);
      const open = live.items().length - new Set(known).size;
      candidates += live.parts.cf ? Math.min(4, open) : open;
    }
    expect(counts.users).toBe(15);
    expect(JSON.parse(lists[14]!)).toMatchObject({ user: 'me', basis: name === 'words' ? 'folded-in' : 'history' });
    expect(said).toContain(`15 users with at most ${candidates} candidates in all, each scored by the language model`);
  },
);

it.each(['ccf-sasrec', 'tallrec'])('%s filters before CF picks, and ranks new items that pass', async (name) => {
  const added = { id: 'new', title: 'A new film (2030)', attributes: { genres: ['Comedy'], year: 2030 } };
  await using live = await openLiveRun(session, name, { items: [added] });
  const comic = ['2', '4', '6', '8'];
  const where = { genres: { any: ['Comedy'] } };
  live.addItems(comic.map((id) => ({ id, title: live.item(id)!.title, attributes: { genres: ['Comedy'] } })));
  const person = { history: ['1'] };
  const idsOf = (list: Awaited<ReturnType<typeof live.recommend>>) => list.items.map(({ item }) => item);
  const list = await live.recommend(person, { top: 9, candidates: 5, where });
  expect(idsOf(list).sort()).toEqual([...comic, 'new']);
  expect(list).toEqual(await live.recommend(person, { top: 9, among: [...comic, 'new'] }));
  const titled = await live.recommend(person, { top: 9, candidates: 5, where, titleContains: 'NEW FILM' });
  expect(idsOf(titled)).toEqual(['new']);
  if (!live.parts.cf) return;
  const picked = idsOf(await live.recommend(person, { top: 9, candidates: 2, where }));
  const quick = idsOf(await live.recommend(person, { top: 9, effort: 'cf', where }));
  expect([picked.length, [...quick].sort()]).toEqual([2, comic]);
  expect(picked.sort()).toEqual(quick.slice(0, 2).sort());
});

it('fills up with new items where CF can rank fewer than the language model is handed', async () => {
  const genres = ['Saga'];
  const added = ['a', 'b', 'c'].map((id) => ({ id, title: `Saga ${id}`, attributes: { genres } }));
  await using live = await openLiveRun(session, 'ccf-sasrec', { items: added });
  live.addItems([{ id: '2', title: live.item('2')!.title, attributes: { genres } }]);
  const of = async (options: Parameters<typeof live.recommend>[1]) => {
    const { items } = await live.recommend({ history: ['1'] }, { top: 9, ...options });
    return items.map(({ item }) => item).sort();
  };
  expect(await of({ candidates: 3, where: { genres: { any: genres } } })).toEqual(['2', 'a', 'b']);
  expect(await of({ candidates: 2, titleContains: 'saga' })).toEqual(['a', 'b']);
  expect(await of({ effort: 'cf', titleContains: 'saga' })).toEqual([]);
  expect(await of({ candidates: 2 })).not.toContain('a');
});

it('ranks by CF as CF does alone, whatever a language model made of its vectors since', async () => {
  await using alone = await openLiveRun(session, 'mf');
  await using together = await openLiveRun(session, 'collm-mf');
  for (const person of [{ user: alone.users()[1]! }, { history: alone.items({ limit: 3 }).map(({ id }) => id) }]) {
    const [expected, { items, basis }] = await Promise.all([
      alone.recommend(person, { top: 99, repeats: 'allow' }),
      together.recommend(person, { top: 99, repeats: 'allow', effort: 'cf' }),
    ]);
    expect({ items, basis }).toEqual(expected);
    expect(items.length).toBeGreaterThan(3);
  }
});

it('leaves nothing of a call behind in the signal of the session', async () => {
  await using live = await openLiveRun(session, 'tallrec');
  const [user = ''] = live.users();
  const { signal } = new AbortController();
  // In Node 20 every call of it leaves something in the signal that lives longer.
  const any = vi.spyOn(AbortSignal, 'any');
  const added = vi.spyOn(session.signal, 'addEventListener');
  const removed = vi.spyOn(session.signal, 'removeEventListener');
  await live.recommend({ user }, { signal, repeats: 'allow' });
  expect([any.mock.calls.length, added.mock.calls.length, removed.mock.calls.length]).toEqual([0, 1, 1]);
  vi.restoreAllMocks();
});

it('says whether prompts have room for a title', async () => {
  await using live = await openLiveRun(session, 'tallrec');
  expect([live.fits('A new film (2030)'), live.fits('film '.repeat(1000))]).toEqual([true, false]);
  const [user = ''] = live.users();
  live.addItems([{ id: 'new', title: 'A new film (2030)' }]);
  expect((await live.score({ user }, ['new'])).scores).toHaveLength(1);
});

it.each(Object.keys(runs).filter((name) => !cfRuns.includes(name)))(
  '%s scores as its run does, and goes on to newer people, events and items',
  async (name) => {
    const hasCf = name !== 'tallrec';
    const learns = name === 'collm-mf' || name === 'words' || name === 'two';
    const { scorer, dataset } = await openRun(session, name, []);
    const ids = dataset.items.slice(1).map(({ id }) => id);
    const trained = dataset.users[dataset.splits.train.user[0]!]!;
    const own = Int32Array.from(ids, (_, at) => at + 1);
    const user = new Int32Array(own.length).fill(dataset.users.indexOf(trained));
    const expected = await scorer.scorePairs({ user, item: own, place: ids.map(() => null) });
    await scorer.close();

    await using live = await openLiveRun(session, name, { items: [{ id: 'new', title: 'A new film (2030)' }] });
    expect(live.parts).toEqual({ cf: hasCf, llm: true });
    const { basis, scores } = await live.score({ user: trained }, ids);
    expect(basis).toBe(learns ? 'user' : 'history');
    expect(scores.map(({ score }) => score)).toEqual([...expected.score]);
    for (const { score, llm, cf } of scores) expect([llm, cf === null]).toEqual([score, !hasCf || cf === null]);

    const { items: all } = await live.recommend({ user: trained }, { top: 99, repeats: 'allow' });
    const picked = await live.recommend({ user: trained }, { candidates: 2, repeats: 'allow' });
    // Nine items and one are few enough for the language model: CF picks none of them.
    expect(all.map(({ item }) => item)).toContain('new');
    if (hasCf) {
      expect(picked.items).toHaveLength(2);
      const byCf = await live.recommend({ user: trained }, { effort: 'cf', top: 2, repeats: 'allow' });
      expect(byCf.items.map(({ item }) => item).sort()).toEqual(picked.items.map(({ item }) => item).sort());
      expect(byCf.items[0]).toMatchObject({ llm: null });
      const near = await live.similar(ids[0]!, 5);
      expect(near).toHaveLength(5);
      const { items: alike } = await similarItems(session, name, { item: ids[0]!, top: 5 });
      expect(alike.map(({ item, score }) => ({ item, score }))).toEqual(near);
    } else await expect(live.recommend({ user: trained }, { effort: 'cf' })).rejects.toThrow('has no CF model');

    const history = ids.slice(0, 3);
    const before = await live.score({ history }, [...ids, 'new']);
    expect(before.basis).toBe(learns ? 'folded-in' : 'history');
    expect(before.scores.at(-1)).toMatchObject({ item: 'new', cf: null });
    expect(Number.isFinite(before.scores.at(-1)!.score)).toBe(true);
    live.observe(history.map((item, n) => ({ user: 'me', item, label: 1, timestamp: 2e9 + n })));
    expect(await live.score({ user: 'me' }, [...ids, 'new'])).toEqual(before);
    live.observe([{ user: 'me', item: 'new', label: 1, timestamp: 3e9 }]);
    const after = await live.score({ user: 'me' }, [...ids, 'new']);
    expect(after.basis).toBe(before.basis);
    if (name !== 'words') expect(after.scores).not.toEqual(before.scores);
    const [reasons] = await live.explain({ history }, [ids[4]!], { most: 9 });
    expect(reasons!.length).toBeGreaterThan(1);
    expect((await live.score({ history: [] }, ids)).basis).toBe('popularity');

    const abort = new AbortController();
    abort.abort(new Error('enough'));
    await expect(live.recommend({ user: trained }, { signal: abort.signal, repeats: 'allow' })).rejects.toThrow(
      'enough',
    );
  },
);

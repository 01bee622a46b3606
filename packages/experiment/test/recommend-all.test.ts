/** Lists for every user: the same as for one, in three formats, whole or resumable. */
import { appendFile, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from '@crossgate/core';
import { readCsv } from '@crossgate/data';
import { folderWith, listing } from '@crossgate/testing/node';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, openRun, openSession, type RecommendAllOptions, recommendAll, runExperiment } from '../src';
import { parquetBytes } from '../src/batch/parquet';
import { shopWith } from './shop';

let cwd: string;
/** A finished run of a baseline. */
async function aRun(): Promise<void> {
  cwd = await shopWith({ mean: '' });
  await using session = openSession({ cwd });
  await runExperiment(await loadConfig('mean.yaml', { cwd }), session, { run: 'mean' });
}

const options = (out: string, more: Partial<RecommendAllOptions> = {}) => ({ out: join(cwd, out), top: 3, ...more });

async function write(out: string, more: Partial<RecommendAllOptions> = {}, run = 'mean') {
  await using session = openSession({ cwd });
  return recommendAll(session, run, options(out, more));
}

/** Stops once so many users are done. */
async function stopAfter(users: number, out: string, more: Partial<RecommendAllOptions> = {}) {
  const stop = new AbortController();
  const progress: Progress = {
    start: () => ({ update: (done) => void (done >= users && stop.abort()), finish() {} }),
  };
  await using session = openSession({ cwd, progress, signal: stop.signal });
  return recommendAll(session, 'mean', options(out, more));
}

interface Line {
  user: string;
  basis?: string;
  items: { item: string; title: string; score: number }[];
}

const jsonLines = async (name: string) =>
  (await readFile(join(cwd, name), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

describe('recommendAll', () => {
  beforeEach(aRun);
  it('gives every user, in the order of dense ids, the list that the user is given alone', async () => {
    const counts = await write('lists.jsonl');
    const lines = await jsonLines('lists.jsonl');
    await using session = openSession({ cwd });
    const { dataset, scorer } = await openRun(session, 'mean', []);
    expect(lines.map(({ user }) => user)).toEqual(dataset.users.slice(1));
    expect(lines.map(({ user }) => user)).toContain('late, user');
    for (const [index, line] of lines.entries()) {
      const { items, scores, basis } = await scorer.best(index + 1, { count: 3, candidates: null });
      const expected = Array.from(items, (item, rank) => {
        const { id, title } = dataset.items[item]!;
        return { item: id, title, score: scores.score[rank]! };
      });
      expect(line).toEqual({ user: line.user, ...(basis === 'popularity' && { basis }), items: expected });
    }
    const popular = lines.filter(({ basis }) => basis === 'popularity');
    expect(popular.map(({ user }) => user)).toEqual(['late, user']);
    const rows = lines.reduce((sum, { items }) => sum + items.length, 0);
    expect(counts).toMatchObject({ method: 'mean', users: 9, rows, popular: 1, empty: 0 });
    expect(await listing(cwd)).not.toContain('lists.jsonl.part');
  });

  it('writes the same rows as CSV and Parquet, whatever titles hold', async () => {
    for (const ending of ['jsonl', 'csv', 'parquet']) await write(`lists.${ending}`, { top: 11 });
    const rows = (await jsonLines('lists.jsonl')).flatMap(({ user, basis = 'user', items }) =>
      items.map((item, index) => ({ user, rank: index + 1, ...item, basis })),
    );
    expect(new Set(rows.map(({ title }) => title)).size).toBeGreaterThan(8);
    const parquet = await asyncBufferFromFile(join(cwd, 'lists.parquet'));
    expect(await parquetReadObjects({ file: parquet })).toEqual(rows);
    const columns = ['user', 'rank', 'item', 'title', 'score', 'basis'];
    const found: unknown[] = [];
    const bytes = [await readFile(join(cwd, 'lists.csv'))];
    const chunks = (async function* () {
      yield* bytes;
    })();
    for await (const some of readCsv(chunks, { name: 'lists.csv', columns })) {
      for (const { values } of some) {
        const [user, rank, item, title, score, basis] = values as string[];
        found.push({ user, rank: Number(rank), item, title, score: Number(score), basis });
      }
    }
    expect(found).toEqual(rows);
  });

  it('makes CSV safe for spreadsheets where it is asked to: texts, not numbers', async () => {
    await write('lists.csv', { top: 11, repeats: 'allow' });
    const plain = await readFile(join(cwd, 'lists.csv'), 'utf8');
    await write('lists.csv', { top: 11, repeats: 'allow', safeCsv: true });
    const safe = await readFile(join(cwd, 'lists.csv'), 'utf8');
    expect(plain).toContain(',=1+1,');
    expect(safe).toBe(plain.replaceAll(',=1+1,', ",'=1+1,"));
  });

  it('gives known items where repeats are allowed, and does not go on with lists of the other kind', async () => {
    await write('lists.jsonl', { top: 99 });
    const fresh = await jsonLines('lists.jsonl');
    await write('lists.jsonl', { top: 99, repeats: 'allow' });
    const all = await jsonLines('lists.jsonl');
    for (const [at, { items }] of all.entries()) expect(items.length).toBeGreaterThan(fresh[at]!.items.length);
    await expect(stopAfter(4, 'lists.jsonl')).rejects.toThrow(/^4 of 9/);
    await expect(write('lists.jsonl', { repeats: 'allow' })).rejects.toMatchObject({ code: 'part.other' });
  });

  it('ranks candidates alone, also those that a user knows', async () => {
    const wanted = ['i1', 'i4', 'i9'];
    await write('lists.jsonl', { candidates: async () => wanted, top: 2 });
    for (const { items } of await jsonLines('lists.jsonl')) {
      expect(items).toHaveLength(2);
      for (const { item } of items) expect(wanted).toContain(item);
    }
  });

  it.each(['jsonl', 'csv', 'parquet'])(
    'goes on after an interruption to the bytes of an unbroken %s',
    async (ending) => {
      await write(`whole.${ending}`);
      const out = `lists.${ending}`;
      await expect(stopAfter(4, out)).rejects.toThrow(
        /^4 of 9 users are kept in .*lists\.\w+\.part; the same command goes on from there$/,
      );
      expect((await listing(cwd)).filter((name) => name.startsWith('lists'))).toEqual([`${out}.part`]);
      // As a process leaves it that is killed in the middle of a write.
      await appendFile(join(cwd, `${out}.part`), '{"items":[1,2],"sco');
      await expect(stopAfter(6, out)).rejects.toThrow(/^6 of 9 users/);
      const { size } = await stat(join(cwd, `${out}.part`));
      await truncate(join(cwd, `${out}.part`), size - 3);
      const said: string[] = [];
      const log = { debug() {}, warn() {}, info: (message: unknown) => void said.push(String(message)) };
      await using session = openSession({ cwd, log });
      expect(await recommendAll(session, 'mean', options(out))).toMatchObject({ users: 9 });
      expect(said).toContain('continuing after 5 of 9 users');
      expect(await readFile(join(cwd, out))).toEqual(await readFile(join(cwd, `whole.${ending}`)));
      expect((await listing(cwd)).filter((name) => name.startsWith('lists'))).toEqual([out]);
    },
  );

  it('leaves nothing when it is stopped before the first user, and replaces an earlier file only when it is whole', async () => {
    await writeFile(join(cwd, 'lists.csv'), 'earlier');
    const stop = new AbortController();
    stop.abort();
    await using session = openSession({ cwd, signal: stop.signal });
    await expect(recommendAll(session, 'mean', options('lists.csv'))).rejects.toThrow(/^interrupted$/);
    expect((await listing(cwd)).filter((name) => name.startsWith('lists'))).toEqual(['lists.csv']);
    await expect(stopAfter(2, 'lists.csv')).rejects.toThrow(/2 of 9/);
    expect(await readFile(join(cwd, 'lists.csv'), 'utf8')).toBe('earlier');
    await write('lists.csv');
    expect(await readFile(join(cwd, 'lists.csv'), 'utf8')).toMatch(/^user,rank,item,title,score,basis\n/);
  });

  it('refuses to go on with other options, another run or other candidates, and names the remedy', async () => {
    await expect(stopAfter(2, 'lists.csv')).rejects.toThrow(/2 of 9/);
    const before = await readFile(join(cwd, 'lists.csv.part'));
    const remedy = 'repeat the command that began it, delete it to start anew, or name another --out';
    const refused = (words: string) =>
      expect.objectContaining({ code: 'part.other', message: expect.stringContaining(`${words}; ${remedy}`) });
    await expect(write('lists.csv', { top: 4 })).rejects.toEqual(refused('was begun with top 3, and now it is 4'));
    await expect(write('lists.csv', { candidates: async () => ['i1'] })).rejects.toEqual(
      refused('was begun with another candidates'),
    );
    await using session = openSession({ cwd });
    await runExperiment(await loadConfig('mean.yaml', { cwd }), session, { run: 'again' });
    await expect(recommendAll(session, 'again', options('lists.csv'))).rejects.toEqual(
      refused('was begun with another run'),
    );
    expect(await readFile(join(cwd, 'lists.csv.part'))).toEqual(before);
    expect(await write('lists.csv')).toMatchObject({ users: 9 });
  });

  it.each([
    ['no part', 'user,item\n1,2\n', /lists\.csv\.part: is no part of a result; move it away/],
    ['a damaged line', 'KEEP{"items":[1],"scores":["x"],"basis":"user"}\n', /lists\.csv\.part:4: is no list of items/],
    ['too many users', `KEEP${'{}\n'.repeat(20)}`, /lists\.csv\.part: has 22 users, but there are 9/],
  ])('refuses %s', async (_, text, words) => {
    await expect(stopAfter(2, 'lists.csv')).rejects.toThrow(/2 of 9/);
    const kept = await readFile(join(cwd, 'lists.csv.part'), 'utf8');
    const damaged = text.startsWith('KEEP') ? kept + text.slice(4) : text;
    await writeFile(join(cwd, 'lists.csv.part'), damaged);
    await expect(write('lists.csv')).rejects.toThrow(words);
    expect((await readFile(join(cwd, 'lists.csv.part'), 'utf8')).startsWith(damaged)).toBe(true);
    expect(await listing(cwd)).not.toContain('lists.csv');
  });

  it('refuses a file that another process is writing, another ending, and a folder', async () => {
    const holder = { pid: 1, host: 'elsewhere', started: null };
    await writeFile(join(cwd, 'lists.csv.part.lock'), JSON.stringify(holder));
    await expect(write('lists.csv')).rejects.toThrow(/process 1 on elsewhere is writing this file/);
    await expect(write('lists.txt')).rejects.toThrow(/ends with none of \.parquet, \.csv, \.jsonl/);
    const folder = await folderWith({ 'x.csv/y': '' });
    await expect(write(join(folder, 'x.csv'), { out: join(folder, 'x.csv') })).rejects.toThrow(/is a folder/);
  });
});

describe('parquetBytes', () => {
  it('holds a row group at a time, and reads back with nulls and float32 vectors bit for bit', async () => {
    const values = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i) * 10 ** (i - 6));
    const groups = (async function* () {
      yield [
        ['a', 'b'],
        [null, 'ß'],
        [1, -2],
        [values.subarray(0, 4), values.subarray(4, 8)],
      ];
      yield [['c'], [''], [3], [values.subarray(8)]];
    })();
    const path = join(await folderWith(), 'x.parquet');
    const columns = [
      { name: 'id', type: 'text' },
      { name: 'title', type: 'text', nullable: true },
      { name: 'n', type: 'int32' },
      { name: 'vector', type: 'vectors' },
    ] as const;
    const pieces: Uint8Array[] = [];
    for await (const piece of parquetBytes(columns, groups)) pieces.push(piece);
    expect(pieces).toHaveLength(3);
    await writeFile(path, Buffer.concat(pieces));
    const file = await asyncBufferFromFile(path);
    expect((await parquetMetadataAsync(file)).row_groups.map(({ num_rows }) => Number(num_rows))).toEqual([2, 1]);
    const rows = await parquetReadObjects({ file });
    expect(rows.map(({ id, title, n }) => [id, title, n])).toEqual([
      ['a', null, 1],
      ['b', 'ß', -2],
      ['c', '', 3],
    ]);
    expect(rows.flatMap(({ vector }) => vector as number[])).toEqual([...values]);
  });
});

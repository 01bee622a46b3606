/** recommend --all-users, similar and vectors on the command line, and lists that a killed process left. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, inventedMl1m, listing } from '@crossgate/testing/node';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { jsonFailure, runCli } from './cli';
import { built, startProgram } from './program';
import { tinyRuns } from './tiny-runs';

const adapters = await listAdapters();
const preload = join(import.meta.dirname, 'fail-at.mjs');

async function run(cwd: string, ...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(argv, { cwd });
  expect(code, stderr).toBe(0);
  return stdout;
}

/** A folder with a finished run of `mean`. */
async function aRun(): Promise<string> {
  const cwd = await folderWith({ ...inventedMl1m(14, 9), 'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n' });
  await run(cwd, 'train', 'mean.yaml', '--run', 'mean', '--quiet');
  return cwd;
}

/** The part of a list that the command has written. */
const lists = async (path: string) =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('recommend --all-users', () => {
  it('writes what recommend --user says of each user, and counts it', async () => {
    const cwd = await aRun();
    // Most have rated all items.
    const repeats = ['--repeats', 'allow'];
    const argv = ['recommend', 'mean', '--all-users', '--top', '3', ...repeats, '--out', 'out/lists.jsonl', '--json'];
    const counts = JSON.parse(await run(cwd, ...argv));
    const all = await lists(join(cwd, 'out/lists.jsonl'));
    const rows = all.reduce((sum, { items }) => sum + items.length, 0);
    expect(counts).toEqual({
      ...{ run: 'mean', method: 'mean', users: 14, rows, popular: 0, empty: 0, out: 'out/lists.jsonl' },
      seconds: expect.any(Number),
    });
    for (const list of [all[0], all[7], all[13]]) {
      const alone = JSON.parse(
        await run(cwd, 'recommend', 'mean', '--user', list.user, '--top', '3', ...repeats, '--json'),
      );
      expect(list).toEqual(alone);
    }
    expect(await run(cwd, ...argv.slice(0, -1))).toMatch(/^14 users, \d+ items in all: out\/lists\.jsonl\n$/);
    expect(await listing(join(cwd, 'out'))).toEqual(['lists.jsonl']);
  });

  it.each([
    [['--user', '1', '--all-users', '--out', 'x.csv'], /--user: does not go with --all-users; leave one of them out/],
    [[], /give --user or --history, one of them, or --all-users/],
    [['--all-users'], /--all-users: needs a file; name it with --out FILE/],
    [['--user', '1', '--out', 'x.csv'], /--out: goes with --all-users alone/],
    [
      ['--all-users', '--out', 'x.cvs'],
      /--out: x\.cvs ends with none of \.parquet, \.csv, \.jsonl \(did you mean \.csv\?\)/,
    ],
    [['--all-users', '--out', 'ml-1m.csv', '--candidates', 'absent.txt'], /absent\.txt: list of candidates not found/],
    [['--all-users', '--out', 'x.csv', '--events', 'x'], /--events: a run of mean cannot answer for newer data/],
    [['--all-users', '--out', 'x.csv', '--rerank', '5'], /--rerank: a run of mean cannot answer for newer data/],
    [['--all-users', '--out', 'x.csv', '--set', 'seed=2'], /--set seed: cannot be changed for a finished run/],
  ])('refuses %j, and leaves nothing', async (argv, words) => {
    const cwd = await aRun();
    const before = await listing(cwd);
    const { code, stdout, stderr } = await runCli(['recommend', 'mean', ...argv, '--json'], { cwd });
    expect(stderr).toMatch(words);
    expect({ code, answer: JSON.parse(stdout) }).toEqual({ code: 2, answer: jsonFailure });
    expect(await listing(cwd)).toEqual(before);
  });
});

describe.skipIf(!built)('lists of a process that is killed (needs dist/)', () => {
  it('are continued wherever it was, also in the middle of a write', async () => {
    const cwd = await aRun();
    const argv = (out: string) => ['recommend', 'mean', '--all-users', '--out', `${out}/lists.csv`, '--json'];
    const trace = join(cwd, 'trace.txt');
    await mkdir(join(cwd, 'whole'));
    const env = { FAIL_IN: join(cwd, 'whole'), FAIL_TRACE: trace };
    expect((await startProgram(argv('whole'), { cwd, preload, env }).ended).code).toBe(0);
    const operations = (await readFile(trace, 'utf8')).trimEnd().split('\n');
    const expected = await readFile(join(cwd, 'whole/lists.csv'), 'utf8');
    // In the manifest, in the lists, in the file itself, and as the part is removed.
    const moments = [
      operations.indexOf('write lists.csv.part'),
      operations.lastIndexOf('write lists.csv.part'),
      operations.indexOf('write lists.csv'),
      operations.lastIndexOf('remove lists.csv.part'),
    ];
    expect(
      moments.toSorted((a, b) => a - b),
      operations.join(', '),
    ).toEqual(moments);
    expect(moments[0]).toBeGreaterThanOrEqual(0);
    for (const moment of moments) {
      const name = `killed${moment}`;
      await mkdir(join(cwd, name));
      const failing = { FAIL_IN: join(cwd, name), FAIL_AT: String(moment + 1) };
      const killed = await startProgram(argv(name), { cwd, preload, env: failing }).ended;
      expect(killed.signal, killed.stderr).toBe('SIGKILL');
      const isTorn = moment === moments[1];
      if (isTorn) expect(await readFile(join(cwd, name, 'lists.csv.part'), 'utf8')).not.toMatch(/\n$/);
      const rest = await startProgram(argv(name), { cwd }).ended;
      expect(rest.code, rest.stderr).toBe(0);
      if (isTorn) expect(rest.stderr).toMatch(/continuing after \d+ of 14 users/);
      expect(await readFile(join(cwd, name, 'lists.csv'), 'utf8')).toBe(expected);
      expect((await listing(join(cwd, name))).filter((file) => !file.endsWith('.partial'))).toEqual(['lists.csv']);
    }
  }, 120_000);
});

describe.skipIf(!built)('lists on a full disk (needs dist/)', () => {
  it('name the file, keep nothing that is torn, and are continued', async () => {
    const cwd = await aRun();
    await mkdir(join(cwd, 'out'));
    const argv = ['recommend', 'mean', '--all-users', '--out', 'out/lists.csv'];
    const trace = join(cwd, 'trace.txt');
    const env = { FAIL_IN: join(cwd, 'out'), FAIL_TRACE: trace };
    await startProgram(argv, { cwd, preload, env }).ended;
    const at = (await readFile(trace, 'utf8')).trimEnd().split('\n').lastIndexOf('write lists.csv.part');
    const full = { FAIL_IN: join(cwd, 'out'), FAIL_AT: String(at + 1), FAIL_WITH: 'ENOSPC' };
    const failed = await startProgram(argv, { cwd, preload, env: full }).ended;
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(failed.stderr).toMatch(/^error: .*lists\.csv\.part: .*and run again$/m);
    const rest = await startProgram(argv, { cwd }).ended;
    expect([rest.code, rest.stdout]).toEqual([0, expect.stringMatching(/^14 users, /)]);
    expect(await listing(join(cwd, 'out'))).toEqual(['lists.csv']);
  }, 60_000);
});

describe.skipIf(adapters.length === 0)('on a GPU', { timeout: 120_000 }, () => {
  it('a language model says what it will cost, and goes on after Ctrl-C; vectors and similar are of its run', async () => {
    const cwd = await tinyRuns();
    for (const name of ['ml-1m/ratings.dat', 'ml-1m/movies.dat']) {
      const text = inventedMl1m(5, 6)[name]!;
      await mkdir(dirname(join(cwd, name)), { recursive: true });
      await writeFile(join(cwd, name), text);
    }
    await run(cwd, 'train', 'ccf.yaml', '--run', 'ccf', '--quiet', '--set', 'evaluation.splits=[test]');
    await writeFile(join(cwd, 'some.txt'), '1\n3\n4\n6\n');
    const argv = ['recommend', 'ccf', '--all-users', '--top', '2', '--candidates', 'some.txt', '--out'];
    const first = await runCli([...argv, 'whole.parquet'], { cwd });
    expect(first.stderr).toMatch(/5 users with at most 20 candidates in all, each scored by the language model/);
    const file = await asyncBufferFromFile(join(cwd, 'whole.parquet'));
    const rows = await parquetReadObjects({ file });
    expect(rows.map(({ user, rank }) => [user, rank])).toEqual(
      ['1', '2', '3', '4', '5'].flatMap((user) => [
        [user, 1],
        [user, 2],
      ]),
    );

    // Stops as soon as the first user is kept.
    const stop = new AbortController();
    const part = join(cwd, 'lists.parquet.part');
    const kept = async () => existsSync(part) && (await readFile(part, 'utf8')).split('\n').length > 2;
    const watch = setInterval(() => void kept().then((is) => is && stop.abort()), 1);
    const stopped = await runCli([...argv, 'lists.parquet'], { cwd, signal: stop.signal });
    clearInterval(watch);
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.stderr).toMatch(/[1-4] of 5 users are kept in .*lists\.parquet\.part; the same command goes on/);
    const rest = await runCli([...argv, 'lists.parquet'], { cwd });
    expect(rest.stderr).toMatch(/continuing after [1-4] of 5 users/);
    expect(await readFile(join(cwd, 'lists.parquet'))).toEqual(await readFile(join(cwd, 'whole.parquet')));

    await writeFile(join(cwd, 'newer.csv'), 'user,item,label,timestamp\nme,1,1,2000000000\n');
    const newer = ['--events', 'newer.csv', '--rerank', '2', '--top', '2', '--json'];
    await run(cwd, 'recommend', 'ccf', '--all-users', '--out', 'lists.jsonl', ...newer);
    const last = (await lists(join(cwd, 'lists.jsonl'))).at(-1);
    expect(last).toEqual(JSON.parse(await run(cwd, 'recommend', 'ccf', '--user', 'me', ...newer)));
    expect(last).toMatchObject({ user: 'me', basis: 'folded-in' });

    const vectors = await runCli(['vectors', 'ccf', '--out', 'v.npy', '--kind', 'both', '--json'], { cwd });
    expect(JSON.parse(vectors.stdout)).toMatchObject({ model: 'mf', dim: 6, out: 'v.npy', ids: 'v.npy.ids.csv' });
    expect(vectors.stderr).toMatch(/ccf scores with a language model: dot products do not rank as recommend does/);
    const near = JSON.parse(await run(cwd, 'similar', 'ccf', '--item', '3', '--top', '2', '--json'));
    expect(near).toMatchObject({ item: '3', title: expect.stringMatching(/Invented Film 3/) });
    expect(near.items).toHaveLength(2);
    expect(await run(cwd, 'similar', 'ccf', '--item', '3')).toMatch(/ +cosine +item +title/);
  });
});

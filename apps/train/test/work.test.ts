/**
 * Workers of a NATS queue that are killed, a server that is killed, and a disk that is full: every shard is there once.
 * `studies/shards/kill.mjs` runs it at length and keeps its table.
 */
import { readdirSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { RandomStream } from '@crossgate/tensor';
import {
  findNats,
  folderWith,
  inventedMl1m,
  listing,
  type NatsServer,
  noNats,
  startNats,
} from '@crossgate/testing/node';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './cli';
import { built, type Ended, startProgram } from './program';

const nats = findNats();
/** Rounds of four faults: a worker killed in a file operation, a full disk, a worker and the server killed by the clock. */
const rounds = Number(process.env.CROSSGATE_SHARD_ROUNDS ?? 1);
const table = process.env.CROSSGATE_SHARD_TABLE;
const seed = Number(process.env.CROSSGATE_SHARD_SEED ?? 1);
const preload = join(import.meta.dirname, 'fail-at.mjs');
const [SHARDS, WORKERS] = [200, 3];

let cwd: string;
let server: NatsServer;
let url: string[];
// Most have rated all items.
const asked = ['--all-users', '--top', '3', '--repeats', 'allow'];
const lists = [...asked, '--out', 'parts'];

async function run(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(argv, { cwd });
  expect(code, stderr).toBe(0);
  return stdout;
}
const work = (...more: string[]) => ['work', 'mean', ...url, ...lists, ...more];
const json = async (...argv: string[]) => JSON.parse(await run(...argv, '--json'));
/** Number of manifests. */
const finished = (folder: string) =>
  readdirSync(join(cwd, folder)).filter((name) => /^shard-.*\.json$/.test(name)).length;

async function start(users: number): Promise<void> {
  cwd = await folderWith({
    ...inventedMl1m(users, 9),
    'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n',
    'nats/x': '',
  });
  server = await startNats(join(cwd, 'nats'));
  url = ['--nats', server.url];
  await run('train', 'mean.yaml', '--run', 'mean', '--quiet');
  await run('recommend', 'mean', ...asked, '--out', 'whole.csv');
}

async function expectWhole(folder = 'parts'): Promise<void> {
  await run('merge', folder, '--out', 'merged.csv');
  expect(await readFile(join(cwd, 'merged.csv'), 'utf8')).toBe(await readFile(join(cwd, 'whole.csv'), 'utf8'));
}

describe.skipIf(nats === null)(`a work queue${nats === null ? ` (${noNats})` : ''}`, () => {
  beforeEach(() => start(14));
  afterEach(() => server.kill());

  it('is filled once, emptied by a worker, and refilled with what is not finished', async () => {
    const absent = await runCli(work(), { cwd });
    expect(absent.code).toBe(2);
    expect(absent.stderr).toMatch(/there is no queue of this job; fill it: the same command with --enqueue N/);
    const counts = { run: 'mean', method: 'mean', shards: 7, out: 'parts' };
    expect(await json(...work('--enqueue', '7'))).toEqual({ ...counts, queued: 7, waiting: 0, finished: 0 });
    expect(await json(...work('--enqueue', '7'))).toEqual({ ...counts, queued: 0, waiting: 7, finished: 0 });
    const other = await runCli(work('--enqueue', '8'), { cwd });
    expect(other.stderr).toMatch(/the queue of this job has 7 shards, and now it is 8; name --enqueue 7, or remove/);
    // Made by other means: the manifest says so, whatever the queue thinks.
    await run('recommend', 'mean', ...lists, '--shard', '2/7');
    const otherLists = await runCli(work('--where', 'genres=Comedy'), { cwd });
    expect(otherLists.stderr).toMatch(/there is no queue of this job|was made with where none, and now it is/);
    expect(await json(...work())).toEqual({ ...counts, made: 6, already: 1 });
    await expectWhole();
    // The queue is gone, and the shards are there.
    expect(await json(...work())).toEqual({ ...counts, made: 0, already: 0 });
    expect(await json(...work('--enqueue', '7'))).toEqual({ ...counts, queued: 0, waiting: 0, finished: 7 });
    await rm(join(cwd, 'parts/shard-3-of-7.json'));
    expect(await json(...work('--enqueue', '7'))).toEqual({ ...counts, queued: 1, waiting: 0, finished: 6 });
    expect(await json(...work())).toEqual({ ...counts, made: 1, already: 0 });
    await expectWhole();
  });

  it('gives a shard up whose input is refused, makes the others, and says what is missing', async () => {
    const pairs = ['--pairs', 'pairs.csv', '--out', 'scores'];
    await writeFile(join(cwd, 'pairs.csv'), 'user,item\n1,1\n2,2\nnobody,1\n3,3\n');
    await run('work', 'mean', ...url, ...pairs, '--enqueue', '4');
    const { code, stdout, stderr } = await runCli(['work', 'mean', ...url, ...pairs], { cwd });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/shard 2\/4 is given up: .*pairs\.csv:4: user "nobody" is not among/);
    expect(stderr).toMatch(/^error: .*scores: the queue is empty, and 1 of 4 shards are not finished: 2; see why/m);
    expect(await listing(join(cwd, 'scores'))).toHaveLength(6);
    const merged = await runCli(['merge', 'scores', '--out', 'merged.csv'], { cwd });
    expect(merged.stderr).toMatch(/shard 2 of 4 missing; run the command again with --shard 2\/4/);
  });

  it.each([
    [['--nats', 'nats://127.0.0.1:1'], {}, 1, /nats:\/\/127\.0\.0\.1:1: no NATS server answers: /],
    [[], { NATS_URL: 'nats://me:secret@127.0.0.1:1' }, 1, /nats:\/\/127\.0\.0\.1:1: no NATS server answers: /],
    [['--nats', 'http://x'], {}, 2, /--nats: is no address of a NATS server; write nats:\/\/HOST:PORT/],
    [[], {}, 2, /--nats: name the server of the queue; write --nats nats:\/\/HOST:PORT, or set NATS_URL/],
    [['--nats', 'nats://127.0.0.1:1'], { NATS_CREDS: 'absent' }, 2, /NATS_CREDS: names absent, which cannot be read/],
    [['--nats', 'nats://127.0.0.1:1', '--pairs', 'x.csv'], {}, 2, /give --pairs or --all-users, one of them/],
    [
      ['--nats', 'nats://127.0.0.1:1', '--where', 'genre=x'],
      {},
      2,
      /"genre" is no attribute of the items; there are genres/,
    ],
  ])('refuses %j with %j', async (argv, env, code, words) => {
    const ended = await runCli(['work', 'mean', ...lists, ...argv], { cwd, env: env as Record<string, string> });
    expect(ended.stderr).toMatch(words);
    expect(ended.stderr).not.toContain('secret');
    expect([ended.code, ended.stdout]).toEqual([code, '']);
  });

  it.each([
    ['--where', 'genres=Comedy'],
    ['--repeats', 'allow'],
    ['--rerank', '5'],
  ])('refuses %s for pairs', async (name, value) => {
    const argv = ['work', 'mean', '--nats', 'nats://127.0.0.1:1', '--pairs', 'x.csv', '--out', 'parts', name, value];
    const { code, stderr } = await runCli(argv, { cwd });
    expect([code, stderr]).toEqual([2, expect.stringContaining(`${name}: goes with --all-users alone`)]);
  });

  it('names a server without JetStream, and asks who is there by name and password', async () => {
    const bare = await startNats(cwd, ['--user', 'me', '--pass', 'secret']);
    const at = bare.url.replace('//', '//me:secret@');
    const outcomes = [
      await runCli(['work', 'mean', ...lists, '--nats', bare.url], { cwd }),
      await runCli(['work', 'mean', ...lists, '--nats', at], { cwd }),
      await runCli(['work', 'mean', ...lists], {
        cwd,
        env: { NATS_URL: bare.url, NATS_USER: 'me', NATS_PASSWORD: 'secret' },
      }),
    ];
    await bare.kill();
    expect(outcomes.map(({ code }) => code)).toEqual([1, 2, 2]);
    expect(outcomes[0]!.stderr).toMatch(/no NATS server answers: .*[Aa]uthorization/);
    for (const { stderr } of outcomes.slice(1)) expect(stderr).toMatch(/has no JetStream; start it with -js/);
  });
});

describe.skipIf(nats === null || !built)(`${WORKERS} workers (needs dist/ and nats-server)`, () => {
  const rows: (string | number)[][] = [];

  beforeEach(() => start(SHARDS));
  afterEach(() => server.kill());

  /** Waits until so many shards of a round are finished. */
  async function until(folder: string, count: number): Promise<number> {
    while (finished(folder) < count) await pause(2);
    return finished(folder);
  }

  it('lose and double none of 200 shards, whatever is killed', { timeout: 1_800_000 }, async () => {
    const random = new RandomStream(seed, 'shards');
    const between = (least: number, most: number) => least + Math.floor(random.uniform() * (most - least + 1));
    for (let round = 1; round <= rounds; round++) {
      const folder = `parts${round}`;
      await mkdir(join(cwd, folder));
      const own = (...more: string[]) => ['work', 'mean', ...url, ...asked, '--out', folder, ...more];
      await run(...own('--enqueue', String(SHARDS), '--lease', '1'));
      const launch = (env?: Record<string, string>) =>
        startProgram(own(), { cwd, ...(env && { env: { FAIL_IN: join(cwd, folder), ...env }, preload }) });
      // A shard takes some eight operations on files, so both fail within their first eight shards.
      const [killedAt, fullAt] = [between(1, 60), between(1, 60)];
      const failing = [launch({ FAIL_AT: String(killedAt) }), launch({ FAIL_AT: String(fullAt), FAIL_WITH: 'ENOSPC' })];
      const third = launch();
      const byClock = await until(folder, between(20, 90));
      third.child.kill('SIGKILL');
      const [killed, full] = (await Promise.all(failing.map(({ ended }) => ended))) as [Ended, Ended];
      expect([killed.signal, full.code, (await third.ended).signal], full.stderr).toEqual(['SIGKILL', 1, 'SIGKILL']);
      expect(full.stderr).toMatch(/^error: .*\/shard-\d+-of-200\.(csv|json): no space left on the device; free some/m);
      const begun = finished(folder);
      expect(begun).toBeLessThan(SHARDS);

      // One that starts while the server is away says so and ends: like a supervisor, the test starts it anew.
      const supervised = async (): Promise<Ended> => {
        const ended = await launch().ended;
        return ended.code === 1 && ended.stderr.includes('no NATS server answers') ? supervised() : ended;
      };
      const workers = Array.from({ length: WORKERS }, supervised);
      const atServer = await until(folder, between(begun + 10, begun + 80));
      await server.kill();
      await pause(between(0, 300));
      await server.start();
      const ends = await Promise.all(workers);
      expect(
        ends.map(({ code }) => code),
        ends.map(({ stderr }) => stderr).join('\n'),
      ).toEqual(ends.map(() => 0));
      await expectWhole(folder);
      const files = (await listing(join(cwd, folder))).filter((name) => !name.endsWith('.partial'));
      expect(files).toHaveLength(2 * SHARDS);
      rows.push([round, killedAt, fullAt, byClock, begun, atServer, `${files.length / 2}`, 'yes']);
    }
  });

  // No test of its own: it keeps what the test above has seen, where a table is asked for.
  afterAll(async () => {
    if (table === undefined) return;
    const header = [
      ...['round', 'worker 1: SIGKILL in file operation', 'worker 2: disk full from file operation'],
      ...['worker 3: SIGKILL after shards', 'finished when all three were dead', 'server: SIGKILL after shards'],
      ...['shards in the end', 'merged equals the whole'],
    ];
    const lines = [header, ...rows].map((cells) => `| ${cells.join(' | ')} |\n`);
    await mkdir(dirname(table), { recursive: true });
    await writeFile(table, [lines[0], `|${header.map(() => '---').join('|')}|\n`, ...lines.slice(1)].join(''));
    expect(rows).toHaveLength(rounds);
  });
});

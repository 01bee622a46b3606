/** Shards on the command line: which one a process makes, and what it says; merge. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, inventedMl1m, listing } from '@crossgate/testing/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shardOf } from '../src/shard-of';
import { jsonFailure, runCli } from './cli';
import { tinyRuns } from './tiny-runs';

const adapters = await listAdapters();

async function run(cwd: string, ...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(argv, { cwd });
  expect(code, stderr).toBe(0);
  return stdout;
}

const pairsOf = (users: number, items: number) =>
  `user,item\n${Array.from({ length: users * items }, (_, n) => `${1 + Math.floor(n / items)},${1 + (n % items)}\n`).join('')}`;

/** Puts a finished run of `mean` and all its pairs into a folder; default: a new one that is removed after the test. */
async function aRun(folder?: string): Promise<string> {
  const cwd = folder ?? (await folderWith());
  const files = {
    ...inventedMl1m(14, 9),
    'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n',
    'pairs.csv': pairsOf(14, 9),
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, name)), { recursive: true });
    await writeFile(join(cwd, name), text);
  }
  await run(cwd, 'train', 'mean.yaml', '--run', 'mean', '--quiet');
  return cwd;
}

describe('shardOf', () => {
  const slurm = (id: number, min: number, count: number, step = 1) => ({
    SLURM_ARRAY_TASK_ID: String(id),
    SLURM_ARRAY_TASK_MIN: String(min),
    SLURM_ARRAY_TASK_MAX: String(min + (count - 1) * step),
    SLURM_ARRAY_TASK_STEP: String(step),
    SLURM_ARRAY_TASK_COUNT: String(count),
  });

  it.each([
    ['3/8', undefined, {}, 3, 8],
    ['0/1', undefined, { JOB_COMPLETION_INDEX: '5' }, 0, 1],
    ['auto', 8, { JOB_COMPLETION_INDEX: '0' }, 0, 8],
    ['auto', undefined, { JOB_COMPLETION_INDEX: '7', CROSSGATE_SHARDS: '8' }, 7, 8],
    ['auto', undefined, slurm(0, 0, 8), 0, 8],
    ['auto', undefined, slurm(3, 1, 8), 2, 8],
    ['auto', undefined, slurm(15, 5, 4, 5), 2, 4],
    ['auto', undefined, { SLURM_ARRAY_TASK_ID: '4', SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_COUNT: '5' }, 3, 5],
    // Two tasks of an array of 200 again.
    ['auto', 200, slurm(17, 3, 2, 14), 17, 200],
  ])('reads %s with --shards %s from %j', (text, shards, env, index, count) => {
    expect(shardOf(text, shards, env)).toEqual({ index, count });
  });

  it.each([
    ['8/8', undefined, {}, /^--shard: there is no shard 8 of 8; shards are counted from 0 to 7$/],
    ['1/0', undefined, {}, /^--shard: there cannot be 0 shards; choose 1 to 1,000,000$/],
    ['-1/8', undefined, {}, /^--shard: "-1\/8" is no shard; write I\/N, such as 0\/8, or auto$/],
    ['3', 8, {}, /^--shards: goes with --shard auto alone/],
    ['auto', 8, {}, /one of them; neither is set; start it in such a job, or write --shard I\/N$/],
    [
      'auto',
      8,
      { JOB_COMPLETION_INDEX: '1', SLURM_ARRAY_TASK_ID: '2' },
      /one of them; JOB_COMPLETION_INDEX is 1, SLURM_ARRAY_TASK_ID is 2; unset one of them$/,
    ],
    [
      'auto',
      undefined,
      { JOB_COMPLETION_INDEX: '1' },
      /Kubernetes does not say; JOB_COMPLETION_INDEX is 1; give --shards N or CROSSGATE_SHARDS, the completions of the job$/,
    ],
    ['auto', 8, { JOB_COMPLETION_INDEX: '8' }, /^JOB_COMPLETION_INDEX: there is no shard 8 of 8/],
    ['auto', 8, { JOB_COMPLETION_INDEX: 'x' }, /^JOB_COMPLETION_INDEX: is "x", not a whole number/],
    [
      'auto',
      undefined,
      { JOB_COMPLETION_INDEX: '0', CROSSGATE_SHARDS: 'many' },
      /^CROSSGATE_SHARDS: is "many", not a whole number/,
    ],
    ['auto', undefined, { SLURM_ARRAY_TASK_ID: '2' }, /MIN and SLURM_ARRAY_TASK_COUNT too; SLURM_ARRAY_TASK_ID is 2;/],
    ['auto', undefined, { ...slurm(7, 3, 3), SLURM_ARRAY_TASK_MAX: '20' }, /ids in equal steps; .*_TASK_MAX is 20/],
    ['auto', 5, slurm(5, 1, 5), /^SLURM_ARRAY_TASK_ID: there is no shard 5 of 5/],
  ])('refuses %s with --shards %s from %j', (text, shards, env, words) => {
    expect(() => shardOf(text, shards, env)).toThrow(words);
  });
});

describe('--shard', () => {
  it('makes the parts of predict that merge joins, and says what it did', async () => {
    const cwd = await aRun();
    const whole = JSON.parse(await run(cwd, 'predict', 'mean', '--pairs', 'pairs.csv', '--json', '--out', 'whole.csv'));
    const [header, ...lines] = pairsOf(14, 9).trimEnd().split('\n');
    for (const [name, part] of Object.entries({ b: lines.slice(0, 50), a1: lines.slice(50, 51), a2: lines.slice(51) }))
      await writeFile(join(cwd, `${name}.csv`), `${[header, ...part].join('\n')}\n`);
    // Files, and patterns of files, in the order in which they are given.
    const predict = ['predict', 'mean', '--pairs', 'b.csv', 'a?.csv', '--json'];
    const [rows, made] = [[0, 0, 0], [] as unknown[]];
    for (const shard of [0, 1, 2]) {
      const found = JSON.parse(await run(cwd, ...predict, '--shard', `${shard}/3`, '--out', 'parts'));
      rows[shard] = found.rows;
      made.push(found);
    }
    expect(rows).toEqual([42, 42, 42]);
    expect(made[1]).toEqual({
      ...{ run: 'mean', method: 'mean', shard: 1, shards: 3, rows: 42, already: false },
      ...{ warm: expect.any(Number), cold: expect.any(Number), known: expect.any(Number) },
      out: 'parts/shard-1-of-3.csv',
    });
    const again = await runCli([...predict.slice(0, -1), '--shard', '1/3', '--out', 'parts'], { cwd });
    expect(again).toMatchObject({
      code: 0,
      stdout: 'shard 1/3: was finished already, and nothing was changed: parts/shard-1-of-3.csv\n',
    });
    const merged = JSON.parse(await run(cwd, 'merge', 'parts', '--out', 'merged.csv', '--json'));
    expect(merged).toEqual({
      ...{ ...whole, out: 'merged.csv', command: 'predict', shards: 3 },
      run: undefined,
    });
    expect(await readFile(join(cwd, 'merged.csv'), 'utf8')).toBe(await readFile(join(cwd, 'whole.csv'), 'utf8'));
    expect(await run(cwd, 'merge', 'parts', '--out', 'merged.csv')).toBe('3 shards, 126 rows in all: merged.csv\n');
  });

  it('makes lists in the shard that Kubernetes names, and predict writes Parquet by the ending', async () => {
    const cwd = await aRun();
    // Most have rated all items.
    const lists = ['recommend', 'mean', '--all-users', '--top', '3', '--repeats', 'allow'];
    await run(cwd, ...lists, '--out', 'whole.parquet');
    for (const index of ['0', '1']) {
      const argv = [...lists, '--shard', 'auto', '--shards', '2', '--format', 'parquet', '--out', 'parts', '--json'];
      const { code, stdout, stderr } = await runCli(argv, { cwd, env: { JOB_COMPLETION_INDEX: index } });
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ shard: Number(index), shards: 2, users: 7 });
    }
    await run(cwd, 'merge', 'parts', '--out', 'merged.parquet');
    expect(await readFile(join(cwd, 'merged.parquet'))).toEqual(await readFile(join(cwd, 'whole.parquet')));
    await run(cwd, 'predict', 'mean', '--pairs', 'pairs.csv', '--out', 'scores.parquet');
    expect((await readFile(join(cwd, 'scores.parquet'))).subarray(0, 4).toString()).toBe('PAR1');
  });
});

describe('what cannot be made', () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
    await aRun(cwd);
    await writeFile(join(cwd, 'none.csv'), 'user,item\n');
  });
  afterAll(() => rm(cwd, { recursive: true, force: true }));

  it.each([
    [['predict', 'mean', '--pairs', 'pairs.csv', '--shard', '3/3', '--out', 'x'], /there is no shard 3 of 3/],
    [['predict', 'mean', '--pairs', 'pairs.csv', '--shard', 'auto', '--out', 'x'], /auto needs JOB_COMPLETION_INDEX/],
    [['predict', 'mean', '--pairs', 'pairs.csv', '--format', 'csv', '--out', 'x'], /--format: goes with --shard alone/],
    [['predict', 'mean', '--pairs', 'absent.csv', '--shard', '0/3', '--out', 'x'], /absent\.csv: CSV not found/],
    [['predict', 'mean', '--pairs', 'pairs.csv', 'x/*.pq', '--out', 'x'], /x\/\*\.pq: no file has such a name/],
    [['predict', 'mean', '--pairs', 'p*.csv', '--out', 'pairs.csv'], /pairs\.csv is what the command reads/],
    [['predict', 'mean', '--pairs', 'pairs.csv', '--pairs', '', '--out', 'x'], /--pairs: is empty; give a path/],
    [['predict', '--pairs', 'pairs.csv', 'mean', '--out', 'x'], /'run'; write it before --pairs, which takes every/],
    [['predict', 'mean', '--pairs', '/dev/null', '--shard', '0/3', '--out', 'x'], /save it to a file first/],
    [['predict', 'mean', '--pairs', 'none.csv', '--shard', '0/3', '--out', 'x'], /none\.csv: holds no rows/],
    [
      ['predict', 'mean', '--pairs', 'pairs.csv', '--shard', '0/3', '--out', 'none.csv'],
      /none\.csv: is a file where a folder is needed/,
    ],
    [['predict', 'mean', '--pairs', 'pairs.csv', '--shard', '0/3', '--out', 'pairs.csv'], /is what the command reads/],
    [['predict', 'mean', '--pairs', 'pairs.csv', '--shard', '0/3', '--out', 'x', '--events', 'e'], /cannot answer for/],
    [['recommend', 'mean', '--user', '1', '--shard', '0/3'], /--shard: goes with --all-users alone/],
    [['merge', 'mean', '--out', 'x'], /holds no finished shards/],
    [['merge', 'absent', '--out', 'x'], /absent: is no folder of shards/],
  ])('is refused: %j, and nothing is left', async (argv, words) => {
    const before = await listing(cwd);
    const { code, stdout, stderr } = await runCli([...argv, '--json'], { cwd });
    expect(stderr).toMatch(words);
    expect({ code, answer: JSON.parse(stdout) }).toEqual({ code: 2, answer: jsonFailure });
    expect(await listing(cwd)).toEqual(before);
  });
});

describe.skipIf(adapters.length === 0)('on a GPU', { timeout: 300_000 }, () => {
  it.each(['mf', 'ccf'])('shards of %s, merged, are the bytes of the whole', async (method) => {
    const cwd = await tinyRuns();
    await writeFile(join(cwd, 'pairs.csv'), pairsOf(6, 5));
    await writeFile(join(cwd, 'some.txt'), '1\n3\n4\n');
    await run(cwd, 'train', `${method}.yaml`, '--run', 'run', '--quiet', '--set', 'evaluation.splits=[test]');
    const asked = {
      scores: ['predict', 'run', '--pairs', 'pairs.csv'],
      lists: ['recommend', 'run', '--all-users', '--top', '2', '--candidates', 'some.txt'],
    };
    for (const [name, argv] of Object.entries(asked)) {
      await run(cwd, ...argv, '--out', `${name}.csv`);
      for (const shard of ['0/2', '1/2']) await run(cwd, ...argv, '--shard', shard, '--out', name);
      await run(cwd, 'merge', name, '--out', 'merged.csv');
      expect(await readFile(join(cwd, 'merged.csv'), 'utf8')).toBe(await readFile(join(cwd, `${name}.csv`), 'utf8'));
    }
  });
});

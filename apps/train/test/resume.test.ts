/** Run folders that cannot be made, and runs whose files were damaged: found before anything is trained or written. */
import { appendFile, mkdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig, RunFolder } from '@crossgate/experiment';
import { folderWith, inventedMl1m, listing } from '@crossgate/testing/node';
import { beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type Outcome, runCli } from './cli';

const files = { ...inventedMl1m(), 'c.yaml': 'method: mean\ndata: { path: ml-1m }\n' };
const provenance = { crossgate: '0', node: 'v20', platform: 'test', adapter: null, dataHash: 'abc', modelHash: 'm1' };

/** Expects exit code 2 with one clear line. */
function expectBadInput(outcome: Outcome, words: RegExp): void {
  expect({ code: outcome.code, stdout: outcome.stdout }, outcome.stderr).toEqual({ code: 2, stdout: '' });
  expect(outcome.stderr).toMatch(words);
  expect(outcome.stderr.trimEnd().split('\n').length, outcome.stderr).toBeLessThanOrEqual(2);
  expect(outcome.stderr).not.toMatch(/^\s+at /m);
}

describe('a folder that cannot be made', () => {
  it.runIf(process.platform === 'linux').each(['/proc/crossgate-test', '/proc/crossgate-test/run'])(
    '%s ends with a line instead of hanging',
    async (run) => {
      const cwd = await folderWith(files);
      const outcome = await runCli(['train', 'c.yaml', '--run', run], { cwd });
      expectBadInput(outcome, /error: \/proc\/crossgate-test: the folder cannot be made: .*choose another --run/);
    },
  );

  it.runIf(process.platform === 'linux')('nor a prepared folder', async () => {
    const cwd = await folderWith(files);
    const prepare = ['data', 'prepare', 'ml-1m', '--source', 'ml-1m', '--out', '/proc/crossgate-test/out'];
    const outcome = await runCli(prepare, { cwd });
    expectBadInput(outcome, /error: \/proc\/crossgate-test: the folder cannot be made: .*choose another --out/);
  });

  it('takes back the parents it made when the source is bad', async () => {
    const cwd = await folderWith(files);
    const prepare = ['data', 'prepare', 'ml-1m', '--source', 'none', '--out', 'a/b/out'];
    expectBadInput(await runCli(prepare, { cwd }), /none: no such folder/);
    expect(await listing(cwd)).not.toContain('a');
  });

  it('below a file', async () => {
    const cwd = await folderWith(files);
    const outcome = await runCli(['train', 'c.yaml', '--run', 'c.yaml/run'], { cwd });
    expectBadInput(outcome, /c\.yaml: is a file where a folder is needed/);
  });

  it('through a broken link', async () => {
    const cwd = await folderWith(files);
    await symlink('nowhere', join(cwd, 'link'));
    expectBadInput(await runCli(['train', 'c.yaml', '--run', 'link/run'], { cwd }), /link: the folder cannot be made/);
  });
});

describe('the run folder', () => {
  it('stays as it was when the method cannot open', async () => {
    const cwd = await folderWith({ ...files, 'cf.yaml': 'extends: c.yaml\nmethod: mf\ncf: { run: none }\n' });
    await mkdir(join(cwd, 'out'));
    const before = (await stat(join(cwd, 'out'))).mtimeMs;
    expectBadInput(await runCli(['train', 'cf.yaml', '--run', 'out'], { cwd }), /none: run not found/);
    // A lock that came and went would show here.
    expect((await stat(join(cwd, 'out'))).mtimeMs).toBe(before);
  });
});

describe('paths that are empty', () => {
  it.each<[string[], RegExp]>([
    [['train', 'c.yaml', '--run', ''], /--run: is empty/],
    [['train', ''], /<config>: is empty/],
    [['train', 'c.yaml', '--set', 'data.path='], /--set data\.path: the value is empty/],
    [['train', 'c.yaml', '--set', "data.path=''"], /data\.path: '': no such folder/],
    [['evaluate', ''], /<run>: is empty/],
    [['metrics', ''], /<file>: is empty/],
    [['config', 'show', 'c.yaml', '--set', 'llm.path= '], /--set llm\.path: the value is empty/],
    [['data', 'prepare', 'ml-1m', '--source', '', '--out', 'out'], /--source: is empty/],
    [['data', 'prepare', 'ml-1m', '--source', 'ml-1m', '--out', ''], /--out: is empty/],
    [['data', 'export', '--data', '', '--split', 'test'], /--data: is empty/],
    [['generate', '--model', '', '--prompt', 'a'], /--model: is empty/],
    [['logits', '--model', '', '--tokens', '1'], /--model: is empty/],
    [['tokenize', '--model', '', '--text', 'a'], /--model: is empty/],
  ])('%j', async (argv, words) => {
    // A working folder that would do as a data set: an empty path must not stand for it.
    const source = inventedMl1m();
    const here = { 'ratings.dat': source['ml-1m/ratings.dat']!, 'movies.dat': source['ml-1m/movies.dat']! };
    const cwd = await folderWith({ ...files, ...here });
    const before = await listing(cwd);
    expectBadInput(await runCli(argv, { cwd }), words);
    expect(await listing(cwd)).toEqual(before);
  });

  it('an empty prompt and an empty text stay allowed', async () => {
    const cwd = await folderWith();
    const outcome = await runCli(['generate', '--model', 'none', '--prompt', ''], { cwd });
    expect(outcome.stderr).toMatch(/--model: none: model not found/);
  });
});

describe('a damaged result.json', () => {
  let cwd: string;
  let result: Record<string, unknown>;

  beforeEach(async () => {
    cwd = await folderWith(files);
    const trained = await runCli(['train', 'c.yaml', '--run', 'r', '--json'], { cwd });
    result = JSON.parse(trained.stdout);
  });

  it.each<[string, Record<string, unknown> | null, RegExp]>([
    ['null', null, /result\.json: is not the result of a run/],
    ['metrics null', { metrics: null }, /result\.json: .*\(metrics is wrong\)/],
    ['no metrics', { metrics: {} }, /result\.json: .*\(metrics is wrong\)/],
    ['metrics of a split that does not exist', { metrics: { '../valid': {} } }, /result\.json: .*\(metrics/],
    ['metrics without numbers', { metrics: { test: {} } }, /result\.json: .*\(metrics\.test\.rows is wrong\)/],
    ['no method', { method: undefined }, /result\.json: .*\(method is wrong\)/],
    ['no seconds', { seconds: null }, /result\.json: .*\(seconds is wrong\)/],
  ])('%s', async (_name, change, words) => {
    await writeFile(join(cwd, 'r/result.json'), JSON.stringify(change && { ...result, ...change }));
    expectBadInput(await runCli(['evaluate', 'r'], { cwd }), words);
    expectBadInput(await runCli(['train', 'c.yaml', '--run', 'r', '--resume'], { cwd }), words);
  });
});

describe('resume', () => {
  let cwd: string;
  let path: string;
  const inRun = (name: string) => join(path, ...name.split('/'));
  const resume = () => runCli(['train', 'c.yaml', '--run', 'r', '--resume'], { cwd });

  /** A run with a log of two records, stopped after a checkpoint. */
  beforeEach(async () => {
    cwd = await folderWith({ ...files, 'foreign.txt': 'mine' });
    path = join(cwd, 'r');
    const config = await loadConfig('c.yaml', { cwd });
    const run = await RunFolder.open(path, config, { resume: false });
    await run.begin(config, provenance);
    run.appendMetrics({ phase: 'cf', step: 1, loss: 3 });
    run.appendMetrics({ phase: 'cf', step: 2, loss: 2 });
    await run.saveCheckpoint('last', { phase: 'cf' }, 'weights');
    await run.close();
  });

  const whole = { weights: 'last-a.safetensors', metricsBytes: 0, seconds: 1, state: {} };

  it.each<[string, string]>([
    ['an empty object', '{}'],
    ['null', 'null'],
    ['cut off', '{"weights": "la'],
    ['no weights', JSON.stringify({ ...whole, weights: '' })],
    ['weights elsewhere', JSON.stringify({ ...whole, weights: '../../foreign.txt' })],
    ['weights with a Windows separator', JSON.stringify({ ...whole, weights: '..\\foreign.txt' })],
    ['a negative length', JSON.stringify({ ...whole, metricsBytes: -1 })],
    ['a fraction as length', JSON.stringify({ ...whole, metricsBytes: 0.5 })],
    ['seconds as text', JSON.stringify({ ...whole, seconds: '1' })],
  ])('refuses a checkpoint with %s', async (_name, text) => {
    for (const name of ['last', 'best']) {
      const file = inRun(`checkpoints/${name}.json`);
      const before = await readFile(file, 'utf8').catch(() => undefined);
      await writeFile(file, text);
      const left = await listing(cwd);
      expectBadInput(await resume(), new RegExp(`${name}\\.json: is not a checkpoint.*start the run again`));
      expect(await listing(cwd)).toEqual(left);
      if (before !== undefined) await writeFile(file, before);
    }
  });

  it('refuses a log that is shorter than at the checkpoint, and does not fill it up', async () => {
    const log = inRun('metrics.jsonl');
    await truncate(log, 10);
    expectBadInput(await resume(), /metrics\.jsonl: has 10 bytes, but the last checkpoint was made after \d+/);
    expect((await stat(log)).size).toBe(10);
  });

  it('refuses a log with a line that is no record, and names it', async () => {
    const log = inRun('metrics.jsonl');
    const text = await readFile(log, 'utf8');
    for (const wrong of ['x', 'null', '{"phase":1,"step":2}', '{"phase":"cf"}']) {
      const [first, second] = text.split('\n') as [string, string];
      await writeFile(log, `${first}\n${wrong.padEnd(second.length)}\n`);
      expectBadInput(await resume(), /metrics\.jsonl:2: is not a record of a run/);
    }
    await writeFile(log, text.replace(/\n$/, ' '));
    expectBadInput(await resume(), /metrics\.jsonl:2: the line is not whole/);
  });

  it('keeps a log that only grew', async () => {
    await appendFile(inRun('metrics.jsonl'), 'not a rec');
    const config = await loadConfig('c.yaml', { cwd });
    const run = await RunFolder.open(path, config, { resume: true });
    await run.begin(config, provenance);
    await run.close();
    expect((await readFile(inRun('metrics.jsonl'), 'utf8')).split('\n')).toHaveLength(3);
  });

  it('refuses another model and leaves config.yaml as it was', async () => {
    const config = await loadConfig('c.yaml', { cwd });
    const before = await readFile(inRun('config.yaml'), 'utf8');
    const run = await RunFolder.open(path, config, { resume: true });
    const begin = run.begin(config, { ...provenance, modelHash: 'm2' });
    await expect(begin).rejects.toThrow(/other model weights .*\(hash m1, now m2\)/);
    await run.abandon();
    expect(await readFile(inRun('config.yaml'), 'utf8')).toBe(before);
    expect(await listing(path)).toContain(join('checkpoints', 'last.json'));
  });

  it('goes on with a run of an earlier version, which has no hash of the model', async () => {
    const config = await loadConfig('c.yaml', { cwd });
    const { modelHash: _, ...older } = provenance;
    await writeFile(inRun('config.yaml'), stringify({ ...config, provenance: older }));
    const run = await RunFolder.open(path, config, { resume: true });
    await run.begin(config, provenance);
    await run.close();
    expect(await readFile(inRun('config.yaml'), 'utf8')).toContain('modelHash: m1');
  });
});

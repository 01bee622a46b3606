/** The simple methods end to end: train, result, predictions, evaluate, metrics, resume; the published figures on real data. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '@crossgate/data';
import { predictionsOf } from '@crossgate/experiment';
import { folderWith, inventedMl1m, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli } from './cli';

const configs = join(import.meta.dirname, '../../../configs/ml-1m');
const dataRoot = process.env.CROSSGATE_DATA;
const hasMl1m = dataRoot !== undefined && existsSync(join(dataRoot, 'ml-1m', 'ratings.dat'));

describe('train', () => {
  it('writes a complete run whose predictions give the same metrics again', async () => {
    const cwd = await folderWith(inventedMl1m());
    const env = { CROSSGATE_DATA: cwd };
    const trained = await runCli(['train', join(configs, 'mean.yaml'), '--run', 'out/run', '--json'], { cwd, env });
    expect(trained).toMatchObject({ code: 0 });
    const result = JSON.parse(trained.stdout);
    expect(result).toMatchObject({ run: 'out/run', method: 'mean', information: 'T', adapter: null, seed: 1 });
    expect(Object.keys(result.metrics)).toEqual(['valid', 'test']);
    expect(result.metrics.test.warm.rows + result.metrics.test.cold.rows).toBe(result.metrics.test.rows);
    expect(result.metrics.test.logLoss).toBeGreaterThan(0);
    expect(await listing(join(cwd, 'out'))).toEqual(
      [
        'run',
        'run/config.yaml',
        'run/data.gz',
        'run/metrics.jsonl',
        'run/predictions',
        'run/predictions/test.csv',
        'run/predictions/valid.csv',
        'run/result.json',
        'run/tensorboard',
        expect.stringMatching(/^run\/tensorboard\/events\.out\.tfevents\./),
      ].map((path) => (typeof path === 'string' ? path.replaceAll('/', join('a', 'b')[1]!) : path)),
    );
    expect(JSON.parse(await readFile(join(cwd, 'out/run/result.json'), 'utf8'))).toEqual(result);
    const stored = parse(await readFile(join(cwd, 'out/run/config.yaml'), 'utf8'));
    expect(stored).toMatchObject({
      method: 'mean',
      seed: 1,
      provenance: { adapter: null, dataHash: result.dataset.hash },
    });

    const { device: onDevice, process: resident } = result.peakMemory;
    expect(onDevice).toBeNull();
    expect(resident).toBeGreaterThan(process.memoryUsage().rss / 4);

    const evaluated = await runCli(['evaluate', 'out/run', '--json'], { cwd });
    expect(JSON.parse(evaluated.stdout).metrics).toEqual(result.metrics);
    const one = await runCli(['evaluate', 'out/run', '--split', 'test', '--json'], { cwd });
    expect(JSON.parse(one.stdout).metrics).toEqual({ test: result.metrics.test });
    const file = await runCli(['metrics', 'out/run/predictions/test.csv', '--json'], { cwd });
    expect(JSON.parse(file.stdout)).toEqual(result.metrics.test);

    const again = await runCli(['train', join(configs, 'mean.yaml'), '--run', 'out/run'], { cwd, env });
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/^error: .*complete run.*\n$/);
    const resumed = await runCli(['train', join(configs, 'mean.yaml'), '--run', 'out/run', '--resume', '--json'], {
      cwd,
      env,
    });
    expect(resumed.code).toBe(0);
    expect(JSON.parse(resumed.stdout)).toEqual(result);
  });

  it('repeats from the config.yaml of a run, and resumes one without a result', async () => {
    const cwd = await folderWith(inventedMl1m());
    const env = { CROSSGATE_DATA: cwd };
    const first = await runCli(['train', join(configs, 'running-mean.yaml'), '--json'], { cwd, env });
    const result = JSON.parse(first.stdout);
    expect(result.run).toBe(join('runs', 'running-mean-1'));
    const copy = await runCli(['train', 'runs/running-mean-1/config.yaml', '--run', 'copy', '--json'], { cwd, env });
    expect(JSON.parse(copy.stdout).metrics).toEqual(result.metrics);
    await rm(join(cwd, 'copy/result.json'));
    const resume = ['train', 'runs/running-mean-1/config.yaml', '--run', 'copy', '--resume', '--json'];
    expect(JSON.parse((await runCli(resume, { cwd, env })).stdout).metrics).toEqual(result.metrics);
  });

  it.each(['item-mean', 'mean', 'running-mean'])('%s scores data of one class with finite numbers', async (name) => {
    for (const rating of [5, 2]) {
      const data = inventedMl1m();
      const oneClass = data['ml-1m/ratings.dat']!.replace(/::[52]::(?=\d+$)/gm, `::${rating}::`);
      const cwd = await folderWith({ ...data, 'ml-1m/ratings.dat': oneClass });
      const run = ['train', join(configs, `${name}.yaml`), '--run', 'out', '--json'];
      const { code, stdout, stderr } = await runCli(run, { cwd, env: { CROSSGATE_DATA: cwd } });
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout).metrics.test).toMatchObject({ auc: null });
      const rows = (await readFile(join(cwd, 'out/predictions/test.csv'), 'utf8')).trimEnd().split('\n').slice(1);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(Number.isFinite(Number(row.split(',')[3])), row).toBe(true);
    }
  });

  it('stops with 130 and leaves nothing when it is interrupted', async () => {
    const cwd = await folderWith(inventedMl1m());
    const before = await listing(cwd);
    const abort = new AbortController();
    abort.abort();
    const run = ['train', join(configs, 'mean.yaml'), '--run', 'out'];
    const outcome = await runCli(run, { cwd, env: { CROSSGATE_DATA: cwd }, signal: abort.signal });
    expect(outcome).toEqual({ code: 130, stdout: '', stderr: 'interrupted\n' });
    expect(await listing(cwd)).toEqual(before);
  });
});

describe('predictionsOf', () => {
  it('calls a score that is no number a divergence only after a training', () => {
    const split = { rows: 1, user: Int32Array.of(1), item: Int32Array.of(1), label: Uint8Array.of(1) };
    const dataset = { splits: { test: { ...split, seen: Uint8Array.of(1) } } } as unknown as Dataset;
    const scores = { logit: Float64Array.of(Number.NEGATIVE_INFINITY), score: Float64Array.of(0) };
    expect(() => predictionsOf(dataset, 'test', scores, true)).toThrow(/^test: .*row 0 is -Infinity; .*diverged$/);
    expect(() => predictionsOf(dataset, 'test', scores, false)).toThrow(/^test: the score of row 0 is -Infinity$/);
  });
});

describe.skipIf(!hasMl1m)('MovieLens-1M (CROSSGATE_DATA)', () => {
  it.each([
    ['item-mean', 0.7094, 0.6816, 0.6901, 0.6883],
    ['mean', 0.732, 0.6816, 0.7341, 0.6883],
    ['running-mean', 0.7723, 0.6648, 0.7675, 0.6719],
  ])('%s gives the published figures', async (name, testAuc, testUauc, validAuc, validUauc) => {
    const cwd = await folderWith();
    const run = ['train', join(configs, `${name}.yaml`), '--json'];
    const { stdout } = await runCli(run, { cwd, env: { CROSSGATE_DATA: dataRoot! } });
    const { metrics } = JSON.parse(stdout);
    expect(metrics.test.auc).toBeCloseTo(testAuc, 4);
    expect(metrics.test.uauc).toBeCloseTo(testUauc, 4);
    expect(metrics.valid.auc).toBeCloseTo(validAuc, 4);
    expect(metrics.valid.uauc).toBeCloseTo(validUauc, 4);
    expect(metrics.test).toMatchObject({ rows: 7331, users: 320, uaucUsers: 224, warm: { rows: 4153 } });
  });
});

describe('data', () => {
  it('lists, prepares and exports', async () => {
    const cwd = await folderWith(inventedMl1m());
    const list = await runCli(['data', 'list', '--json'], { cwd });
    expect(JSON.parse(list.stdout).datasets.map((entry: { name: string }) => entry.name)).toContain('ml-1m');
    const prepare = ['data', 'prepare', 'ml-1m', '--source', 'ml-1m', '--out', 'prepared', '--json'];
    const prepared = await runCli(prepare, { cwd });
    expect(prepared).toMatchObject({ code: 0 });
    const summary = JSON.parse(prepared.stdout);
    expect(summary).toMatchObject({ dataset: 'ml-1m', users: 12, items: 9 });
    const [fromFolder, fromSource] = await Promise.all(
      ['prepared', 'ml-1m'].map((data) => runCli(['data', 'export', '--data', data, '--split', 'valid'], { cwd })),
    );
    expect(fromFolder).toEqual(fromSource);
    const rows = fromFolder!.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows).toHaveLength(summary.splits.valid.rows);
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(['user', 'item', 'label', 'timestamp', 'seen', 'history', 'title']);
    }
  });
});

/** `crossgate demo` as a whole on a GPU, with a random model and a few rows: result, report, interruption, resume. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, listing, writeTinyModel } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { jsonFailure, runCli } from './cli';

const adapters = await listAdapters();

const small = [
  'llm={path: model, maxLength: 900}',
  'prompt.historyLength=1',
  'cf={cfDim: 4, epochs: 2, warmupEpochs: 0}',
  'training.stage1={rows: 8, batchSize: 4, evaluateEvery: 2, warmupSteps: 0}',
  'training.stage2={rows: 8, batchSize: 4, evaluateEvery: 2, warmupSteps: 0}',
  'evaluation={splits: [test], validRows: 16, testRows: 60}',
  'training.checkpointEvery=1',
].flatMap((argument) => ['--set', argument]);

describe.skipIf(adapters.length === 0)('crossgate demo', () => {
  it('runs every method, compares them on the same rows, and leaves a report', async () => {
    const cwd = await folderWith();
    await writeTinyModel(join(cwd, 'model'));
    const abort = new AbortController();
    const log = join(cwd, 'runs/demo-3/text/metrics.jsonl');
    const watch = setInterval(() => {
      if (existsSync(log)) abort.abort();
    }, 1);
    const arguments_ = ['demo', '--seed', '3', '--json', ...small];
    const part = await runCli(arguments_, { cwd, signal: abort.signal }).finally(() => clearInterval(watch));
    expect(part.code, part.stderr).toBe(130);
    expect(JSON.parse(part.stdout)).toEqual(jsonFailure);
    expect(part.stderr).toMatch(/^demo: 6 methods on a generated world, about a minute on two CPU cores.*\n/m);
    expect(part.stderr).toMatch(/\[4\/6\] MF, which sees co-occurrence; about \S+ left/);
    expect(part.stderr).toMatch(/^interrupted; to go on: .*--resume --run runs.demo-3\n$/m);
    expect(existsSync(join(cwd, 'runs/demo-3/mf/result.json'))).toBe(true);

    const whole = await runCli([...arguments_, '--resume'], { cwd });
    expect(whole.code, whole.stderr).toBe(0);
    const result = JSON.parse(whole.stdout);
    expect(result).toMatchObject({ seed: 3, rows: 60, run: join('runs', 'demo-3'), adapter: expect.any(String) });
    expect(Object.keys(result.methods)).toEqual(['item-mean', 'mean', 'running-mean', 'mf', 'text', 'ccf']);
    for (const [key, method] of Object.entries<Record<string, unknown>>(result.methods)) {
      expect(method, key).toMatchObject({ auc: expect.any(Number), auc95: [expect.any(Number), expect.any(Number)] });
      const stored = JSON.parse(await readFile(join(cwd, `runs/demo-3/${key}/result.json`), 'utf8'));
      expect(stored.metrics.test).toMatchObject({ rows: 60, auc: method.auc });
    }
    expect(result.oracles.full.auc).toBeGreaterThan(result.oracles.titles.auc);
    const { mf, text, ccf } = result.methods;
    expect(result.gap.parentAuc).toBeCloseTo(Math.max(mf.auc, text.auc), 12);
    expect(result.gap.difference).toBeCloseTo(ccf.auc - result.gap.parentAuc, 12);
    expect(result.gap.paired95).toHaveLength(2);
    const sum = Object.values<{ seconds: number }>(result.methods).reduce((total, { seconds }) => total + seconds, 0);
    expect(result.seconds).toBeCloseTo(sum, 2);
    expect(await readFile(join(cwd, result.report), 'utf8')).toContain(result.summary);
    expect(await readFile(join(cwd, result.curves), 'utf8')).toContain('validation AUC by step');
    const details = JSON.parse(await readFile(join(cwd, 'runs/demo-3/ccf/result.json'), 'utf8')).details;
    expect(details.cf.run).toBe(join('runs', 'demo-3', 'mf'));
    expect((await listing(join(cwd, 'runs'))).some((name) => name.endsWith('.partial'))).toBe(false);

    // Complete: the same result again, at once; without --resume it is refused in its folder.
    const again = await runCli([...arguments_, '--resume', '--run', 'runs/demo-3'], { cwd });
    expect(JSON.parse(again.stdout).methods.ccf).toMatchObject({ auc: ccf.auc, seconds: ccf.seconds });
    const refused = await runCli([...arguments_, '--run', 'runs/demo-3'], { cwd });
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/holds a demo already/) });
    expect(JSON.parse(refused.stdout)).toEqual(jsonFailure);
  }, 300_000);

  it('refuses other data', async () => {
    const cwd = await folderWith();
    const outcome = await runCli(['demo', '--set', 'data.name=ml-1m'], { cwd });
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: data\.name: .*not ml-1m/) });
    expect(await listing(cwd)).toEqual([]);
  });
});

/** `crossgate compare`: against the package's own tests on the same scores, over seeds, and what it refuses. */
import { appendFile, cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deLongTest, holmAdjust, perUserAuc, signedRankTest } from '@crossgate/eval';
import { readPredictions } from '@crossgate/experiment';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli';

const configs = join(import.meta.dirname, '../../../configs/ml-1m');

/** A folder with runs of three baselines on invented data. */
async function withRuns() {
  const cwd = await folderWith(inventedMl1m(40, 30));
  const env = { CROSSGATE_DATA: cwd };
  for (const name of ['item-mean', 'mean', 'running-mean']) {
    const { code, stderr } = await runCli(['train', join(configs, `${name}.yaml`)], { cwd, env });
    expect(code, stderr).toBe(0);
  }
  return { cwd, env };
}

const runs = ['runs/item-mean-1', 'runs/mean-1', 'runs/running-mean-1'];

/** A copy of a run under another seed, its logits moved by `change`. */
async function copyAsSeed(cwd: string, run: string, seed: number, change: (logit: number, row: number) => number) {
  const target = `${run.slice(0, -1)}${seed}`;
  await cp(join(cwd, run), join(cwd, target), { recursive: true });
  const config = join(cwd, target, 'config.yaml');
  await writeFile(config, (await readFile(config, 'utf8')).replace('seed: 1', `seed: ${seed}`));
  const file = join(cwd, target, 'predictions/test.csv');
  const [header, ...lines] = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const changed = lines.map((line, row) => {
    const fields = line.split(',');
    fields[3] = String(change(Number(fields[3]), row));
    return fields.join(',');
  });
  await writeFile(file, `${[header, ...changed].join('\n')}\n`);
  return target;
}

describe('compare', () => {
  it('gives the metrics of the runs and the paired tests of their scores, corrected by Holm', async () => {
    const { cwd } = await withRuns();
    const { code, stdout, stderr } = await runCli(['compare', ...runs, '--json'], { cwd });
    expect(code, stderr).toBe(0);
    const comparison = JSON.parse(stdout);
    expect(comparison.methods.map((method: { name: string }) => method.name)).toEqual([
      'item-mean',
      'mean',
      'running-mean',
    ]);
    const scored = await Promise.all(runs.map((run) => readPredictions(join(cwd, run, 'predictions/test.csv'))));
    for (const [index, run] of runs.entries()) {
      const result = JSON.parse(await readFile(join(cwd, run, 'result.json'), 'utf8'));
      const { metrics, auc95 } = comparison.methods[index];
      expect(metrics.auc).toEqual({ runs: 1, mean: result.metrics.test.auc, standardDeviation: null });
      expect(metrics.warmUauc.mean).toBe(result.metrics.test.warm.uauc);
      expect(auc95).toEqual(result.metrics.test.auc95);
    }
    const pairs = [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const;
    const ofUsers = scored.map(({ user, label, logit }) =>
      perUserAuc({ user, label, score: logit }).flatMap(({ auc }) => (auc === null ? [] : [auc])),
    );
    expect(ofUsers[0]?.length).toBeGreaterThan(5);
    const expected = pairs.map(([a, b]) => ({
      auc: deLongTest(scored[a]!.label, scored[a]!.logit, scored[b]!.logit)!,
      uauc: signedRankTest(ofUsers[a]!, ofUsers[b]!),
    }));
    const holm = holmAdjust(expected.map(({ auc }) => auc.pValue));
    const holmUauc = holmAdjust(expected.map(({ uauc }) => uauc.pValue));
    expect(comparison.tests.length).toBe(3);
    for (const [index, test] of comparison.tests.entries()) {
      expect(test.auc.pValue).toBe(expected[index]!.auc.pValue);
      expect(test.auc.difference).toBe(expected[index]!.auc.difference);
      expect(test.auc.pHolm).toBe(holm[index]);
      expect(test.uauc).toMatchObject({ pHolm: holmUauc[index], users: ofUsers[0]!.length });
      expect(test.uauc.meanDifference).toBe(expected[index]!.uauc.meanDifference);
    }
  });

  it('takes runs that differ in the seed only as one method, with mean and deviation', async () => {
    const { cwd } = await withRuns();
    const second = await copyAsSeed(cwd, runs[2]!, 2, (logit, row) => logit + (row % 3));
    const { code, stdout, stderr } = await runCli(['compare', runs[2]!, second, runs[1]!, '--json'], { cwd });
    expect(code, stderr).toBe(0);
    const { methods, tests } = JSON.parse(stdout);
    expect(methods).toMatchObject([
      { name: 'running-mean', runs: [runs[2], second], seeds: [1, 2], auc95: null },
      { name: 'mean', runs: [runs[1]], seeds: [1] },
    ]);
    const each = await Promise.all(
      [runs[2]!, second].map(
        async (run) => (await runCli(['evaluate', run, '--split', 'test', '--json'], { cwd })).stdout,
      ),
    );
    const [a, b] = each.map((text) => JSON.parse(text).metrics.test.auc) as [number, number];
    expect(a).not.toBe(b);
    expect(methods[0].metrics.auc.mean).toBeCloseTo((a + b) / 2, 14);
    expect(methods[0].metrics.auc.standardDeviation).toBeCloseTo(Math.abs(a - b) / Math.SQRT2, 14);
    expect(tests.length).toBe(1);
    expect(tests[0].auc.difference).toBeCloseTo((a + b) / 2 - methods[1].metrics.auc.mean, 12);
    const text = (await runCli(['compare', runs[2]!, second, runs[1]!], { cwd })).stdout;
    expect(text).toMatch(/running-mean +P +2 +\.?\d\.\d{4} ± \d\.\d{4} +–/);
    expect(text).toContain('the spread between seeds');
  });

  it('lets runs of one config and one seed each stand for themselves', async () => {
    const { cwd } = await withRuns();
    await cp(join(cwd, runs[1]!), join(cwd, 'runs/copy'), { recursive: true });
    const { stdout } = await runCli(['compare', runs[1]!, 'runs/copy', '--json'], { cwd });
    const { methods, tests } = JSON.parse(stdout);
    expect(methods.map((method: { name: string }) => method.name)).toEqual([runs[1], 'runs/copy']);
    expect(tests[0].auc).toMatchObject({ difference: 0, z: 0, pValue: 1, pHolm: 1 });
  });

  it('tests against one run with --base, in each format', async () => {
    const { cwd } = await withRuns();
    const base = ['compare', ...runs, '--base', runs[1]!];
    const json = JSON.parse((await runCli([...base, '--json'], { cwd })).stdout);
    expect(json.tests.map(({ a, b }: { a: string; b: string }) => [a, b])).toEqual([
      ['item-mean', 'mean'],
      ['running-mean', 'mean'],
    ]);
    const text = (await runCli(base, { cwd })).stdout;
    expect(text).toMatch(/^ml-1m, split test: \d+ rows, \d+ users\n\nmethod +sees +seeds +AUC/);
    expect(text).toContain('see different labels');
    const markdown = (await runCli([...base, '--format', 'markdown'], { cwd })).stdout;
    expect(markdown).toMatch(/\| running-mean +\| P +\| +1 \|/);
    const latex = (await runCli([...base, '--format', 'latex'], { cwd })).stdout;
    expect(latex.match(/\\begin\{tabular\}/g)?.length).toBe(2);
    expect(latex).toMatch(/^running-mean +& P +& +1 & /m);
    expect(latex).toMatch(/^% AUC: paired DeLong test/m);
  });

  it('puts lists side by side where they were made and judged alike', async () => {
    const { cwd } = await withRuns();
    const shares = { precision: 0.1, ndcg: 0.2, mrr: 0.3, map: 0.15, hit: 0.5, coverage: 0.6 };
    /** Gives a run the lists that a CF method would have. */
    const rank = async (run: string, recall: number, k = 5, more: object = {}) => {
      const [result, config] = [join(cwd, run, 'result.json'), join(cwd, run, 'config.yaml')];
      const lists = { k, negatives: null, users: 7, usersWithoutRelevant: 0, recall, ...shares, ...more };
      const value = JSON.parse(await readFile(result, 'utf8'));
      await writeFile(result, JSON.stringify({ ...value, ranking: { test: lists } }));
      await writeFile(
        config,
        (await readFile(config, 'utf8')).replace(/\bk: (null|\d+)\n(?= *negatives)/, `k: ${k}\n`),
      );
    };
    const second = await copyAsSeed(cwd, runs[0]!, 2, (logit) => logit);
    const compared = [runs[0]!, second, runs[1]!, runs[2]!];
    for (const [at, run] of compared.slice(0, 3).entries()) await rank(run, [0.2, 0.4, 0.25][at]!);
    const { stdout, stderr } = await runCli(['compare', ...compared, '--json'], { cwd });
    const { methods, ranking } = JSON.parse(stdout);
    expect(ranking, stderr).toEqual({ k: 5, negatives: null, users: 7 });
    expect(methods[0].ranking.recall.mean).toBeCloseTo(0.3, 14);
    expect(methods[1].ranking).toMatchObject({ recall: { mean: 0.25 }, coverage: { mean: 0.6 } });
    expect(methods[2].ranking).toBeNull();
    const text = (await runCli(['compare', ...compared], { cwd })).stdout;
    expect(text).toMatch(/method +seeds +Recall@5 +Precision@5 +NDCG@5 +MRR@5 +MAP@5 +Hit@5 +coverage\n/);
    expect(text).toMatch(/item-mean +2 +0\.3000 ± 0\.1414 +0\.1000 ± 0\.0000 +0\.2000/);
    expect(text).toMatch(/mean +1 +0\.2500 +0\.1000 +0\.2000 +0\.3000 +0\.1500 +0\.5000 +0\.6000\n/);
    expect(text).toMatch(/running-mean +1( +–){7}\n/);
    expect(text).toContain('Lists: means over 7 users, against all items');
    // A run of before repeats could be left out is like one of today that left out none.
    const today = join(cwd, runs[1]!, 'config.yaml');
    await writeFile(today, (await readFile(today, 'utf8')).replace(/ *repeats: exclude\n/, ''));
    expect(JSON.parse((await runCli(['compare', ...compared, '--json'], { cwd })).stdout).ranking).toEqual(ranking);
    const leftOut = { usersLeftOut: 1, targetsLeftOut: 4 };
    await rank(runs[1]!, 0.25, 5, leftOut);
    expect(JSON.parse((await runCli(['compare', ...compared, '--json'], { cwd })).stdout).ranking).toBe('mixed');
    for (const run of compared.slice(0, 2)) await rank(run, 0.2, 5, leftOut);
    const alike = (await runCli(['compare', ...compared], { cwd })).stdout;
    expect(alike).toContain('means over 7 users (left out as known before: users 1, targets 4), against all items');
    await rank(runs[1]!, 0.25, 10);
    const mixed = (await runCli(['compare', ...compared], { cwd })).stdout;
    expect(mixed).toContain('Lists are not compared: evaluation.ranking is not the same');
    expect(mixed).not.toContain('Recall@');
  });

  it('keeps runs on all earlier ratings in a class of their own', async () => {
    const { cwd, env } = await withRuns();
    // Before the paper's months begin.
    await appendFile(join(cwd, 'ml-1m/ratings.dat'), '1::1::5::960000000\n2::1::1::960000001\n');
    for (const name of ['mean', 'running-mean']) {
      const args = ['train', join(configs, `${name}.yaml`), '--set', 'data.window=all', '--run', `runs/${name}-all`];
      expect(await runCli(args, { cwd, env })).toMatchObject({ code: 0 });
    }
    const both = ['runs/mean-all', 'runs/running-mean-all'];
    const { methods, tests } = JSON.parse((await runCli(['compare', ...both, '--json'], { cwd })).stdout);
    expect(methods.map(({ information }: { information: string }) => information)).toEqual(['T+', 'P+']);
    expect(tests.length).toBe(1);
    const text = (await runCli(['compare', ...both], { cwd })).stdout;
    expect(text).toMatch(/running-mean +P\+ +1/);
    expect(text).toContain('do not compare it with T, H and P');
    const mixed = await runCli(['compare', runs[1]!, both[0]!], { cwd });
    expect([mixed.code, mixed.stderr]).toEqual([
      2,
      'error: runs/mean-all: is of class T+ and runs/mean-1 of class T: one saw more ratings; compare runs with the same data.window\n',
    ]);
    expect((await runCli(['compare', ...runs], { cwd })).stdout).not.toContain('plus');
    // The page of a report has no test between the two, and says what the plus means.
    const report = ['report', runs[1]!, both[0]!, '--out', 'page.html', '--no-model'];
    expect((await runCli(report, { cwd, env })).code).toBe(0);
    const page = await readFile(join(cwd, 'page.html'), 'utf8');
    expect(page).toMatch(/<td[^>]*>T\+<\/td>/);
    expect(page).toContain('A plus (T+, H+, P+)');
    expect(page).toContain('one saw more ratings');
  });

  it('refuses what cannot be compared, in one line', async () => {
    const { cwd } = await withRuns();
    const other = await folderWith(inventedMl1m(13));
    await runCli(['train', join(configs, 'mean.yaml'), '--run', join(cwd, 'runs/other')], {
      cwd: other,
      env: { CROSSGATE_DATA: other },
    });
    const swapped = await copyAsSeed(cwd, runs[0]!, 5, (logit) => logit);
    const file = join(cwd, swapped, 'predictions/test.csv');
    const lines = (await readFile(file, 'utf8')).split('\n');
    [lines[1], lines[2]] = [lines[2]!, lines[1]!];
    await writeFile(file, lines.join('\n'));
    const short = await copyAsSeed(cwd, runs[1]!, 6, (logit) => logit);
    const shortFile = join(cwd, short, 'predictions/test.csv');
    await writeFile(shortFile, `${(await readFile(shortFile, 'utf8')).split('\n').slice(0, 5).join('\n')}\n`);
    for (const [args, message] of [
      [[runs[0]], /at least two runs/],
      [[], /missing required argument/],
      [[runs[0], ''], /one is empty/],
      [[runs[0], runs[1], runs[0]], /runs\/item-mean-1: is given twice/],
      [[runs[0], 'runs/none'], /run not found/],
      [[runs[0], 'runs/other'], /runs\/other: is on other data than runs\/item-mean-1/],
      [[runs[1], swapped], /not those of runs\/mean-1 in the same order/],
      [[runs[0], short], /has 4 rows of split test and runs\/item-mean-1 has \d+/],
      [[runs[0], runs[1], '--split', 'train'], /has no predictions for split train; it has valid, test/],
      [[runs[0], runs[1], '--split', 'tset'], /--split: unknown value tset \(did you mean test\?\)/],
      [[runs[0], runs[1], '--base', runs[2]], /--base: runs\/running-mean-1 is not one of the runs/],
      [[runs[0], runs[1], '--format', 'html'], /--format: unknown value html/],
    ] as [string[], RegExp][]) {
      const { code, stdout, stderr } = await runCli(['compare', ...args], { cwd });
      expect(stderr).toMatch(message);
      expect([code, stdout, stderr.split('\n').length]).toEqual([2, '', 2]);
    }
  });
});

/** `crossgate report`: one page of several runs, what it prints, and what it refuses. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, inventedMl1m, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli';

const configs = join(import.meta.dirname, '../../../configs/ml-1m');

/** A folder with runs of two baselines on invented data. */
async function withRuns() {
  const cwd = await folderWith(inventedMl1m(20, 15));
  const env = { CROSSGATE_DATA: cwd };
  for (const name of ['item-mean', 'mean']) {
    const { code, stderr } = await runCli(['train', join(configs, `${name}.yaml`)], { cwd, env });
    expect(code, stderr).toBe(0);
  }
  return { cwd, env };
}

const runs = ['runs/item-mean-1', 'runs/mean-1'];

describe('report', () => {
  it('writes the page and says what is on it and what is not', async () => {
    const { cwd, env } = await withRuns();
    const { code, stdout, stderr } = await runCli(['report', ...runs, '--out', 'pages/report.html', '--json'], {
      cwd,
      env,
    });
    expect(code, stderr).toBe(0);
    const { out, parts, missing, runs: named } = JSON.parse(stdout);
    expect([out, named]).toEqual(['pages/report.html', runs]);
    expect(parts).toEqual(['metrics', 'tests', 'roc', 'calibration', 'curves', 'case', 'config']);
    expect(missing.map(({ part }: { part: string }) => part)).toEqual(['curves', 'items', 'gate', 'stages']);
    const page = await readFile(join(cwd, 'pages/report.html'), 'utf8');
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain('<title>Report: item-mean, mean</title>');
    expect(page).toContain('Invented Film');
    const text = await runCli(['report', runs[0]!, '--out', 'one.html'], { cwd, env });
    expect(text.stdout).toMatch(/^one\.html: metrics, roc, .*config\nNot shown:\n {2}curves, item-mean: not trained/);
  });

  it('makes the parts that need no data when the data are not there', async () => {
    const { cwd } = await withRuns();
    const parts = async () => {
      const { code, stdout } = await runCli(['report', runs[0]!, '--out', 'r.html', '--json'], { cwd: cwd, env: {} });
      expect(code).toBe(0);
      return JSON.parse(stdout);
    };
    // The run has its own copy of the data.
    expect((await parts()).parts).toContain('case');
    await rm(join(cwd, runs[0]!, 'data.gz'));
    await rm(join(cwd, 'r.html'));
    const { missing } = await parts();
    expect(missing.find(({ part }: { part: string }) => part === 'case').reason).toMatch(/ml-1m/);
  });

  it.each([
    [[...runs], /--out/],
    [['runs/none', '--out', 'r.html'], /run not found/],
    [[...runs, '--out', 'runs'], /is a folder/],
    [[...runs, '--out', 'r.html', '--split', 'tset'], /unknown value tset.*test/],
    [[...runs, '--out', 'r.html', '--split', 'train'], /no predictions for split train/],
    [[...runs, '--out', 'r.html', '--user', 'nobody'], /nobody has no scored row/],
    [[...runs, '--out', 'r.html', '--items', '0'], /items/],
    [[runs[0]!, runs[0]!, '--out', 'r.html'], /is given twice/],
    [[runs[0]!, '--out', 'r.html', '--set', 'seed=2'], /seed: cannot be changed/],
    [['', '--out', 'r.html'], /one is empty/],
  ])('refuses %j in one line, and writes nothing', async (args, message) => {
    const { cwd, env } = await withRuns();
    const before = await listing(cwd);
    const { code, stdout, stderr } = await runCli(['report', ...args], { cwd, env });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
    expect(stderr).toMatch(message);
    expect(await listing(cwd)).toEqual(before);
  });
});

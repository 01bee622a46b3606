/** `crossgate init`: the config it writes loads and trains, what it guesses, and what it refuses. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { loadConfig } from '@crossgate/experiment';
import { folderWith, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { guessColumns } from '../src/guess-columns';
import { runCli } from './cli';

const rows = (separator: string, time: (row: number) => string | number) =>
  Array.from({ length: 200 }, (_, row) =>
    [`c${(row * 7) % 20}`, `p ${(row * 11) % 15}`, 0.5 + ((row * 13) % 10) / 2, time(row)].join(separator),
  ).join('\n');

describe('init', () => {
  it('writes a config that trains as it is', async () => {
    const text = `Customer ID;product;Stars;when\n${rows(';', (row) => `2024-01-${String(1 + (row % 28)).padStart(2, '0')}`)}\n`;
    const cwd = await folderWith({ 'shop/buys.csv': `\uFEFF${text.replaceAll('\n', '\r\n')}` });
    const { code, stdout, stderr } = await runCli(['init', '--csv', 'shop/buys.csv', '--out', 'new/c.yaml', '--json'], {
      cwd,
    });
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      config: 'new/c.yaml',
      separator: ';',
      user: 'Customer ID',
      item: 'product',
      value: { kind: 'rating', column: 'Stars', range: [0.5, 5] },
      timestamp: 'when',
    });
    const config = await loadConfig('new/c.yaml', { cwd });
    expect(config).toMatchObject({
      method: 'mf',
      data: { threshold: 2.75, csv: { user: 'Customer ID', separator: ';' } },
    });
    const trained = await runCli(['train', 'new/c.yaml', '--set', 'method=mean', '--json'], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
    expect(JSON.parse(trained.stdout).metrics.test.rows).toBeGreaterThanOrEqual(20);
  });

  it('splits at random where nothing holds times, takes labels, tabs and gzip', async () => {
    const text = `uid\titem_id\tclicked\tdate\n${Array.from({ length: 50 }, (_, row) => `${row % 5}\t${row % 7}\t${row % 2}\tMonday`).join('\n')}`;
    const cwd = await folderWith();
    await writeFile(join(cwd, 'e.tsv.gz'), gzipSync(text));
    const { code, stderr } = await runCli(['init', '--csv', 'e.tsv.gz'], { cwd });
    expect(code, stderr).toBe(0);
    const { data } = await loadConfig('crossgate.yaml', { cwd });
    expect(data).toMatchObject({
      split: { by: 'ratio' },
      threshold: null,
      csv: { label: 'clicked', timestamp: null, separator: '\t' },
    });
    const trained = await runCli(['train', 'crossgate.yaml', '--set', 'method=mean', '--json'], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
  });

  it('takes every row for a positive where no column is a rating or a label', async () => {
    const lines = Array.from({ length: 60 }, (_, row) => `c${row % 6},p${(row * 7) % 9},${1000 + row}`);
    const cwd = await folderWith({ 'buys.csv': `customer,sku,time\n${lines.join('\n')}\n` });
    const { code, stdout, stderr } = await runCli(['init', '--csv', 'buys.csv'], { cwd });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/user customer, item sku, every row a positive, times time/);
    const { data, cf, evaluation } = await loadConfig('crossgate.yaml', { cwd });
    expect(data).toMatchObject({ threshold: null, csv: { implicit: true, rating: null, label: null } });
    expect([cf.loss, cf.selectBy, evaluation.ranking.k]).toEqual(['bpr', 'ndcg', 10]);
    const settings = ['method=mean', 'cf.selectBy=auc', 'evaluation.ranking.k=null'].flatMap((each) => ['--set', each]);
    const trained = await runCli(['train', 'crossgate.yaml', ...settings, '--json'], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
    expect(JSON.parse(trained.stdout).metrics.test).toMatchObject({ rows: 6, positives: 6, auc: null });
  });

  it('writes a template without a file', async () => {
    const cwd = await folderWith();
    expect((await runCli(['init'], { cwd })).code).toBe(0);
    const { data } = await loadConfig('crossgate.yaml', { cwd });
    expect(data).toMatchObject({ name: 'csv', path: 'data/mine', csv: { user: 'user', rating: 'rating' } });
    expect(await readFile(join(cwd, 'crossgate.yaml'), 'utf8')).toMatch(/^# An experiment on your own data/);
  });

  it('finds the column that its name tells most of', () => {
    const guess = guessColumns('date,movieId,userId,title,rating,timestamp\nx,1,2,t,4,10\n', 'x.csv');
    expect(guess).toMatchObject({ user: 'userId', item: 'movieId', timestamp: 'timestamp', value: { range: [4, 4] } });
    expect(guessColumns('user,item,label,rating\na,b,good,3\n', 'x.csv').value).toMatchObject({ kind: 'rating' });
  });

  it.each<[string, string[], RegExp]>([
    ['a config that is there', ['--out', 'a.csv'], /^error: a\.csv: is there already; choose another --out/],
    ['a missing file', ['--csv', 'none.csv'], /none\.csv: CSV not found/],
    ['a folder', ['--csv', 'd'], /d: is a folder/],
    ['no user', ['--csv', 'a.csv'], /a\.csv:1: no column looks like the user \(it has x, item, rating\)/],
    ['no rating', ['--csv', 'b.csv'], /b\.csv:1: no column holds ratings \(numbers\) or labels/],
    [
      'a header alone',
      ['--csv', 'c.csv'],
      /c\.csv: needs a header with user, item and, if there is one, rating or label, and rows/,
    ],
    ['an empty file', ['--csv', 'd/empty.csv'], /d\/empty\.csv: needs a header/],
  ])('refuses %s and writes nothing', async (_, args, message) => {
    const cwd = await folderWith({
      'a.csv': 'x,item,rating\n1,2,3\n',
      'b.csv': 'user,item,rating\n1,2,good\n',
      'c.csv': 'user,item,rating\n',
      'd/empty.csv': '',
    });
    const before = await listing(cwd);
    const { code, stderr } = await runCli(['init', ...args], { cwd });
    expect(stderr).toMatch(message);
    expect([code, stderr.trimEnd().split('\n').length]).toEqual([2, 1]);
    expect(await listing(cwd)).toEqual(before);
  });
});

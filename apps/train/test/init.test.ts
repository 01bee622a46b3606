/** `crossgate init`: the config it writes loads and trains, what it guesses, and what it refuses. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { RandomStream } from '@crossgate/data';
import { loadConfig } from '@crossgate/experiment';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { batchSizeFor } from '../src/init-settings';
import { runCli } from './cli';
import { guessOf } from './guess-of';

const adapters = await listAdapters();

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
    const { code, stderr } = await runCli(['init', '--csv', 'e.tsv.gz', '--separator', '\\t'], { cwd });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^warning: date is called a time, but "Monday" in line 2 is none .*data\.csv\.timestamp/);
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

  it('chooses a batch of 32 to 64 steps an epoch, within what was tried', () => {
    for (const rows of [700, 8170, 30_000, 100_000, 300_000]) {
      const steps = (0.8 * rows) / batchSizeFor(rows);
      expect(steps).toBeGreaterThanOrEqual(32);
      expect(steps).toBeLessThan(64);
    }
    expect([1, 100, 1e8].map(batchSizeFor)).toEqual([16, 16, 8192]);
  });

  it.skipIf(adapters.length === 0)('writes a config that learns the tastes of 300 users within 60 epochs', async () => {
    const random = new RandomStream(7);
    const draw = () => random.uint32() / 2 ** 32 - 0.5;
    const vectors = (count: number) => Array.from({ length: count }, () => [draw(), draw(), draw()]);
    const [tastes, traits] = [vectors(300), vectors(200)];
    const lines = Array.from({ length: 9000 }, (_, n) => {
      const [user, item] = [random.below(300), random.below(200)];
      const fit = tastes[user]!.reduce((sum, taste, axis) => sum + taste * traits[item]![axis]!, 0);
      return `u${user},p${item},${Math.max(1, Math.min(5, Math.round(3.2 + 7 * fit + draw())))},${1.7e9 + n}`;
    });
    const cwd = await folderWith({ 'shop.csv': `customer,sku,stars,when\n${lines.join('\n')}\n` });
    expect((await runCli(['init', '--csv', 'shop.csv'], { cwd })).code).toBe(0);
    expect((await loadConfig('crossgate.yaml', { cwd })).cf).toMatchObject({
      batchSize: 128,
      epochs: 60,
      initStd: 0.1,
    });
    for (const method of ['mf', 'mean']) {
      const { code, stdout, stderr } = await runCli(
        ['train', 'crossgate.yaml', ...(method === 'mf' ? [] : ['--set', 'method=mean']), '--json'],
        { cwd },
      );
      expect(code, stderr).toBe(0);
      const { run, metrics } = JSON.parse(stdout);
      expect(run).toBe(method === 'mf' ? join('runs', 'crossgate-1') : join('runs', 'crossgate-mean-1'));
      if (method === 'mf') expect(metrics.test.auc).toBeGreaterThan(0.75);
    }
  });

  it('writes a template without a file', async () => {
    const cwd = await folderWith();
    expect((await runCli(['init'], { cwd })).code).toBe(0);
    const { data } = await loadConfig('crossgate.yaml', { cwd });
    expect(data).toMatchObject({ name: 'csv', path: 'data/mine', csv: { user: 'user', rating: 'rating' } });
    expect(await readFile(join(cwd, 'crossgate.yaml'), 'utf8')).toMatch(/^# An experiment on your own data/);
  });

  it('finds the column that its name tells most of', async () => {
    const guess = await guessOf('date,movieId,userId,title,rating,timestamp\nx,1,2,t,4,10\n');
    expect(guess).toMatchObject({ user: 'userId', item: 'movieId', timestamp: 'timestamp', value: { range: [4, 4] } });
    expect((await guessOf('user,item,label,rating\na,b,good,3\n')).value).toMatchObject({ kind: 'rating' });
  });

  it('names what it leaves out, takes titles that lie beside, and writes a config that trains', async () => {
    const lines = Array.from({ length: 90 }, (_, row) =>
      [row % 9, `m${(row * 7) % 13}`, (row % 5) + 1, row === 40 ? 'N/A' : `${1 + (row % 28)}.12.2023`, 'so-so'].join(
        '\t',
      ),
    );
    const cwd = await folderWith({
      'd/ratings.tsv': `userId\tmovieId\tBook-Rating\treview_date\tremark\n${lines.join('\n')}\n`,
      'd/movies.csv': `movieId\ttitle\tgenres\n${Array.from({ length: 13 }, (_, row) => `m${row}\tFilm, ${row}\tx`).join('\n')}\n`,
      'd/tags.csv': 'userId\tmovieId\ttag\n1\tm1\tgood\n',
      'd/old.csv': 'movieId\tname\nm1\tOne\n',
    });
    const { code, stdout, stderr } = await runCli(['init', '--csv', 'd/ratings.tsv', '--json'], { cwd });
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      value: { kind: 'rating', column: 'Book-Rating', range: [1, 5] },
      timestamp: 'review_date',
      timeFormat: 'DD.MM.YYYY',
      missing: ['N/A'],
      items: 'movies.csv',
      itemId: 'movieId',
      title: 'title',
    });
    for (const warning of [/1 of 90 rows have no time .* line 42/, /not used: remark/]) expect(stderr).toMatch(warning);
    expect(stderr.match(/^warning: /gm)).toHaveLength(JSON.parse(stdout).notes.length);
    const { data } = await loadConfig('crossgate.yaml', { cwd });
    expect(data.csv).toMatchObject({
      separator: '\t',
      timeFormat: 'DD.MM.YYYY',
      missing: ['N/A'],
      items: 'movies.csv',
    });
    const trained = await runCli(['train', 'crossgate.yaml', '--set', 'method=mean', '--json'], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
    expect(trained.stderr).toMatch(/1 rows are left out/);
    expect(trained.stderr).not.toMatch(/the ids stand for the titles/);
  });

  it('writes a config that trains where rows lack a user or a time, and a time is none', async () => {
    const lines = Array.from(
      { length: 60 },
      (_, row) =>
        `${row === 9 ? ' ' : row % 6},${row === 8 ? 'NA' : row % 7},${row % 2},${row === 7 ? 0 : 1e9 + row},Monday`,
    );
    const cwd = await folderWith({
      'e.csv': `user,item,label,time,timestamp\n${lines.join('\n')}\n`,
      'items.csv': `item,title\n${Array.from({ length: 7 }, (_, item) => `${item},T${item}`).join('\n')}\n`,
    });
    for (const [out, more, left] of [
      ['a.yaml', [], 3],
      ['b.yaml', ['--no-timestamp'], 2],
    ] as const) {
      const { code, stderr } = await runCli(['init', '--csv', 'e.csv', '--out', out, ...more], { cwd });
      expect(code, stderr).toBe(0);
      const trained = await runCli(['train', out, '--set', 'method=mean', '--json'], { cwd });
      expect(trained.code, trained.stderr).toBe(0);
      expect(trained.stderr).toMatch(new RegExp(`${left} rows are left out`));
    }
  });

  it('writes names of columns with line ends in them', async () => {
    const cwd = await folderWith({ 'e.csv': '"user\nid",item,"is\nliked"\na,p,1\nb,q,0\n' });
    const { code, stderr } = await runCli(['init', '--csv', 'e.csv'], { cwd });
    expect(code, stderr).toBe(0);
    const { data } = await loadConfig('crossgate.yaml', { cwd });
    expect(data.csv).toMatchObject({ user: 'user\nid', label: 'is\nliked' });
  });

  it('writes columns by number for a file without a header', async () => {
    const lines = Array.from({ length: 60 }, (_, row) => `${row % 6},${row % 7},${(row % 5) + 1},${881_250_949 + row}`);
    const cwd = await folderWith({ 'u.data': lines.join('\n') });
    const refused = await runCli(['init', '--csv', 'u.data'], { cwd });
    expect(refused.code).toBe(2);
    const advised = /say --no-header .* such as (--no-header [^(]+) \(data\.csv\.header: false/.exec(
      refused.stderr,
    )?.[1];
    const { code, stderr } = await runCli(['init', '--csv', 'u.data', ...(advised as string).split(' ')], { cwd });
    expect(code, stderr).toBe(0);
    const trained = await runCli(['train', 'crossgate.yaml', '--set', 'method=mean', '--json'], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
    // No row was taken for a header.
    const prepared = await runCli(
      ['data', 'prepare', 'csv', '--source', 'u.data', '--out', 'p', '--json']
        .concat(['data.csv.header=false', 'data.csv.user=1', 'data.csv.item=2'].flatMap((each) => ['--set', each]))
        .concat(['data.csv.rating=3', 'data.csv.timestamp=4'].flatMap((each) => ['--set', each])),
      { cwd },
    );
    expect(prepared.code, prepared.stderr).toBe(0);
    const { splits } = JSON.parse(prepared.stdout);
    expect(splits.train.rows + splits.valid.rows + splits.test.rows).toBe(60);
  });

  it('finds items and titles in items.csv by what its columns hold, and trains without a file that cannot be read', async () => {
    const events = Array.from({ length: 60 }, (_, row) => `c${row % 6},${(row * 7) % 9},${(row % 5) + 1}`);
    const items = Array.from({ length: 9 }, (_, row) => `${row % 3},x,Thing ${row},${row}`);
    const files = (shop: string) => ({ [`${shop}/e.csv`]: `customer,sku,stars\n${events.join('\n')}\n` });
    const cwd = await folderWith({
      ...files('a'),
      'a/items.csv': `shelf,kind,label,code\n${items.join('\n')}\n`,
      ...files('b'),
      'b/items.csv': 'sku,name\n1,One\n',
    });
    for (const shop of ['a', 'b']) {
      const { code, stderr } = await runCli(['init', '--csv', `${shop}/e.csv`, '--out', `${shop}.yaml`], { cwd });
      expect(code, stderr).toBe(0);
      const trained = await runCli(['train', `${shop}.yaml`, '--set', 'method=mean', '--json'], { cwd });
      expect(trained.code, trained.stderr).toBe(0);
    }
    const csvOf = async (config: string) => (await loadConfig(config, { cwd })).data.csv;
    expect(await csvOf('a.yaml')).toMatchObject({ items: 'items.csv', itemId: 'code', title: 'label' });
    expect(await csvOf('b.yaml')).toMatchObject({ items: false, itemId: null, title: null });
  });

  it('names files of titles that cannot be used', async () => {
    const events = 'user,item,rating\na,p,1\na,q,5\n';
    const notesOf = async (items: Record<string, string>) => {
      const cwd = await folderWith({ 'e.csv': events, ...items });
      const { code, stdout, stderr } = await runCli(['init', '--csv', 'e.csv', '--json'], { cwd });
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout).notes?.join('\n') ?? '';
    };
    expect(await notesOf({ 'movies.csv': 'item,title\np,P\n' })).toMatch(
      /movies\.csv may hold titles, but 1 of 2 items have no title in it, such as "q": not used \(data\.csv\.items/,
    );
    expect(await notesOf({ 'items.csv': 'item,title\np,P\nq,\n' })).toMatch(
      /items\.csv lies beside, but line 3 has no title: data\.csv\.items: false/,
    );
    expect(await notesOf({ 'items.csv': 'x,y\np,P\n' })).toMatch(
      /items\.csv lies beside, but no columns of item and title are seen in it \(x, y\)/,
    );
    expect(await notesOf({ 'items.csv': 'p,P\nq,Q\n' })).toMatch(/if that line is a row, add a line with the names/);
    expect(await notesOf({ 'items.csv': 'item;title\np;P\nq;Q\n' })).toMatch(
      /items\.csv lies beside, but ";" parts its fields, not "," as in e\.csv/,
    );
    expect(await notesOf({ 'movies.csv': 'item\ttitle\np\tP\nq\tQ\n' })).toMatch(/may hold titles, but "\\t" parts/);
    expect(await notesOf({ 'movies.csv': 'item,title\np ,P\nq,"Q\n' })).toMatch(
      /movies\.csv may hold titles, but movies\.csv:3: a quoted field is never closed: not used/,
    );
    expect(await notesOf({ 'movies.csv': 'item,title\np ,P\nq ,Q\n' })).toMatch(/2 of 2 items have no title in it/);
    expect(await notesOf({ 'movies.csv': 'item,title\np,P\nq,Q\n', 'books.csv': 'item,title\np,P\nq,Q\n' })).toMatch(
      /movies\.csv may hold titles too: not used/,
    );
    expect(await notesOf({ 'users.csv': 'id,name\n1,Ann\n' })).toBe('');
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
    [
      'two kinds of value',
      ['--csv', 'e.csv', '--implicit', '--rating', 'x'],
      /--rating: choose one of --rating, --label/,
    ],
    ['a column without a file', ['--user', 'x'], /--user: says something of a file; name it by --csv/],
    ['a form of times without a file', ['--time-format', 'YYYY'], /--time-format: says something of a file/],
    [
      'an unknown form of times',
      ['--csv', 'e.csv', '--time-format', 'foo'],
      /--time-format: "foo" is no form of times/,
    ],
    ['an unknown encoding', ['--csv', 'e.csv', '--encoding', 'foo'], /--encoding: unknown encoding "foo"/],
    ['a long separator', ['--csv', 'e.csv', '--separator', '::'], /--separator: must be one character/],
    [
      'numbers that might be the rating',
      ['--csv', 'e.csv'],
      /e\.csv:1: x \(1 to 5\) might be the rating or the label; say --r/,
    ],
  ])('refuses %s and writes nothing', async (_, args, message) => {
    const cwd = await folderWith({
      'a.csv': 'x,item,rating\n1,2,3\n',
      'b.csv': 'user,item,rating\n1,2,good\n',
      'c.csv': 'user,item,rating\n',
      'e.csv': 'user,item,x\n1,1,1\n1,2,5\n',
      'd/empty.csv': '',
    });
    const before = await listing(cwd);
    const { code, stderr } = await runCli(['init', ...args], { cwd });
    expect(stderr).toMatch(message);
    expect([code, stderr.trimEnd().split('\n').length]).toEqual([2, 1]);
    expect(await listing(cwd)).toEqual(before);
  });
});

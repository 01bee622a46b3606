/** The user's own CSV files from the command line: prepared, trained on, options in configs and what they refuse. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { folderWith, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli';

/** Invented events of 20 users and 15 items over 300 moments. */
function events(header = 'user,item,rating,timestamp'): string {
  const lines = [header];
  for (let row = 0; row < 300; row++)
    lines.push(`u${(row * 7) % 20},i${(row * 11) % 15},${1 + ((row * 13) % 5)},${row}`);
  return `${lines.join('\n')}\n`;
}
const items = `item,title\n${Array.from({ length: 15 }, (_, index) => `i${index},Thing ${index}`).join('\n')}\n`;

describe('data prepare csv', () => {
  it('prepares a folder, a file, and gzip to the same data', async () => {
    const cwd = await folderWith({
      'shop/interactions.csv': events(),
      'shop/items.csv': items,
      'zip/items.csv': items,
    });
    await writeFile(join(cwd, 'zip/interactions.csv.gz'), gzipSync(events()));
    const hashes = [];
    for (const source of ['shop', 'shop/interactions.csv', 'zip', 'zip/interactions.csv.gz', 'zip/interactions.csv']) {
      const args = ['data', 'prepare', 'csv', '--source', source, '--out', 'out', '--json'];
      const { code, stdout, stderr } = await runCli(args, { cwd });
      expect(code, stderr).toBe(0);
      const summary = JSON.parse(stdout);
      hashes.push(summary.hash);
      expect(summary).toMatchObject({
        dataset: 'csv',
        users: 20,
        items: 15,
        splits: { valid: { rows: 30 }, test: { rows: 30 } },
      });
    }
    expect(new Set(hashes).size).toBe(1);
    const { recipe } = JSON.parse(await readFile(join(cwd, 'out/dataset.json'), 'utf8'));
    expect(recipe).toMatchObject({ name: 'csv', split: { by: 'time', valid: 0.1, test: 0.1 }, filter: { kCore: 1 } });
  });

  it('takes options with the keys of a config', async () => {
    const cwd = await folderWith({ 'a.csv': events('who,what,rating,timestamp') });
    const set = ['data.csv.user=who', 'data.csv.item=what', 'data.split.by=leave-one-out', 'data.threshold=4.5'];
    const { code, stdout, stderr } = await runCli(
      [
        'data',
        'prepare',
        'csv',
        '--source',
        'a.csv',
        '--out',
        'out',
        '--json',
        ...set.flatMap((one) => ['--set', one]),
      ],
      { cwd },
    );
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ splits: { valid: { rows: 20 }, test: { rows: 20 } } });
    expect(JSON.parse(stdout).splits.train.positives).toBeLessThan(60);
    expect(stderr).toContain('the ids stand for the titles');
  });

  it.each<[string, string[], RegExp]>([
    ['a cut gzip', ['--source', 'cut'], /interactions\.csv\.gz: damaged or cut short gzip .*; fetch it again/],
    ['a missing file', ['--source', 'empty'], /interactions\.csv: no such file; csv needs interactions\.csv/],
    ['a key elsewhere', ['--source', 'a.csv', '--set', 'seed=3'], /--set seed: only options of the data set/],
    [
      'an unknown key',
      ['--source', 'a.csv', '--set', 'data.split.way=x'],
      /--set data\.split\.way: unknown key data\.split\.way/,
    ],
    [
      'a wrong value',
      ['--source', 'a.csv', '--set', 'data.split.valid=2'],
      /--set data\.split\.valid: .*must be below 1, got 2/,
    ],
    ['a wrong row', ['--source', 'bad.csv'], /bad\.csv:2: rating must be a finite number, got "many"/],
  ])('refuses %s in one line and leaves nothing', async (_, args, message) => {
    const cwd = await folderWith({
      'a.csv': events(),
      'empty/x': '',
      'bad.csv': 'user,item,rating,timestamp\nu,i,many,1\n',
      'cut/x': '',
    });
    await writeFile(join(cwd, 'cut/interactions.csv.gz'), gzipSync(events()).subarray(0, 200));
    const before = await listing(cwd);
    const { code, stderr } = await runCli(['data', 'prepare', 'csv', '--out', 'deep/out', ...args], { cwd });
    expect(stderr).toMatch(message);
    expect([code, stderr.trimEnd().split('\n').length]).toEqual([2, 1]);
    expect(await listing(cwd)).toEqual(before);
  });
});

describe('configs', () => {
  it('trains from a file, and from a prepared folder with the same options only', async () => {
    const config = 'method: mean\ndata:\n  name: csv\n  path: a.csv\n  split: {by: ratio, valid: 0.2, test: 0.2}\n';
    const cwd = await folderWith({ 'a.csv': events(), 'c.yaml': config });
    const train = (...args: string[]) => runCli(['train', 'c.yaml', '--json', ...args], { cwd });
    const first = await train();
    expect(first.code, first.stderr).toBe(0);
    expect(JSON.parse(first.stdout).metrics.test.rows).toBe(60);
    const prepare = ['data', 'prepare', 'csv', '--source', 'a.csv', '--out', 'out'];
    const set = ['by=ratio', 'valid=0.2', 'test=0.2'].flatMap((one) => ['--set', `data.split.${one}`]);
    expect((await runCli([...prepare, ...set], { cwd })).code).toBe(0);
    const second = await train('--set', 'data.path=out', '--run', 'second');
    expect(JSON.parse(second.stdout).metrics).toEqual(JSON.parse(first.stdout).metrics);
    const other = await train('--set', 'data.path=out', '--set', 'data.split.seed=2', '--run', 'third');
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringMatching(/was prepared with other options \(split: .*"seed":1.*"seed":2.*\); prepare it again/),
    ]);
  });

  it('refuses options of a data set with a fixed recipe', async () => {
    const cwd = await folderWith({ 'c.yaml': 'method: mean\ndata: {name: demo, threshold: 4}\n' });
    const { code, stderr } = await runCli(['train', 'c.yaml'], { cwd });
    expect([code, stderr]).toEqual([2, 'error: data.threshold: demo does not take it; its recipe is fixed\n']);
  });
});

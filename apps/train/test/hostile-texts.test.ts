/** Ids and titles of strangers on a terminal and in files, and outputs that are inputs. */
import { link, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, listing } from '@crossgate/testing/node';
import { beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './cli';

const sequence = '\u001b]0;owned\u0007';
const short = '\u009b2J';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;

let cwd: string;
beforeEach(async () => {
  const rows = Array.from({ length: 60 }, (_, n) => `${sequence}u${n % 6},=i${(n * 7) % 11},${(n % 5) + 1},${n}`);
  const titles = Array.from({ length: 11 }, (_, n) => `=i${n},${short}Title\u202e ${n}`);
  cwd = await folderWith({
    'shop.csv': `user,item,rating,time${sequence}\n${rows.join('\n')}\n`,
    'items.csv': `item,title\n${titles.join('\n')}\n`,
    'shop.yaml': 'method: mean\ndata: { name: csv, path: shop.csv, split: { by: ratio } }\n',
    'pairs.csv': `user,item\n${sequence}u1,=i3\n`,
    'broken.yaml': `method: mean\ndata: { name: csv, path: "none${'\\e'}[31m.csv" }\n`,
  });
  expect((await runCli(['train', 'shop.yaml', '--run', 'r'], { cwd })).code).toBe(0);
});

describe('control characters', () => {
  it.each<[string, string[], number]>([
    ['a list', ['recommend', 'r', '--user', `${sequence}u1`], 0],
    ['a list as JSON', ['recommend', 'r', '--user', `${sequence}u1`, '--json'], 0],
    ['an unknown user', ['recommend', 'r', '--user', `${sequence}u77`], 2],
    ['an unknown user as JSON', ['recommend', 'r', '--user', `${short}u77`, '--json', '--verbose'], 2],
    ['an unknown command', [`${sequence}list`], 2],
    ['an unknown option', ['recommend', 'r', `--${short}`], 2],
    ['rows', ['data', 'export', '--data', 'prepared', '--split', 'train'], 0],
    ['names of columns', ['init', '--csv', 'shop.csv', '--out', 'new.yaml'], 0],
    ['names of columns as JSON', ['init', '--csv', 'shop.csv', '--out', 'new.yaml', '--json'], 0],
    ['a path of a config', ['train', 'broken.yaml'], 2],
    ['a config', ['config', 'show', 'broken.yaml'], 0],
    ['the columns of a file that are missing', ['metrics', 'shop.csv'], 2],
    ['an answer on a file', ['predict', 'r', '--pairs', 'pairs.csv', '--out', `s${sequence}.csv`], 0],
  ])('do not reach the terminal: %s', async (_, argv, code) => {
    if (argv.includes('prepared')) {
      const set = ['--set', 'data.split.by=ratio'];
      const prepared = await runCli(['data', 'prepare', 'csv', '--source', 'shop.csv', '--out', 'prepared', ...set], {
        cwd,
      });
      expect(prepared.code, prepared.stderr).toBe(0);
    }
    const ran = await runCli(argv, { cwd });
    expect(ran.code, ran.stderr).toBe(code);
    expect(`${ran.stdout}${ran.stderr}`).not.toMatch(controls);
    expect(`${ran.stdout}${ran.stderr}`.length).toBeGreaterThan(10);
  });
});

describe('--out', () => {
  it.each<[string, string[]]>([
    ['the pairs', ['predict', 'r', '--pairs', 'pairs.csv', '--out', './pairs.csv']],
    ['a link to them', ['predict', 'r', '--pairs', 'pairs.csv', '--out', 'link.csv']],
    ['another name of them', ['predict', 'r', '--pairs', 'pairs.csv', '--out', 'name.csv']],
    ['the data of the run', ['predict', 'r', '--pairs', 'pairs.csv', '--out', 'shop.csv']],
    ['its titles', ['recommend', 'r', '--all-users', '--out', 'items.csv']],
    ['a file of the run', ['predict', 'r', '--pairs', 'pairs.csv', '--out', 'r/config.yaml']],
    ['the candidates', ['recommend', 'r', '--all-users', '--candidates', 'pairs.csv', '--out', 'pairs.csv']],
    ['what its part would be', ['recommend', 'r', '--all-users', '--candidates', 'c.csv.part', '--out', 'c.csv']],
    ['a run that is shown', ['report', 'r', '--out', 'r/result.json']],
    ['the data of a run that is shown', ['report', 'r', '--out', 'shop.csv']],
    ['vectors', ['vectors', 'r', '--out', 'shop.csv']],
    ['data that are set', ['predict', 'r', '--pairs', 'pairs.csv', '--set', 'data.path=shop.csv', '--out', 'shop.csv']],
    ['the config', ['api', 'export', 'shop.yaml', '--out', 'shop.yaml']],
    ['the data of the config', ['api', 'export', 'shop.yaml', '--out', 'shop.csv']],
    ['events', ['init', '--csv', 'shop.csv', '--out', 'shop.csv']],
  ])('is not %s', async (_, argv) => {
    await symlink('pairs.csv', join(cwd, 'link.csv'));
    await link(join(cwd, 'pairs.csv'), join(cwd, 'name.csv'));
    await writeFile(join(cwd, 'c.csv.part'), 'item\n=i1\n');
    const names = ['pairs.csv', 'shop.csv', 'items.csv', 'shop.yaml', 'r/config.yaml', 'r/result.json', 'c.csv.part'];
    const contents = () => Promise.all(names.map((name) => readFile(join(cwd, name), 'utf8')));
    const before = await contents();
    const { code, stderr } = await runCli(argv, { cwd });
    expect(stderr).toMatch(/^error: (--out|shop\.csv): .*name another file|^error: shop\.csv: is there already/);
    expect(code).toBe(2);
    expect(await contents()).toEqual(before);
  });

  it.each([
    ['the pairs', ['predict', 'r', '--pairs', 'parts/shard-0-of-2.csv', '--shard', '1/2']],
    ['a link to them', ['predict', 'r', '--pairs', 'parts/shard-0-of-2.csv', '--shard', '0/2'], 'folder'],
    ['the candidates', ['recommend', 'r', '--all-users', '--candidates', 'parts/shard-0-of-2.csv', '--shard', '0/2']],
    ['the data of a run', ['predict', 'own', '--pairs', 'pairs.csv', '--shard', '0/2']],
    ['its titles', ['recommend', 'own', '--all-users', '--shard', '0/2']],
    ['the pairs of a queue', ['work', 'r', '--pairs', 'parts/shard-0-of-2.csv', '--nats', 'nats://127.0.0.1:1']],
    ['the data of a run with a queue', ['work', 'own', '--all-users', '--nats', 'nats://127.0.0.1:1']],
  ])('is no folder of shards where %s would be one', async (what, argv, out = 'parts') => {
    const [events, titles, pairs] = await Promise.all(
      ['shop.csv', 'items.csv', 'pairs.csv'].map((name) => readFile(join(cwd, name), 'utf8')),
    );
    await mkdir(join(cwd, 'parts'));
    await symlink('parts', join(cwd, 'folder'));
    if (argv[1] === 'r') await writeFile(join(cwd, 'parts/shard-0-of-2.csv'), pairs!);
    else {
      const names = what === 'its titles' ? ['events.csv', 'shard-1-of-2.csv'] : ['shard-0-of-2.csv', 'titles.csv'];
      await writeFile(join(cwd, 'parts', names[0]!), events!);
      await writeFile(join(cwd, 'parts', names[1]!), titles!);
      const csv = `{ interactions: ${names[0]}, items: ${names[1]} }`;
      const config = `method: mean\ndata: { name: csv, path: parts, csv: ${csv}, split: { by: ratio } }\n`;
      await writeFile(join(cwd, 'own.yaml'), config);
      expect((await runCli(['train', 'own.yaml', '--run', 'own'], { cwd })).code).toBe(0);
    }
    const before = await listing(cwd);
    const { code, stderr } = await runCli([...argv, '--out', out], { cwd });
    expect(stderr).toMatch(
      /^error: --out: .*shard-\d-of-\d\.csv, which the command reads, lies there under the name of/,
    );
    expect(code).toBe(2);
    expect(await listing(cwd)).toEqual(before);
  });

  it('may be an earlier output, and a new file in the folder of a run', async () => {
    for (const out of ['s.csv', 's.csv', 'r/s.csv']) {
      const { code, stderr } = await runCli(['predict', 'r', '--pairs', 'pairs.csv', '--out', out], { cwd });
      expect(code, stderr).toBe(0);
    }
  });
});

it('writes CSV that a spreadsheet does not compute, where --safe-csv is given', async () => {
  for (const [more, id] of [
    [[], '=i3'],
    [['--safe-csv'], "'=i3"],
    [['--safe-csv', '--json'], "'=i3"],
  ] as const) {
    const { code, stderr } = await runCli(['predict', 'r', '--pairs', 'pairs.csv', '--out', 's.csv', ...more], { cwd });
    expect(code, stderr).toBe(0);
    expect((await readFile(join(cwd, 's.csv'), 'utf8')).split('\n')[1]?.split(',')[1]).toBe(id);
  }
  for (const more of [[], ['--safe-csv']]) {
    const argv = ['predict', 'r', '--pairs', 'pairs.csv', '--shard', '0/1', '--out', `parts${more.length}`, ...more];
    const made = await runCli(argv, { cwd });
    expect(made.code, made.stderr).toBe(0);
    const merged = await runCli(['merge', `parts${more.length}`, '--out', 'm.csv'], { cwd });
    expect(merged.code, merged.stderr).toBe(0);
    expect(await readFile(join(cwd, 'm.csv'), 'utf8')).toContain(`,${more.length ? "'" : ''}=i3,`);
  }
  const lists = await runCli(['recommend', 'r', '--all-users', '--safe-csv', '--out', 'l.csv'], { cwd });
  expect(lists.code, lists.stderr).toBe(0);
  const [, first = ''] = (await readFile(join(cwd, 'l.csv'), 'utf8')).split('\n');
  expect(first).toContain(",'=i");
});

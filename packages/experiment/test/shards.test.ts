/** Shards of scores and lists: each part by itself, and all of them the same bytes as the whole. */
import { appendFile, copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentProgress } from '@crossgate/core';
import { listing } from '@crossgate/testing/node';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type AllUsersOptions,
  type Bulk,
  type ListFormat,
  loadConfig,
  mergeShards,
  openAllUsers,
  openPairs,
  openSession,
  predictPairs,
  recommendAll,
  runExperiment,
  type Session,
  writeShard,
} from '../src';
import { formatScores, type ScoredPair } from '../src/batch/list-formats';
import { numberWords } from '../src/batch/shard-files';
import { stretchOf } from '../src/batch/write-shard';
import { shopWith } from './shop';

let cwd: string;
let warnings: string[];
const session = () =>
  openSession({ cwd, log: { debug() {}, info() {}, warn: (message: unknown) => void warnings.push(String(message)) } });

/** A finished run of a baseline, and pairs: those of everybody with three items. */
beforeEach(async () => {
  warnings = [];
  cwd = await shopWith({ mean: '' });
  await using own = session();
  await runExperiment(await loadConfig('mean.yaml', { cwd }), own, { run: 'mean' });
  const users = [...Array.from({ length: 8 }, (_, n) => `u${n}`), '"late, user"'];
  await writeFile(join(cwd, 'pairs.csv'), `item,user\n${users.map((u) => `i1,${u}\ni4,${u}\ni9,${u}\n`).join('')}`);
});

const commands = {
  predict: (own: Session, run = 'mean') => openPairs(own, run, { pairs: join(cwd, 'pairs.csv') }),
  recommend: (own: Session, run = 'mean') => openAllUsers(own, run, { top: 3 }),
} as const;
type Command = keyof typeof commands;

interface Asked {
  readonly command?: Command;
  readonly format?: ListFormat;
  readonly run?: string;
  readonly open?: (own: Session) => Promise<Bulk>;
}

/** Makes one shard in the folder `shards`. */
async function make(index: number, count: number, { command = 'predict', format = 'csv', run, open }: Asked = {}) {
  await using own = session();
  const bulk = await (open ?? ((it) => commands[command](it, run)))(own);
  try {
    return await writeShard(own, bulk, { index, count }, { folder: join(cwd, 'shards'), format });
  } finally {
    await bulk.close();
  }
}

const makeAll = async (count: number, asked: Asked = {}) => {
  // Any order will do.
  for (let n = count - 1; n >= 0; n--) await make(n, count, asked);
};

async function whole(command: Command, out: string) {
  await using own = session();
  return command === 'predict'
    ? predictPairs(own, 'mean', { pairs: join(cwd, 'pairs.csv'), out: join(cwd, out) })
    : recommendAll(own, 'mean', { top: 3, out: join(cwd, out) });
}

const log = { debug() {}, info() {}, warn() {} };
const merge = (out: string, signal = new AbortController().signal) =>
  mergeShards({ log, progress: silentProgress, signal }, join(cwd, 'shards'), join(cwd, out));
const bytes = (name: string) => readFile(join(cwd, name));

describe.each(['predict', 'recommend'] as const)('shards of %s', (command) => {
  it.each([
    ['csv', 1],
    ['csv', 4],
    ['jsonl', 4],
    ['parquet', 4],
    ['csv', 40],
    ['parquet', 40],
  ] as const)('are, as %s and %i of them merged, the bytes of the whole', async (format, count) => {
    const counted = await whole(command, `whole.${format}`);
    await makeAll(count, { command, format });
    const merged = await merge(`merged.${format}`);
    expect(await bytes(`merged.${format}`)).toEqual(await bytes(`whole.${format}`));
    const { method, ...counts } = { seconds: 0, ...counted };
    expect({ seconds: counts.seconds, ...merged.counts }).toEqual(counts);
    expect(merged).toMatchObject({ command, method, shards: count });
    const names = await listing(join(cwd, 'shards'));
    expect(names).toHaveLength(2 * count);
    expect(names).toContain(count === 40 ? `shard-07-of-40.${format}` : `shard-0-of-${count}.json`);
  });

  it('made twice are left as they are, and need no model', async () => {
    const first = await make(1, 3, { command });
    const file = join(cwd, 'shards', first.manifest.file);
    const before = [await readFile(file), (await stat(file)).mtimeMs, await listing(join(cwd, 'shards'))];
    // The learned values are gone: whoever opens the run now fails.
    const open = async (own: Session): Promise<Bulk> => ({
      ...(await commands[command](own)),
      content() {
        throw new Error('nothing is to be made');
      },
    });
    const again = await make(1, 3, { open });
    expect([first.already, again]).toEqual([false, { manifest: first.manifest, already: true }]);
    expect([await readFile(file), (await stat(file)).mtimeMs, await listing(join(cwd, 'shards'))]).toEqual(before);
  });
});

describe('a folder of shards', () => {
  it('takes no shard of another run, other pairs, another number, command or format', async () => {
    await make(0, 3);
    const before = await listing(join(cwd, 'shards'));
    const refused = (words: string) =>
      expect.objectContaining({
        name: 'InputError',
        code: 'shard.other',
        message: `${join(cwd, 'shards/shard-0-of-3.json')}: was made with ${words}; repeat the command that made it, or name another folder`,
      });
    await using own = session();
    await runExperiment(await loadConfig('mean.yaml', { cwd }), own, { run: 'again' });
    for (const index of [0, 1]) {
      await expect(make(index, 3, { run: 'again' })).rejects.toEqual(refused('another run'));
      await expect(make(index, 3, { command: 'recommend' })).rejects.toEqual(
        refused('command predict, and now it is recommend'),
      );
      await expect(make(index, 4)).rejects.toEqual(refused('shards 3, and now it is 4'));
      await expect(make(index, 3, { format: 'jsonl' })).rejects.toEqual(refused('format csv, and now it is jsonl'));
    }
    await appendFile(join(cwd, 'pairs.csv'), 'i1,u1\n');
    await expect(make(0, 3)).rejects.toEqual(refused('another pairs'));
    await expect(make(2, 3)).rejects.toEqual(refused('another pairs'));
    expect(await listing(join(cwd, 'shards'))).toEqual(before);
  });

  it('of lists takes none with other options', async () => {
    const { manifest } = await make(0, 3, { command: 'recommend' });
    expect(manifest.job).toMatchObject({ top: 3, repeats: 'exclude', where: null, 'safe CSV': 'off' });
    const other = (options: Partial<AllUsersOptions>) => (own: Session) =>
      openAllUsers(own, 'mean', { top: 3, ...options });
    for (const [options, words] of [
      [{ top: 4 }, /was made with top 3, and now it is 4/],
      [{ candidates: async () => ['i1'] }, /was made with another candidates/],
      [{ repeats: 'allow' }, /was made with repeats exclude, and now it is allow/],
      [
        { where: () => ({ kind: { any: ['Tea', 'Bike'] } }) },
        /was made with where none, and now it is \{"kind":\{"any":\["Bike","Tea"\]\}\}/,
      ],
      [{ safeCsv: true }, /was made with safe CSV off, and now it is on/],
    ] as const)
      await expect(make(1, 3, { open: other(options) })).rejects.toThrow(words);
  });

  it('holds lists of known items, filtered and safe for spreadsheets, as the whole does', async () => {
    const options: AllUsersOptions = {
      ...{ top: 9, repeats: 'allow', safeCsv: true },
      where: () => ({ kind: { none: ['Bike'] } }),
    };
    await using own = session();
    await recommendAll(own, 'mean', { ...options, out: join(cwd, 'whole.csv') });
    await makeAll(4, { open: (it) => openAllUsers(it, 'mean', options) });
    await merge('merged.csv');
    const text = String(await bytes('merged.csv'));
    expect(text).toBe(String(await bytes('whole.csv')));
    expect(text).toMatch(/,i3,'=1\+1,/);
    // Every third item is a bike; everybody has the other seven, known or not.
    expect(text).not.toMatch(/,i(1|4|7|10),/);
    expect(text.match(/^u0,/gm)).toHaveLength(7);
  });

  it('of pairs in several files is the one of the same pairs in one file', async () => {
    await whole('predict', 'whole.csv');
    const [header, ...lines] = String(await bytes('pairs.csv'))
      .trimEnd()
      .split('\n');
    const cuts = [0, 2, 2, 11, lines.length];
    const pairs = cuts.slice(1).map((_end, n) => join(cwd, `part${n}.${n === 2 ? 'jsonl' : 'csv'}`));
    for (const [n, path] of pairs.entries()) {
      const part = lines.slice(cuts[n], cuts[n + 1]);
      const objects = part.map((line) => ({ item: line.slice(0, 2), user: line.slice(3).replaceAll('"', '') }));
      const text = n === 2 ? objects.map((each) => JSON.stringify(each)) : [header, ...part];
      await writeFile(path, `${text.join('\n')}\n`);
    }
    await using own = session();
    const counts = await predictPairs(own, 'mean', { pairs, out: join(cwd, 'parts.csv') });
    expect(counts).toMatchObject({ rows: lines.length });
    expect(String(await bytes('parts.csv'))).toBe(String(await bytes('whole.csv')));
    await make(1, 4);
    for (const n of [0, 2, 3]) await make(n, 4, { open: (it) => openPairs(it, 'mean', { pairs }) });
    await merge('merged.csv');
    expect(String(await bytes('merged.csv'))).toBe(String(await bytes('whole.csv')));
    await expect(make(0, 4, { open: (it) => openPairs(it, 'mean', { pairs: pairs.toReversed() }) })).rejects.toThrow(
      /was made with another pairs/,
    );
    await appendFile(pairs[2]!, '{"item":"i1","user":"nobody"}\n');
    await expect(predictPairs(own, 'mean', { pairs, out: join(cwd, 'x.csv') })).rejects.toThrow(
      /part2\.jsonl:row 10: user "nobody" is not among the 9 users/,
    );
    await expect(openPairs(own, 'mean', { pairs: [pairs[0]!, pairs[0]!] })).rejects.toThrow(
      /part0\.csv: is named twice/,
    );
    await writeFile(pairs[0]!, 'user,item\n');
    await expect(openPairs(own, 'mean', { pairs: [pairs[0]!, pairs[1]!] })).rejects.toThrow(
      /part0\.csv, .*part1\.csv: hold no rows below their headers/,
    );
  });

  it('of scores takes none with another form of CSV', async () => {
    await make(0, 2, { open: (own) => openPairs(own, 'mean', { pairs: join(cwd, 'pairs.csv'), safeCsv: true }) });
    await expect(make(1, 2)).rejects.toThrow(/was made with safe CSV on, and now it is off/);
  });

  it('has a shard made again whose file is gone, cut short or changed, or that has no manifest', async () => {
    await whole('predict', 'whole.csv');
    await makeAll(3);
    const path = join(cwd, 'shards/shard-1-of-3.csv');
    const good = await readFile(path);
    const changed = Buffer.from(good);
    changed[changed.length - 2]! ^= 1;
    const harm: [() => Promise<void>, RegExp | null][] = [
      [() => rm(path), /shard-1-of-3\.csv is not there: shard 1\/3 is made again/],
      [() => writeFile(path, good.subarray(5)), /has \d+ bytes, not \d+: shard 1\/3 is made again/],
      [() => writeFile(path, changed), /has another checksum than its manifest says: shard 1\/3 is made again/],
      // As a process leaves it that is killed between the two.
      [() => rm(join(cwd, 'shards/shard-1-of-3.json')), null],
    ];
    for (const [break_, words] of harm) {
      await break_();
      await expect(merge('merged.csv')).rejects.toThrow(
        words ? /shard-1-of-3\.csv: (is|has) .*; make shard 1\/3 again$/ : /shard 1 of 3 missing/,
      );
      warnings = [];
      expect((await make(1, 3)).already).toBe(false);
      if (words) expect(warnings).toEqual([expect.stringMatching(words)]);
      else expect(warnings).toEqual([]);
      expect(await readFile(path)).toEqual(good);
    }
    await merge('merged.csv');
    expect(await bytes('merged.csv')).toEqual(await bytes('whole.csv'));
  });

  it('keeps the file that is there when another process was faster', async () => {
    const open = async (own: Session): Promise<Bulk> => {
      const bulk = await commands.predict(own);
      return {
        ...bulk,
        async *content(format, from, to, counts) {
          yield* bulk.content(format, from, to, counts) as AsyncIterable<string>;
          await make(0, 2);
          // Another adapter may give other last bits.
          yield 'of this process alone\n';
        },
      };
    };
    expect((await make(0, 2, { open })).already).toBe(true);
    expect(await bytes('shards/shard-0-of-2.csv')).not.toContain('alone');
    await make(1, 2);
    await merge('merged.csv');
    expect(await listing(join(cwd, 'shards'))).toHaveLength(4);
  });

  it('leaves nothing of a shard that fails', async () => {
    await appendFile(join(cwd, 'pairs.csv'), 'i1,nobody\n');
    await expect(make(2, 3)).rejects.toThrow(/pairs\.csv:29: user "nobody" is not among the 9 users/);
    expect(await listing(join(cwd, 'shards'))).toEqual([]);
    expect((await make(0, 3)).already).toBe(false);
  });
});

describe('mergeShards', () => {
  it('names what is missing, and writes nothing', async () => {
    await expect(merge('merged.csv')).rejects.toThrow(/shards: is no folder of shards; check the path/);
    await makeAll(9);
    for (const n of [0, 3, 4, 5, 8]) await rm(join(cwd, `shards/shard-${n}-of-9.json`));
    await expect(merge('merged.csv')).rejects.toEqual(
      expect.objectContaining({
        code: 'shard.missing',
        message: `${join(cwd, 'shards')}: shards 0, 3 to 5, 8 of 9 missing; run the command again with --shard 0/9 and so on`,
      }),
    );
    for (const n of [1, 2, 6, 7]) await rm(join(cwd, `shards/shard-${n}-of-9.json`));
    await expect(merge('merged.csv')).rejects.toThrow(/holds no finished shards/);
    expect(await listing(cwd)).not.toContain('merged.csv');
  });

  it('names what is there twice, and what is of another command', async () => {
    await makeAll(2);
    const copy = join(cwd, 'shards/shard-1-of-2 (1).json');
    await copyFile(join(cwd, 'shards/shard-1-of-2.json'), copy);
    await expect(merge('merged.csv')).rejects.toEqual(
      expect.objectContaining({
        code: 'shard.doubled',
        message: expect.stringMatching(/shard 1 is there twice; delete .*shard-1-of-2( \(1\))?\.json$/),
      }),
    );
    const manifest = JSON.parse(await readFile(copy, 'utf8'));
    await writeFile(copy, JSON.stringify({ ...manifest, job: { ...manifest.job, shards: 3 } }));
    await expect(merge('merged.csv')).rejects.toEqual(expect.objectContaining({ code: 'shard.other' }));
    await writeFile(copy, JSON.stringify({ ...manifest, file: '../pairs.csv' }));
    await expect(merge('merged.csv')).rejects.toThrow(/shard-1-of-2 \(1\)\.json: is no manifest of a shard/);
    await rm(copy);
    // Rows that two shards have, or none.
    await writeFile(join(cwd, 'shards/shard-1-of-2.json'), JSON.stringify({ ...manifest, from: manifest.from - 1 }));
    await expect(merge('merged.csv')).rejects.toThrow(/shard-1-of-2\.csv: has other rows than its number says/);
    expect(await listing(cwd)).not.toContain('merged.csv');
  });

  it('keeps the format, and an earlier file until the new one is whole', async () => {
    await makeAll(2);
    await expect(merge('merged.parquet')).rejects.toThrow(
      /--out: the shards are \.csv, and merging does not change that/,
    );
    await writeFile(join(cwd, 'merged.csv'), 'earlier');
    const stop = new AbortController();
    stop.abort();
    await expect(merge('merged.csv', stop.signal)).rejects.toThrow(/interrupted/);
    expect(await readFile(join(cwd, 'merged.csv'), 'utf8')).toBe('earlier');
    await expect(merge('shards')).rejects.toThrow(/is a folder/);
  });
});

describe('stretches', () => {
  it.each([
    [1, 1, 1],
    [10, 1, 3],
    [3, 1, 10],
    [1_000_003, 1, 200],
    [40_960, 4096, 3],
    [40_961, 4096, 10],
    [4097, 4096, 8],
  ])('of %i units in steps of %i are %i even ones, without a gap', (units, step, count) => {
    const all = Array.from({ length: count }, (_, index) => stretchOf({ units, step }, { index, count }));
    expect([all[0]!.from, all.at(-1)!.to]).toEqual([0, units]);
    for (const [n, { from }] of all.entries()) if (n > 0) expect(from).toBe(all[n - 1]!.to);
    const sizes = all.map(({ from, to }) => to - from);
    const isStepped = Math.ceil(units / step) >= count;
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(isStepped ? step : 1);
    if (isStepped) for (const { from } of all) expect(from % step).toBe(0);
  });

  it('are named by runs of numbers', () => {
    expect(numberWords([0, 1, 3, 4, 5, 9])).toBe('0, 1, 3 to 5, 9');
    const even = Array.from({ length: 20 }, (_, n) => 2 * n);
    expect(numberWords(even)).toBe(`${even.slice(0, 12).join(', ')} and more (20 in all)`);
  });
});

it('scores as Parquet have row groups of 50,000, however they come', async () => {
  const pairs = Array.from({ length: 100_001 }, (_, n): ScoredPair => [`u${n % 7}`, `i${n}`, n / 3]);
  for (const size of [4096, 33_333]) {
    const chunks = (async function* () {
      for (let at = 0; at < pairs.length; at += size) yield pairs.slice(at, at + size);
    })();
    const pieces: Uint8Array[] = [];
    for await (const piece of formatScores('parquet', chunks) as AsyncIterable<Uint8Array>) pieces.push(piece);
    await writeFile(join(cwd, 'x.parquet'), Buffer.concat(pieces));
    const file = await asyncBufferFromFile(join(cwd, 'x.parquet'));
    const { row_groups } = await parquetMetadataAsync(file);
    expect(row_groups.map(({ num_rows }) => Number(num_rows))).toEqual([50_000, 50_000, 1]);
    const [row] = await parquetReadObjects({ file, rowStart: 100_000, rowEnd: 100_001 });
    expect(row).toEqual({ user: 'u5', item: 'i100000', score: 100_000 / 3 });
  }
});

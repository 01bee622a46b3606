/** Prepared folders: round trips, refusals, damage, and what a failure leaves behind. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assembleDataset, attributesFile, contentFiles, type Dataset, jsonId, summarizeDataset } from '../src/index';
import { exportSplit, loadSource, openDataset, prepareDataset, saveDataset } from '../src/node';

const time = Date.UTC(2001, 6, 1) / 1000;
const later = Date.UTC(2002, 9, 1) / 1000;
const ratings = `1::3::5::${time}\n1::7::1::${time + 1}\n2::3::4::${time}\n2::7::5::${later}\n2::7::2::${later + 9}\n`;
const movies = '3::Three "quoted", \\ (1990)::Comedy\n7::Mis\xe9rables (1995)::Drama\n';

let root: string;
let source: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'crossgate-data-'));
  source = join(root, 'source');
  await mkdir(source);
  await writeFile(join(source, 'ratings.dat'), ratings, 'latin1');
  await writeFile(join(source, 'movies.dat'), movies, 'latin1');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const inputError = (message: RegExp) => ({ name: 'InputError', message: expect.stringMatching(message) });

describe('round trip', () => {
  it('opens as it was prepared, and prepares again over itself', async () => {
    const out = join(root, 'deep', 'er', 'out');
    const prepared = await prepareDataset('ml-1m', { source, out });
    const opened = await openDataset(out, { verify: true });
    expect(opened).toEqual(prepared);
    expect(opened).toEqual(await loadSource('ml-1m', source));
    expect((await readdir(out)).sort()).toEqual([...contentFiles, attributesFile, 'dataset.json'].sort());
    await prepareDataset('ml-1m', { source, out });
    expect((await openDataset(out)).hash).toBe(prepared.hash);
    expect(await readdir(join(root, 'deep', 'er'))).toEqual(['out']);
    expect((await stat(out)).mode & 0o500).toBe(0o500);
  });

  it('holds for arbitrary events, titles included', async () => {
    const event = fc.record({
      user: fc.nat(6),
      item: fc.nat(6),
      label: fc.nat(1),
      timestamp: fc.nat(2 ** 40),
      split: fc.nat(2),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 30 }), fc.string({ unit: 'grapheme' }), async (events, title) => {
        const dataset = await assembleDataset({
          name: 'random',
          recipe: { name: 'random' },
          events: {
            user: events.map((entry) => entry.user),
            item: events.map((entry) => entry.item),
            label: events.map((entry) => entry.label),
            timestamp: events.map((entry) => entry.timestamp),
            split: events.map((entry) => entry.split),
          },
          userId: (user) => `u${user}`,
          itemOf: (item) => ({ id: `i${item}`, title: `${title}\n${item}` }),
        });
        // A history is every earlier positive of the same user, found the slow way.
        const rowOf = [0, 0, 0];
        for (const [index, { user, split }] of events.entries()) {
          const name = (['train', 'valid', 'test'] as const)[split] as 'train';
          const earlier = events.slice(0, index).filter((entry) => entry.user === user && entry.label === 1);
          const history = [...dataset.history(name, rowOf[split] as number)];
          expect(history.map((id) => dataset.items[id]?.id)).toEqual(earlier.map((entry) => `i${entry.item}`));
          rowOf[split] = (rowOf[split] as number) + 1;
        }
        const out = join(root, `random-${run++}`);
        await saveDataset(dataset, out);
        expect(await openDataset(out, { verify: true })).toEqual(dataset);
      }),
      { numRuns: 25 },
    );
  });

  it('hashes data, not circumstances', async () => {
    const hash = async () => (await loadSource('ml-1m', source)).hash;
    const before = await hash();
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    await writeFile(join(source, 'ratings.dat'), ratings.replaceAll('\n', '\r\n'), 'latin1');
    expect(await hash()).toBe(before);
    await writeFile(join(source, 'ratings.dat'), ratings.replace(`5::${later}`, `3::${later}`), 'latin1');
    const otherLabel = await hash();
    await writeFile(join(source, 'ratings.dat'), ratings, 'latin1');
    await writeFile(join(source, 'movies.dat'), movies.replace('1990', '1991'), 'latin1');
    expect(new Set([before, otherLabel, await hash()]).size).toBe(3);
  });
});

describe('refusals leave nothing behind', () => {
  const left = () => readdir(root);

  it('refuses an unknown name, a missing folder, a file for a folder and a missing file', async () => {
    const out = join(root, 'out');
    const prepare = (name: string, from: string) => prepareDataset(name, { source: from, out });
    await expect(prepare('ml-2m', source)).rejects.toMatchObject(
      inputError(/^unknown data set "ml-2m": known are ml-1m/),
    );
    await expect(prepare('ml-1m', join(root, 'none'))).rejects.toMatchObject(
      inputError(/none: no such folder; .*ratings\.dat/),
    );
    await expect(prepare('ml-1m', join(source, 'movies.dat'))).rejects.toMatchObject(inputError(/not a folder/));
    await rm(join(source, 'movies.dat'));
    await expect(prepare('ml-1m', source)).rejects.toMatchObject(inputError(/movies\.dat: no such file/));
    await writeFile(join(source, 'movies.dat'), '3::Three');
    await expect(prepare('ml-1m', source)).rejects.toMatchObject(inputError(/^movies\.dat:1: /));
    expect(await left()).toEqual(['source']);
  });

  it('refuses a place with anything that is not ours', async () => {
    const foreign = join(root, 'foreign');
    await mkdir(foreign);
    await writeFile(join(foreign, 'thesis.txt'), 'mine');
    await expect(prepareDataset('ml-1m', { source, out: foreign })).rejects.toMatchObject(
      inputError(/foreign: not empty and not a prepared data set \(thesis\.txt\)/),
    );
    await expect(prepareDataset('ml-1m', { source, out: join(foreign, 'thesis.txt') })).rejects.toMatchObject(
      inputError(/is a file/),
    );
    await expect(prepareDataset('ml-1m', { source, out: join(foreign, 'thesis.txt', 'x') })).rejects.toMatchObject(
      inputError(/is a file/),
    );
    await expect(prepareDataset('ml-1m', { source, out: source })).rejects.toMatchObject(inputError(/not empty/));
    const out = join(root, 'out');
    await prepareDataset('ml-1m', { source, out });
    await writeFile(join(out, 'notes.txt'), 'mine');
    await expect(prepareDataset('ml-1m', { source, out })).rejects.toMatchObject(inputError(/notes\.txt/));
    expect(await readFile(join(out, 'notes.txt'), 'utf8')).toBe('mine');
    expect((await left()).sort()).toEqual(['foreign', 'out', 'source']);
  });

  it.runIf(process.platform === 'linux')(
    'refuses a place where no folder can be made, instead of hanging',
    async () => {
      const dataset = await loadSource('ml-1m', source);
      await expect(saveDataset(dataset, '/proc/crossgate-test/out')).rejects.toMatchObject(
        inputError(/^\/proc\/crossgate-test: the folder cannot be made: .*; name another folder$/),
      );
    },
  );

  it('removes what it wrote when writing fails', async () => {
    const dataset = await loadSource('ml-1m', source);
    const broken = Object.create(dataset, {
      // A column that cannot be encoded stands for a disk that fails in the middle.
      recipe: {
        get: () => {
          throw new Error('no space left');
        },
      },
    }) as Dataset;
    await expect(saveDataset(broken, join(root, 'a', 'b'))).rejects.toThrow('no space left');
    expect(await left()).toEqual(['source']);
    if (process.getuid?.() === 0) return; // root may write anywhere
    const locked = join(root, 'locked');
    await mkdir(locked);
    await chmod(locked, 0o500);
    await expect(saveDataset(dataset, join(locked, 'out'))).rejects.toThrow(/EACCES/);
    expect(await readdir(locked)).toEqual([]);
  });
});

describe('damaged folders', () => {
  let out: string;
  beforeEach(async () => {
    out = join(root, 'out');
    await prepareDataset('ml-1m', { source, out });
  });

  it('names a folder that is not a prepared data set', async () => {
    await expect(openDataset(join(root, 'none'))).rejects.toMatchObject(inputError(/none: no such folder; prepare/));
    await expect(openDataset(source)).rejects.toMatchObject(inputError(/source: no dataset\.json/));
    for (const [text, message] of [
      ['{', /dataset\.json: not valid JSON/],
      ['null', /dataset\.json: not a prepared data set/],
      ['{"format":"crossgate-dataset","version":99}', /dataset\.json: format version 99/],
      ['{"format":"crossgate-dataset","version":1}', /dataset\.json: "name", "hash" or "files" is missing/],
    ] as const) {
      await writeFile(join(out, 'dataset.json'), text);
      await expect(openDataset(out)).rejects.toMatchObject(inputError(message));
    }
  });

  it.each([...contentFiles, attributesFile])('names %s when it is cut short or gone', async (file) => {
    const path = join(out, file);
    await truncate(path, Math.max(0, (await stat(path)).size - 1));
    const gone = (await stat(path)).size === 0;
    if (!gone) await expect(openDataset(out)).rejects.toMatchObject(inputError(/\d+ bytes, expected \d+/));
    await rm(path);
    await expect(openDataset(out)).rejects.toMatchObject(inputError(/missing; the data set is damaged/));
    await expect(openDataset(out)).rejects.toThrow(file);
  });

  it('refuses ids and lengths out of range, and other changes when asked to verify', async () => {
    const patch = async (file: string, offset: number, value: number) => {
      const bytes = await readFile(join(out, file));
      const before = bytes[offset] as number;
      bytes[offset] = value;
      await writeFile(join(out, file), bytes);
      return before;
    };
    for (const [file, message] of [
      ['train.item.i32', /train\.item\.i32: 99 is outside 1 … 2/],
      ['train.user.i32', /train\.user\.i32: 99 is outside/],
      ['train.label.u8', /train\.label\.u8: row 0 is neither 0 nor 1/],
      ['train.history-length.i32', /history-length\.i32: row 0 asks for 99 positives/],
      ['positives.item.i32', /positives\.item\.i32: 99 is outside/],
      ['positives.offset.i32', /positives\.offset\.i32: offsets/],
    ] as const) {
      const before = await patch(file, 0, 99);
      await expect(openDataset(out)).rejects.toMatchObject(inputError(message));
      await patch(file, 0, before);
    }
    await patch('train.timestamp.f64', 0, 7);
    await expect(openDataset(out)).resolves.toBeDefined();
    await expect(openDataset(out, { verify: true })).rejects.toMatchObject(inputError(/timestamp\.f64: wrong SHA-256/));
  });
});

describe('export', () => {
  it('gives every row with the ids of the source', async () => {
    const dataset = await loadSource('ml-1m', source);
    expect([...exportSplit(dataset, 'test')]).toEqual([
      { user: 2, item: 7, label: 1, timestamp: later, seen: true, history: [3], title: 'Misérables (1995)' },
      { user: 2, item: 7, label: 0, timestamp: later + 9, seen: true, history: [3, 7], title: 'Misérables (1995)' },
    ]);
    expect(summarizeDataset(dataset)).toEqual({
      dataset: 'ml-1m',
      users: 2,
      items: 2,
      splits: {
        train: { rows: 3, positives: 2, users: 2, items: 2, seen: 3 },
        valid: { rows: 0, positives: 0, users: 0, items: 0, seen: 0 },
        test: { rows: 2, positives: 1, users: 1, items: 1, seen: 2 },
      },
    });
  });

  it('writes an id as a number only when that loses nothing', () => {
    expect(['0', '12', '007', '-1', '1e3', '', ' 1', '9007199254740993', 'B00'].map(jsonId)).toEqual([
      0,
      12,
      '007',
      '-1',
      '1e3',
      '',
      ' 1',
      '9007199254740993',
      'B00',
    ]);
  });
});

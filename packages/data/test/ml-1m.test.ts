/** MovieLens-1M: the recipe point by point on small files, and its counts on the published ones. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  buildMl1m,
  buildMl100k,
  type Dataset,
  type DatasetOptions,
  exportSplit,
  hasWholePast,
  memorySource,
  ml1mSplitOf,
  summarizeDataset,
} from '../src/index';
import { loadSource } from '../src/node';

const utc = (year: number, month: number, day: number, second = 0) =>
  Date.UTC(year, month - 1, day, 0, 0, second) / 1000;
const trainTime = utc(2001, 7, 1);
const validTime = utc(2002, 5, 1);
const testTime = utc(2002, 10, 1);

const movies =
  '7::Seven (1995)::Drama\n3::Three: A "Film", The (1990)::Comedy\n9:: Nine  (1999) ::Action\n5::Five (1970)::War\n';
const build = (
  ratings: string | Uint8Array,
  movieText: string | Uint8Array = movies,
  options: DatasetOptions = {},
): Promise<Dataset> => buildMl1m(memorySource({ 'ratings.dat': ratings, 'movies.dat': movieText }), options);
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

describe('months', () => {
  it('puts each second of the window in its split', () => {
    const cases: [number, number][] = [
      [utc(2001, 6, 1) - 1, -1],
      [utc(2001, 6, 1), 0],
      [utc(2002, 4, 1) - 1, 0],
      [utc(2002, 4, 1), 1],
      [utc(2002, 9, 1) - 1, 1],
      [utc(2002, 9, 1), 2],
      [utc(2003, 2, 1) - 1, 2],
      [utc(2003, 2, 1), -1],
    ];
    for (const [time, split] of cases) expect(ml1mSplitOf(time), new Date(time * 1000).toISOString()).toBe(split);
    // With all that came before, only the future stays out.
    for (const [time, split] of cases.slice(1, -1)) expect(ml1mSplitOf(time, 'all')).toBe(split);
    for (const time of [0, utc(2000, 4, 30), utc(2001, 6, 1) - 1]) expect(ml1mSplitOf(time, 'all')).toBe(0);
    expect(ml1mSplitOf(utc(2003, 2, 1), 'all')).toBe(-1);
  });
});

/** Rows by the ids of the source, in order. */
const rowsOf = (dataset: Dataset, split: 'valid' | 'test') =>
  Array.from(exportSplit(dataset, split), ({ user, item, label, timestamp }) => [user, item, label, timestamp].join());

describe('window', () => {
  const early = utc(2000, 5, 1);
  const ratings = [
    `8::9::5::${early}`,
    `9::5::5::${early}`,
    `20::3::4::${early + 1}`,
    `8::7::2::${trainTime}`,
    `20::7::1::${validTime}`,
    `8::3::5::${testTime}`,
    `20::5::5::${testTime}`,
    `8::5::5::${utc(2003, 2, 2)}`,
  ].join('\n');

  it('all: earlier ratings are train rows and history, and the scored rows stay', async () => {
    const [paper, all] = [await build(ratings), await build(ratings, movies, { window: 'all' })];
    expect(paper.users).toEqual(['', '8', '20']);
    expect(all.users).toEqual(['', '8', '9', '20']);
    expect([...all.splits.train.timestamp]).toEqual([early, trainTime, early, early + 1]);
    for (const split of ['valid', 'test'] as const) expect(rowsOf(all, split)).toEqual(rowsOf(paper, split));
    // User 8 liked 9, and user 20 liked 3, before the paper begins.
    const histories = Array.from(exportSplit(all, 'test'), ({ history }) => history);
    expect(histories).toEqual([[9], [3]]);
    expect([...paper.splits.test.seen, ...all.splits.test.seen]).toEqual([0, 0, 1, 1]);
    expect([hasWholePast(paper), hasWholePast(all)]).toEqual([false, true]);
    expect(all.recipe).toMatchObject({ window: 'all', train: 'up to 2002-03 (UTC)' });
    expect(await build(ratings, movies, { window: 'paper' })).toEqual(paper);
  });

  it('is refused where it is no word of the recipe, or where the recipe has none', async () => {
    await expect(build(ratings, movies, { window: 'everything' as 'all' })).rejects.toThrow(
      /^data\.window: must be paper or all, got "everything"/,
    );
    await expect(build(`1::3::5::${testTime}`, movies, { window: 'all' })).rejects.toThrow(
      /^ratings\.dat: no rating falls before April 2002/,
    );
    await expect(buildMl100k(memorySource({}), { window: 'all' })).rejects.toThrow(/^data\.window: is for a data set/);
    for (const name of ['csv', 'ml-100k', 'amazon-books', 'demo'])
      await expect(loadSource(name, 'nowhere', { window: 'all' })).rejects.toThrow(
        new RegExp(`^data\\.window: ${name} does not take it`),
      );
  });
});

describe('recipe', () => {
  it('sorts by user and time, breaks ties by first appearance of the item, numbers ids in that order', async () => {
    // Item 9 appears first in the file, in a row outside the window; 3 and 9 tie in user 20's second row pair.
    const ratings = [
      `20::9::5::${utc(2003, 2, 2)}`,
      `20::3::4::${trainTime}`,
      `20::9::3::${trainTime}`,
      `8::7::2::${trainTime + 5}`,
      `8::3::5::${trainTime + 1}`,
      `20::7::5::${testTime}`,
      `8::5::4::${validTime}`,
      `20::3::1::${testTime + 1}`,
      `30::5::5::${testTime}`,
    ].join('\n');
    const dataset = await build(`${ratings}\n`);
    expect(dataset.users).toEqual(['', '8', '20', '30']);
    expect(dataset.items).toEqual([
      { id: '', title: '' },
      { id: '3', title: 'Three: A "Film", The (1990)' },
      { id: '7', title: 'Seven (1995)' },
      { id: '5', title: 'Five (1970)' },
      { id: '9', title: 'Nine  (1999)' },
    ]);
    const { train, valid, test } = dataset.splits;
    expect([...train.user]).toEqual([1, 1, 2, 2]);
    expect([...train.item]).toEqual([1, 2, 4, 1]);
    expect([...train.label]).toEqual([1, 0, 0, 1]);
    expect([...train.seen]).toEqual([1, 1, 1, 1]);
    expect([...valid.item]).toEqual([3]);
    expect([...valid.seen]).toEqual([0]);
    expect([...test.user]).toEqual([2, 2, 3]);
    expect([...test.item]).toEqual([2, 1, 3]);
    expect([...test.timestamp]).toEqual([testTime, testTime + 1, testTime]);
    expect([...test.seen]).toEqual([1, 1, 0]);
    expect([...dataset.positives(1)]).toEqual([1, 3]);
    expect([...dataset.positives(2)]).toEqual([1, 2]);
    expect([...dataset.history('test', 1)]).toEqual([1, 2]);
    expect([...dataset.history('test', 1, 1)]).toEqual([2]);
    expect([...dataset.history('test', 2)]).toEqual([]);
    expect(dataset.warnings).toEqual(['1 rows repeat an earlier (user, item) pair; they are kept']);
  });

  it('reads CRLF, a byte order mark and a missing final newline alike', async () => {
    const lines = [`1::3::5::${trainTime}`, `1::7::1::${trainTime + 1}`];
    const expected = await build(lines.join('\n'));
    for (const text of [`${lines.join('\r\n')}\r\n`, `\uFEFF${lines.join('\n')}`, `${lines.join('\n')}\n\n\n`]) {
      const dataset = await build(text, movies.replaceAll('\n', '\r\n'));
      expect(dataset.hash).toBe(expected.hash);
      expect(dataset.items[1]?.title).toBe('Three: A "Film", The (1990)');
    }
  });

  it('decodes Latin-1, the bytes 0x80 to 0x9f included', async () => {
    const dataset = await build(`1::2::5::${trainTime}`, latin1('2::Mis\xe9rables, Les \x80\x9f (1995)::Drama\n'));
    expect(dataset.items[1]?.title).toBe('Misérables, Les \u0080\u009f (1995)');
  });
});

describe('malformed sources', () => {
  const good = `1::3::5::${trainTime}`;
  const cases: [string, string, RegExp][] = [
    [
      'too few fields',
      '1::3::5',
      /^ratings\.dat:2: expected 4 fields \(UserID::MovieID::Rating::Timestamp\), found 3 in "1::3::5"/,
    ],
    ['too many fields', `${good}::1`, /^ratings\.dat:2: expected 4 fields .* found 5/],
    ['single colons', `1:3:5:${trainTime}`, /^ratings\.dat:2: .*found 1/],
    [
      'a user that is not a number',
      `x::3::5::${trainTime}`,
      /^ratings\.dat:2: UserID must be a whole number .* got "x"/,
    ],
    ['user 0', `0::3::5::${trainTime}`, /^ratings\.dat:2: UserID/],
    ['a huge user id', `99999999999999999999::3::5::${trainTime}`, /^ratings\.dat:2: UserID/],
    ['NaN', `1::3::NaN::${trainTime}`, /^ratings\.dat:2: Rating .* got "NaN"/],
    ['an empty rating', `1::3::::${trainTime}`, /^ratings\.dat:2: Rating .* got ""/],
    ['rating 0', `1::3::0::${trainTime}`, /^ratings\.dat:2: Rating must be a whole number from 1 to 5/],
    ['rating 6', `1::3::6::${trainTime}`, /^ratings\.dat:2: Rating/],
    ['half a star', `1::3::4.5::${trainTime}`, /^ratings\.dat:2: Rating/],
    ['a negative time', '1::3::5::-5', /^ratings\.dat:2: Timestamp/],
    ['a time in milliseconds', `1::3::5::${trainTime * 1000}`, /^ratings\.dat:2: Timestamp/],
    ['a movie that movies.dat lacks', `1::4::5::${trainTime}`, /^ratings\.dat:2: MovieID 4 is not in movies\.dat/],
    ['a blank line between rows', `\n${good}`, /^ratings\.dat:2: blank line between rows/],
  ];
  it.each(cases)('refuses %s', async (_, row, message) => {
    await expect(build(`${good}\n${row}\n`)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });

  const movieCases: [string, string, RegExp][] = [
    ['an empty file', '', /^movies\.dat: the file is empty/],
    ['a repeated movie', `${movies}7::Again::Drama`, /^movies\.dat:5: MovieID 7 appears twice/],
    ['a missing title', `${movies}8:: ::Drama`, /^movies\.dat:5: Title is empty/],
    ['a missing field', `${movies}8::Eight`, /^movies\.dat:5: expected 3 fields/],
  ];
  it.each(movieCases)('refuses in movies.dat %s', async (_, text, message) => {
    await expect(build(good, text)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });

  it('refuses empty ratings and ratings outside the training months', async () => {
    await expect(build('')).rejects.toThrow(/^ratings\.dat: the file is empty/);
    await expect(build('\n\n')).rejects.toThrow(/^ratings\.dat: the file is empty/);
    await expect(build(`1::3::5::${testTime}`)).rejects.toThrow(
      /^ratings\.dat: no rating falls in the training months/,
    );
  });

  it('remarks on empty splits and on a train split of one class', async () => {
    expect((await build(good)).warnings).toEqual([
      'split valid has no rows',
      'split test has no rows',
      'split train has only positives: a loss on labels learns nothing from it, a ranking loss such as bpr does',
    ]);
  });
});

const source = process.env.CROSSGATE_DATA ? join(process.env.CROSSGATE_DATA, 'ml-1m') : '';
const haveSource = source !== '' && existsSync(join(source, 'ratings.dat'));

describe.skipIf(!haveSource)(`published files (CROSSGATE_DATA/ml-1m${haveSource ? '' : ' is absent: skipped'})`, () => {
  it('with window all trains on every rating before valid and scores the same rows', async () => {
    const [paper, all] = [await loadSource('ml-1m', source), await loadSource('ml-1m', source, { window: 'all' })];
    expect(paper.hash).toBe('961a24d238164b5d1f1127b28bde3fb4ce2bf9336bdf85616b7f0eef2aec2bc7');
    expect(all.hash).not.toBe(paper.hash);
    for (const split of ['valid', 'test'] as const) expect(rowsOf(all, split)).toEqual(rowsOf(paper, split));
    expect(all.splits.train.rows).toBeGreaterThan(paper.splits.train.rows);
    // The last ratings of train, user by user, are those of the paper.
    const early = all.splits.train.timestamp.filter((time) => time < utc(2001, 6, 1)).length;
    expect(all.splits.train.rows - early).toBe(paper.splits.train.rows);
  });

  it('gives the counts of the paper and the original split', async () => {
    const dataset = await loadSource('ml-1m', source);
    const summary = summarizeDataset(dataset);
    expect([summary.users, summary.items]).toEqual([838, 3255]);
    const { train, valid, test } = summary.splits;
    expect([train.rows, valid.rows, test.rows]).toEqual([33_891, 10_401, 7_331]);
    expect([train.seen, valid.seen, test.seen]).toEqual([33_891, 6_609, 4_153]);
    const rates = [train, valid, test].map((split) => (split.positives / split.rows).toFixed(4));
    expect(rates).toEqual(['0.5368', '0.5283', '0.5454']);
    const withoutHistory = [dataset.splits.train, dataset.splits.valid, dataset.splits.test].map(
      (split) => split.historyLength.filter((length) => length === 0).length,
    );
    expect(withoutHistory).toEqual([1_275, 103, 62]);
    // The paper's user 4 is source user 36.
    expect(dataset.users[4]).toBe('36');
    expect(dataset.warnings).toEqual([]);
  });
});

/** Amazon books: the recipe on generated files in the published form, against the rules applied the slow way. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { buildAmazonBooks, memorySource, splitNames } from '../src/index';
import { loadSource } from '../src/node';

interface Review {
  reviewerID: string;
  asin: string;
  overall: number;
  unixReviewTime: number;
  reviewText?: string;
}

const day = 86_400;
const from = Date.UTC(2016, 11, 1) / 1000;

/** Reviews of December 2016 to January 2018 by the day, in the order of the items. */
function reviews(): Review[] {
  const rows: Review[] = [];
  for (let item = 0; item < 40; item++) {
    for (let user = 0; user < 45; user++) {
      if ((user * 3 + item * 5) % 7 < user % 4) continue;
      const unixReviewTime = from + ((user * 37 + item * 53) % 427) * day;
      rows.push({
        reviewerID: `A${user}`,
        asin: `B${item}`,
        overall: 1 + ((user + item) % 5),
        unixReviewTime,
        reviewText: 'a "b"\nc',
      });
    }
  }
  return rows;
}
const lines = (values: readonly object[]) => `${values.map((value) => JSON.stringify(value)).join('\n')}\n`;
const meta = Array.from({ length: 40 }, (_, item) => ({ asin: `B${item}`, title: ` Book <b>${item}</b> `, price: '' }));

describe('amazon-books', () => {
  it('keeps what the recipe keeps', async () => {
    const all = reviews();
    const files = { 'Books_5.json': lines(all), 'meta_Books.json': lines([...meta, { asin: 'B1', title: 'Again' }]) };
    const dataset = await buildAmazonBooks(memorySource(files));
    const year = all.filter(({ unixReviewTime: time }) => new Date(time * 1000).getUTCFullYear() === 2017);
    const often = (key: 'reviewerID' | 'asin', id: string) => year.filter((row) => row[key] === id).length > 20;
    const kept = year.filter((row) => often('reviewerID', row.reviewerID) && often('asin', row.asin));
    expect(kept.length).toBeGreaterThan(200);
    expect(kept.length).toBeLessThan(year.length);
    const inDecember = (row: Review) => new Date(row.unixReviewTime * 1000).getUTCMonth() === 11;
    const december = kept.filter(inDecember).sort((a, b) => a.unixReviewTime - b.unixReviewTime);
    const half = Math.floor(december.length / 2);
    const expected = {
      train: kept.filter((row) => !inDecember(row)),
      valid: december.slice(0, half),
      test: december.slice(half),
    };
    expect(half).toBeGreaterThan(5);
    const keyOf = (row: Review) => `${row.reviewerID} ${row.asin} ${row.unixReviewTime} ${row.overall > 4 ? 1 : 0}`;
    for (const name of splitNames) {
      const { rows, user, item, timestamp, label } = dataset.splits[name];
      const keys = Array.from({ length: rows }, (_, row) => {
        const [owner, asin] = [dataset.users[user[row] as number], dataset.items[item[row] as number]?.id];
        return `${owner} ${asin} ${timestamp[row]} ${label[row]}`;
      });
      expect(keys.sort()).toEqual(expected[name].map(keyOf).sort());
    }
    expect(dataset.items.find(({ id }) => id === 'B1')?.title).toBe('Book <b>1</b>');
    expect(dataset.warnings.filter((warning) => warning.includes('title'))).toEqual([]);
  });

  it('reads gzip from disk to the same data, and says how many titles are missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'crossgate-amazon-'));
    try {
      const files = { 'Books_5.json': lines(reviews()), 'meta_Books.json': lines(meta.slice(0, 37)) };
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, `${name}.gz`), gzipSync(text));
      const dataset = await loadSource('amazon-books', folder);
      expect(dataset.hash).toBe((await buildAmazonBooks(memorySource(files))).hash);
      const missing = dataset.items.filter(({ id, title }) => id !== '' && title === id).length;
      expect(missing).toBeGreaterThan(0);
      expect(dataset.warnings).toContain(`${missing} items have no title in meta_Books.json: their ids stand for it`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('reads what Python and pandas write to the same data', async () => {
    const all = reviews();
    const expected = await buildAmazonBooks(
      memorySource({ 'Books_5.json': lines(all), 'meta_Books.json': lines(meta.map((row) => ({ ...row, title: 5 }))) }),
    );
    // No title is one that pandas makes NaN, and Python None.
    const titles = ['NaN', 'None', 'nan'];
    const literal = (row: object, index: number) =>
      `${JSON.stringify(row)
        .replaceAll("'", "\\'")
        .replaceAll(/(?<!\\)"/g, "'")
        .slice(0, -1)}, 'title': ${titles[index % 3]}}`;
    for (const [events, rows] of [
      [JSON.stringify(all), meta.map(({ asin }, index) => literal({ asin }, index)).join('\n')],
      [all.map((row) => JSON.stringify(row, null, 1)).join('\n'), `[${meta.map(({ asin }) => `{"asin": "${asin}"}`)}]`],
    ] as const) {
      const dataset = await buildAmazonBooks(memorySource({ 'Books_5.json': events, 'meta_Books.json': rows }));
      expect(dataset.hash).toBe(expected.hash);
    }
  });

  it('keeps ids letter by letter', async () => {
    const spaced = reviews().map((row) => ({ ...row, reviewerID: ` ${row.reviewerID}`, asin: `${row.asin}\t` }));
    const rows = meta.map((row) => ({ ...row, asin: `${row.asin}\t` }));
    const dataset = await buildAmazonBooks(
      memorySource({ 'Books_5.json': lines(spaced), 'meta_Books.json': lines(rows) }),
    );
    expect(dataset.users[1]).toMatch(/^ A\d/);
    expect(dataset.items[1]).toMatchObject({
      id: expect.stringMatching(/^B\d+\t$/),
      title: expect.stringMatching(/^Book/),
    });
  });

  const good = reviews()[0] as Review;
  it.each<[string, string, RegExp]>([
    ['an empty file', '', /^Books_5\.json: the file is empty/],
    ['a line cut short', `${lines([good])}{"asin": "B`, /^Books_5\.json:2: is not valid JSON/],
    ['a list', '[1]\n', /^Books_5\.json:1: is not a JSON object/],
    [
      'no user',
      lines([{ ...good, reviewerID: undefined }]),
      /:1: reviewerID must be a text .* got nothing; .* has asin,/,
    ],
    ['an id that became a number', lines([{ ...good, asin: 7 }]), /:1: asin must be a text that is not empty, got 7/],
    ['a rating that is NaN', `{"reviewerID":"a","asin":"b","unixReviewTime":1,"overall":NaN}`, /overall .* got NaN/],
    ['a table by columns', '{"asin":{"0":"b"},"overall":{"0":5}}', /:1: is one object for the whole table; write one/],
    ['a rating of 0', lines([good, { ...good, overall: 0 }]), /:2: overall must be a number from 1 to 5, got 0/],
    ['a rating as text', lines([{ ...good, overall: '5.0' }]), /:1: overall must be a number from 1 to 5, got "5\.0"/],
    ['milliseconds', lines([{ ...good, unixReviewTime: 1.5e12 }]), /:1: unixReviewTime must be a number from 0/],
    ['another year', lines([{ ...good, unixReviewTime: 0 }]), /^Books_5\.json: no rating falls in 2017/],
    ['too few of all', lines([{ ...good, unixReviewTime: from + 40 * day }]), /the filters leave none of 1 rows/],
  ])('refuses %s', async (_, text, message) => {
    const source = memorySource({ 'Books_5.json': text, 'meta_Books.json': lines(meta) });
    await expect(buildAmazonBooks(source)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });
});

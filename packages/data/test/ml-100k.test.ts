/** MovieLens-100K: invented files in its form, and the published ones where they are. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildMl100k, memorySource, summarizeDataset } from '../src/index';
import { loadSource } from '../src/node';

const flags = Array(19).fill('0').join('|');
const item = (id: number | string, title: string) => `${id}|${title}|01-Jan-1995||http://x|${flags}\n`;
const header = `movie id | movie title | release date | video release date |IMDb URL | ${Array(18).fill('g').join(' | ')} |g\n`;
const items = item(1, 'One (1995)') + item(2, 'Mis\xe9rables (1995)') + item(3, 'Three (1995)');
const data = '7\t1\t5\t100\n8\t2\t3\t50\n7\t2\t4\t90\n7\t3\t1\t200\n8\t1\t2\t300\n';
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const build = (ratings = data, titles = items, options = {}) =>
  buildMl100k(memorySource({ 'u.data': latin1(ratings), 'u.item': latin1(titles) }), options);

describe('ml-100k', () => {
  it('orders by user and time, with titles in Latin-1', async () => {
    const dataset = await build(data, items, { split: { by: 'leave-one-out' } });
    const { train, valid, test } = dataset.splits;
    expect(dataset.users).toEqual(['', '7', '8']);
    expect([...train.timestamp, ...valid.timestamp, ...test.timestamp]).toEqual([90, 50, 300, 100, 200]);
    expect([...train.label, ...valid.label, ...test.label]).toEqual([1, 0, 0, 1, 0]);
    expect(dataset.items[train.item[0] as number]?.title).toBe('Misérables (1995)');
    expect([...dataset.history('test', 0)].map((id) => dataset.items[id]?.id)).toEqual(['2', '1']);
  });

  it('reads u.item with and without a line of names alike', async () => {
    const options = { split: { by: 'ratio', valid: 0, test: 0 } };
    expect((await build(data, header.replace('movie id ', 'movie id') + items, options)).hash).toBe(
      (await build(data, items, options)).hash,
    );
    expect((await build(data, header + items, options)).hash).toBe((await build(data, items, options)).hash);
  });

  it.each<[string, string, string, RegExp]>([
    ['a missing field', '7\t1\t5\n', items, /^u\.data:1: expected 4 fields/],
    ['a rating of 6', '7\t1\t6\t1\n', items, /^u\.data:1: rating must be a whole number from 1 to 5/],
    ['NaN', '7\tNaN\t5\t1\n', items, /^u\.data:1: item id must be a whole number/],
    ['an unknown item', `${data}7\t9\t5\t1\n`, items, /^u\.data:6: item id 9 is not in u\.item/],
    ['an item twice', data, items + item(1, 'x'), /^u\.item:4: movie id 1 appears twice/],
    ['an empty title', data, items + item(4, ' '), /^u\.item:4: movie title is empty/],
    ['names in the middle', data, items + header, /^u\.item:4: movie id must be a whole number/],
    ['nothing', '', items, /^u\.data: the file is empty/],
  ])('refuses %s', async (_, ratings, titles, message) => {
    await expect(build(ratings, titles)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });
});

const source = process.env.CROSSGATE_DATA ? join(process.env.CROSSGATE_DATA, 'ml-100k') : '';
const present = source !== '' && existsSync(join(source, 'u.data'));

describe.skipIf(!present)(`published files (CROSSGATE_DATA/ml-100k${present ? '' : ' is absent: skipped'})`, () => {
  it('has the published counts, and the shares of the published protocols', async () => {
    const all = { by: 'ratio', valid: 0, test: 0 } as const;
    const whole = summarizeDataset(await loadSource('ml-100k', source, { split: all }));
    expect([whole.users, whole.items, whole.splits.train.rows]).toEqual([943, 1682, 100_000]);
    // Ratings of 4 and 5 in the README of the data set: 34,174 and 21,201.
    expect(whole.splits.train.positives).toBe(55_375);
    // RecBole's 8:1:1: within each user, a tenth rounded down.
    const recbole = await loadSource('ml-100k', source, {
      threshold: 0,
      split: { by: 'ratio', valid: 0.1, test: 0.1 },
    });
    const rowsOf = new Map<number, number>();
    for (const split of Object.values(recbole.splits)) {
      for (const user of split.user) rowsOf.set(user, (rowsOf.get(user) ?? 0) + 1);
    }
    const tenth = [...rowsOf.values()].reduce((sum, rows) => sum + Math.floor(rows / 10), 0);
    expect([recbole.splits.valid.rows, recbole.splits.test.rows]).toEqual([tenth, tenth]);
    expect(recbole.splits.train.rows).toBe(100_000 - 2 * tenth);
  });
});

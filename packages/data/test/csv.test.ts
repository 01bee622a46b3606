/** The data set `csv`: columns, times, thresholds, filters and splits against slow references, and what bad folders give. */
import { describe, expect, it } from 'vitest';
import { buildCsv, type Dataset, type DatasetOptions, memorySource, type SplitName, splitNames } from '../src/index';

/** A row as the source has it. */
type Row = readonly [user: string, item: string, rating: number, time: number];

/** Invented events, in no order: `users` users with 3 … 12 rows each. */
function invented(users = 30, items = 12): Row[] {
  const rows: Row[] = [];
  for (let user = 0; user < users; user++) {
    for (let place = 0; place < 3 + (user % 10); place++) {
      const item = (user * 7 + place * 5) % items;
      rows.push([`u${user}`, `i${item}`, 1 + ((user + place * 3) % 5), 1000 + ((user * 31 + place * 17) % 97) * 10]);
    }
  }
  return rows.sort((a, b) => a[1].localeCompare(b[1]) || a[3] - b[3]);
}

const text = (rows: readonly Row[]) => `user,item,rating,timestamp\n${rows.map((row) => row.join(',')).join('\n')}\n`;
const titles = (items = 12) =>
  `item,title\n${Array.from({ length: items }, (_, index) => `i${index},"Title, ${index}"`).join('\n')}\n`;

function build(rows: readonly Row[], options?: DatasetOptions): Promise<Dataset> {
  return buildCsv(memorySource({ 'interactions.csv': text(rows), 'items.csv': titles() }), options);
}

/** `user item` of every row of a split, in its order. */
function pairs(dataset: Dataset, name: SplitName): string[] {
  const { rows, user, item } = dataset.splits[name];
  return Array.from({ length: rows }, (_, row) => {
    return `${dataset.users[user[row] as number]} ${dataset.items[item[row] as number]?.id}`;
  });
}

/** Rows grouped by user in order of first appearance, each user's in time order (stable). */
function ordered(rows: readonly Row[]): Row[] {
  const users = [...new Set(rows.map(([user]) => user))];
  return users.flatMap((user) => rows.filter((row) => row[0] === user).sort((a, b) => a[3] - b[3]));
}

const name = ([user, item]: Row) => `${user} ${item}`;

describe('columns', () => {
  it('reads other names, separators, labels and times', async () => {
    const events = 'when;who;x;good;what\n2024-01-02;a;;1;p\n2024-01-01T23:00:00-01:00;a;;0;q\n1704153600.5;b;;1;p\n';
    const dataset = await buildCsv(
      memorySource({ 'e.csv': events, 't.csv': 'id;name\nq; Q \np;P "2"\n'.replace('P "2"', '"P ""2"""') }),
      {
        split: { by: 'ratio', valid: 0, test: 0 },
        csv: {
          interactions: 'e.csv',
          items: 't.csv',
          separator: ';',
          user: 'who',
          item: 'what',
          label: 'good',
          timestamp: 'when',
          itemId: 'id',
          title: 'name',
        },
      },
    );
    const { train } = dataset.splits;
    expect(dataset.users).toEqual(['', 'a', 'b']);
    expect(dataset.items).toEqual([
      { id: '', title: '' },
      { id: 'p', title: 'P "2"' },
      { id: 'q', title: 'Q' },
    ]);
    const midnight = Date.UTC(2024, 0, 2) / 1000;
    expect([...train.timestamp]).toEqual([midnight, midnight, midnight + 0.5]);
    expect([...train.label]).toEqual([1, 0, 1]);
  });

  it('takes ids for titles without items.csv, and a label column before a rating', async () => {
    const events = 'user,item,rating,label\na,p,5,0\na,q,1,1\n';
    const options = { split: { by: 'ratio', valid: 0, test: 0 } } as const;
    const source = memorySource({ 'interactions.csv': events });
    const dataset = await buildCsv(source, options);
    expect(dataset.items[1]).toEqual({ id: 'p', title: 'p' });
    expect([...dataset.splits.train.label]).toEqual([0, 1]);
    expect(dataset.warnings).toContain('no items.csv: the ids stand for the titles');
    const byRating = await buildCsv(source, { ...options, csv: { rating: 'rating' }, threshold: 4.5 });
    expect([...byRating.splits.train.label]).toEqual([1, 0]);
  });
});

describe('implicit feedback', () => {
  it('takes every row for a positive, with or without times', async () => {
    const events = 'user,item,rating\na,p,oops\na,q,1\nb,p,\n';
    const options = { split: { by: 'ratio', valid: 0, test: 0 }, csv: { implicit: true } } as const;
    const dataset = await buildCsv(memorySource({ 'interactions.csv': events }), options);
    expect([...dataset.splits.train.label]).toEqual([1, 1, 1]);
    expect([...dataset.positives(1)]).toEqual([1, 2]);
    expect(dataset.recipe.label).toBe('every row');
    const timed = 'user,item,timestamp\na,p,3\na,q,2\na,r,1\n';
    const last = await buildCsv(memorySource({ 'interactions.csv': timed }), {
      ...options,
      split: { by: 'leave-one-out' },
    });
    expect(splitNames.map((split) => pairs(last, split))).toEqual([['a r'], ['a q'], ['a p']]);
  });
});

describe('splits', () => {
  const rows = invented();

  it('by time cuts at the moments of the shares, and histories hold all earlier positives', async () => {
    const dataset = await build(rows, { split: { valid: 0.2, test: 0.3 } });
    const times = rows.map((row) => row[3]).sort((a, b) => a - b);
    const [from, until] = [times[Math.floor(rows.length * 0.5)], times[Math.floor(rows.length * 0.7)]] as [
      number,
      number,
    ];
    const expected = {
      train: ordered(rows).filter((row) => row[3] < from),
      valid: ordered(rows).filter((row) => row[3] >= from && row[3] < until),
      test: ordered(rows).filter((row) => row[3] >= until),
    };
    for (const split of splitNames) {
      expect(expected[split].length).toBeGreaterThan(20);
      expect(pairs(dataset, split)).toEqual(expected[split].map(name));
    }
    for (const [row, event] of expected.test.entries()) {
      const mine = ordered(rows).filter((other) => other[0] === event[0]);
      const earlier = mine.slice(0, mine.indexOf(event)).filter((other) => other[2] > 3);
      const history = [...dataset.history('test', row)].map((id) => dataset.items[id]?.id);
      expect(history).toEqual(earlier.map((other) => other[1]));
    }
    const moments = await build(rows, { split: { validFrom: from, testFrom: until } });
    expect(moments.hash).toBe(dataset.hash);
  });

  it('by ratio draws within each user, and histories hold positives of train alone', async () => {
    const dataset = await build(rows, { split: { by: 'ratio', valid: 0.2, test: 0.2, seed: 7 } });
    const all = splitNames.flatMap((split) => pairs(dataset, split)).sort();
    expect(all).toEqual(rows.map(name).sort());
    for (const user of new Set(rows.map((row) => row[0]))) {
      const total = rows.filter((row) => row[0] === user).length;
      const held = Math.max(1, Math.floor(total / 5 + 1e-9));
      const of = (split: SplitName) => pairs(dataset, split).filter((pair) => pair.startsWith(`${user} `)).length;
      expect([of('valid'), of('test')]).toEqual([held, held]);
    }
    const inTrain = new Set(pairs(dataset, 'train'));
    let longest = 0;
    for (const split of splitNames) {
      for (let row = 0; row < dataset.splits[split].rows; row++) {
        const history = dataset.history(split, row);
        longest = Math.max(longest, history.length);
        const user = dataset.users[dataset.splits[split].user[row] as number];
        for (const id of history) expect(inTrain).toContain(`${user} ${dataset.items[id]?.id}`);
      }
    }
    expect(longest).toBeGreaterThan(2);
    const again = await build(rows, { split: { by: 'ratio', valid: 0.2, test: 0.2, seed: 7 } });
    const other = await build(rows, { split: { by: 'ratio', valid: 0.2, test: 0.2, seed: 8 } });
    expect(again.hash).toBe(dataset.hash);
    expect(other.hash).not.toBe(dataset.hash);
    const whole = await build(rows, { split: { by: 'ratio', valid: 0.2, test: 0.2, perUser: false } });
    expect(whole.splits.test.rows).toBe(Math.floor(rows.length / 5));
  });

  it('leave-one-out takes the last row of a user for test and the one before for valid', async () => {
    const short: Row[] = [...rows, ['x', 'i1', 5, 50], ['x', 'i2', 5, 60]];
    const dataset = await build(short, { split: { by: 'leave-one-out' } });
    const users = [...new Set(short.map((row) => row[0]))];
    const last = (back: number) =>
      users
        .filter((user) => user !== 'x')
        .map(
          (user) =>
            ordered(short)
              .filter((row) => row[0] === user)
              .at(-back) as Row,
        );
    expect(pairs(dataset, 'test')).toEqual(last(1).map(name));
    expect(pairs(dataset, 'valid')).toEqual(last(2).map(name));
    expect(pairs(dataset, 'train').filter((pair) => pair.startsWith('x '))).toEqual(['x i1', 'x i2']);
  });
});

describe('filters', () => {
  const rows = invented();
  const everything = { by: 'ratio', valid: 0, test: 0 } as const;

  it('counts once, before anything is left out', async () => {
    const dataset = await build(rows, { split: everything, filter: { minUserRows: 8, minItemRows: 17 } });
    const count = (at: 0 | 1, value: string) => rows.filter((row) => row[at] === value).length;
    const expected = ordered(rows.filter((row) => count(0, row[0]) >= 8 && count(1, row[1]) >= 17));
    expect(expected.length).toBeGreaterThan(20);
    expect(expected.length).toBeLessThan(rows.length);
    expect(pairs(dataset, 'train').sort()).toEqual(expected.map(name).sort());
  });

  it('goes on until the k-core is left', async () => {
    const dataset = await build(rows, { split: everything, filter: { kCore: 7 } });
    let expected = rows;
    for (;;) {
      const count = (at: 0 | 1, value: string) => expected.filter((row) => row[at] === value).length;
      const next = expected.filter((row) => count(0, row[0]) >= 7 && count(1, row[1]) >= 7);
      if (next.length === expected.length) break;
      expected = next;
    }
    expect(expected.length).toBeGreaterThan(20);
    expect(pairs(dataset, 'train').sort()).toEqual(expected.map(name).sort());
  });
});

describe('options', () => {
  it.each<[DatasetOptions, RegExp]>([
    [{ threshold: Number.NaN }, /data\.threshold: must be a finite number/],
    [{ split: { valid: 1.2 } }, /data\.split\.valid: must be a share/],
    [{ split: { valid: 0.5, test: 0.5 } }, /leave nothing to train on/],
    [{ split: { by: 'week' as 'time' } }, /data\.split\.by: must be time, ratio or leave-one-out, got "week"/],
    [{ split: { seed: 3 } }, /data\.split\.seed: is for a split by ratio, and this one is by time/],
    [{ split: { by: 'ratio', validFrom: 3 } }, /data\.split\.validFrom: is for a split by time/],
    [{ split: { by: 'leave-one-out', test: 0.1 } }, /data\.split\.test: leave-one-out takes no shares/],
    [{ split: { validFrom: '2020-01-01' } }, /give both validFrom and testFrom/],
    [{ split: { validFrom: '2020-01-01', testFrom: '2019-01-01' } }, /testFrom: lies before validFrom/],
    [{ split: { validFrom: '2020-02-30', testFrom: '2021-01-01' } }, /validFrom: must be seconds since 1970 or a date/],
    [{ split: { valid: 0.1, validFrom: 1, testFrom: 2 } }, /not both/],
    [{ filter: { kCore: 0 } }, /data\.filter\.kCore: must be a whole number from 1/],
    [{ filter: { kCore: 1000 } }, /the filters leave none of \d+ rows/],
    [{ csv: { separator: '::' } }, /data\.csv\.separator: must be one character/],
    [
      { csv: { rating: 'stars' } },
      /interactions\.csv:1: column stars is missing; .*\(it has user, item, rating, timestamp\)/,
    ],
    [{ csv: { items: 'films.csv' } }, /no file films\.csv/],
    [
      { splits: { by: 'ratio' } } as DatasetOptions,
      /data\.splits: unknown key; there are threshold, split, filter, csv/,
    ],
    [{ csv: { seperator: ';' } as DatasetOptions['csv'] }, /data\.csv\.seperator: unknown key; .* separator, /],
    [{ filter: { kcore: 5 } as DatasetOptions['filter'] }, /data\.filter\.kcore: unknown key/],
    [{ threshold: 2, csv: { implicit: true } }, /data\.threshold: is not read with data\.csv\.implicit/],
    [{ csv: { implicit: true, label: 'rating' } }, /data\.csv\.label: is not read with data\.csv\.implicit/],
    [{ split: { validFrom: 0, testFrom: 1 } }, /the split by time leaves no row to train on/],
  ])('refuses %j', async (options, message) => {
    await expect(build(invented(), options)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });
});

describe('adversarial folders', () => {
  const header = 'user,item,rating,timestamp\n';
  const good = `${header}a,p,5,10\na,q,1,20\nb,p,4,30\nb,q,2,40\na,r,5,50\nb,r,1,60\n`;
  const items = 'item,title\np,P\nq,Q\nr,R\n';
  const open = (interactions: string | Uint8Array, itemText: string | undefined = items, options?: DatasetOptions) =>
    buildCsv(
      memorySource({ 'interactions.csv': interactions, ...(itemText === undefined ? {} : { 'items.csv': itemText }) }),
      options ?? { split: { valid: 0.2, test: 0.2 } },
    );

  it.each<[string, string | Uint8Array, string, RegExp]>([
    ['an empty file', '', items, /^interactions\.csv: is empty; it needs a header line with user,item/],
    ['a header alone', header, items, /^interactions\.csv: holds no rows below its header/],
    ['a binary file', Uint8Array.of(80, 0, 1, 2, 10), items, /^interactions\.csv: is a binary file/],
    [
      'Latin-1',
      Uint8Array.from(`${header}a,\xe9,5,1\n`, (c) => c.charCodeAt(0)),
      items,
      /^interactions\.csv: is not UTF-8/,
    ],
    [
      'no header',
      'a,p,5,10\n',
      items,
      /^interactions\.csv:1: seems to have no header: its first line is a row \(a, p, 5, 10\); set data\.csv\.header: false/,
    ],
    ['semicolons', good.replaceAll(',', ';'), items, /:1: column user is missing.*parted by a semicolon: set the sep/],
    ['milliseconds of 2001', `${good}a,p,5,978300760000\n`, items, /:8: .* it looks like milliseconds/],
    [
      'neither rating nor label',
      'user,item,timestamp\na,p,1\n',
      items,
      /:1: needs a column rating or label; .* data\.csv\.implicit/,
    ],
    ['no time', 'user,item,rating\na,p,1\n', items, /:1: a split by time needs a column timestamp/],
    ['a column twice', 'user,item,user,rating\n', items, /:1: column user stands twice/],
    ['a short row', `${good}a,p\n`, items, /^interactions\.csv:8: 2 fields where the header has 4/],
    ['an open quote', `${good}"a,p,5,1\n`, items, /^interactions\.csv:8: a quoted field is never closed/],
    ['an unknown item', `${good}a,zzz,5,10\n`, items, /^interactions\.csv:8: item "zzz" is not in items\.csv/],
    ['an empty id', `${good} ,p,5,10\n`, items, /^interactions\.csv:8: user is empty/],
    [
      'an id without end',
      `${good}${'9'.repeat(300)},p,5,10\n`,
      items,
      /:8: user has 300 characters; an id may have 256/,
    ],
    ['NaN', `${good}a,p,NaN,10\n`, items, /:8: rating must be a finite number, got "NaN"/],
    ['infinity', `${good}a,p,1e999,10\n`, items, /:8: rating must be a finite number, got "1e999"/],
    ['no rating', `${good}a,p,,10\n`, items, /:8: rating must be a finite number, got ""/],
    ['a time that is none', `${good}a,p,5,soon\n`, items, /:8: timestamp must be seconds .* got "soon"$/],
    ['a negative time', `${good}a,p,5,-4\n`, items, /:8: timestamp must be seconds/],
    [
      'milliseconds',
      `${good}a,p,5,1700000000000\n`,
      items,
      /:8: .* it looks like milliseconds since 1970: set data\.csv\.timeFormat: milliseconds/,
    ],
    ['an item twice', good, `${items}p,Again\n`, /^items\.csv:5: item "p" appears twice/],
    ['an empty title', good, `${items}s, \n`, /^items\.csv:5: title is empty/],
    ['one moment for all', `${header}a,p,5,1\nb,q,1,1\n`, items, /the split by time leaves no row to train on/],
  ])('refuses %s', async (_, interactions, itemText, message) => {
    await expect(open(interactions, itemText)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });

  it('takes CRLF, a byte order mark, blank lines and no final line end for what they are', async () => {
    const { hash } = await open(good);
    expect((await open(`\uFEFF${good.replaceAll('\n', '\r\n')}`, `\uFEFF${items.replaceAll('\n', '\r\n')}`)).hash).toBe(
      hash,
    );
    expect((await open(`${good.replaceAll('\n', '\n\n')}\n`)).hash).toBe(hash);
    expect((await open(good.trimEnd())).hash).toBe(hash);
  });

  it('puts unsorted times in order', async () => {
    const [first, ...rows] = good.trimEnd().split('\n') as [string, ...string[]];
    const { splits, users } = await open([first, ...rows.reverse()].join('\n'));
    expect(users).toEqual(['', 'b', 'a']);
    expect([...splits.train.timestamp]).toEqual([30, 10, 20]);
  });

  it('keeps repeated rows and says so', async () => {
    const dataset = await open(`${good}a,p,5,10\n`);
    expect(dataset.splits.train.rows + dataset.splits.valid.rows + dataset.splits.test.rows).toBe(7);
    expect(dataset.warnings).toEqual(['1 rows repeat an earlier (user, item) pair; they are kept']);
  });

  it('builds with one user, and without positives, with a warning', async () => {
    const one = await open(`${header}a,p,5,1\na,q,1,2\na,r,4,3\n`, items, { split: { by: 'leave-one-out' } });
    expect([one.userCount, one.splits.train.rows, one.splits.valid.rows, one.splits.test.rows]).toEqual([1, 1, 1, 1]);
    const none = await open(good, items, { threshold: 5, split: { valid: 0.2, test: 0.2 } });
    expect(none.positiveItem.length).toBe(0);
    expect(none.warnings).toContain('split train has only negatives: nothing can be learned from it');
  });

  it('keeps huge ids apart and exact', async () => {
    const ids = ['9007199254740992', '9007199254740993', '-0', '0', '00', '1e400', 'x'.repeat(256), '😀'];
    const dataset = await open(`${header}${ids.map((id, row) => `${id},p,5,${row}`).join('\n')}`);
    expect(dataset.users.slice(1)).toEqual(ids);
  });

  it('reads the same from any chunks', async () => {
    const bytes = new TextEncoder().encode(good.replace('a,p', '"a",p').replaceAll('\n', '\r\n'));
    const { hash } = await open(good);
    for (const size of [1, 2, 3, 7]) {
      const source = memorySource({ 'items.csv': items });
      const dataset = await buildCsv(
        {
          ...source,
          has: async () => true,
          open: async (file) =>
            file === 'items.csv'
              ? source.open(file)
              : (async function* () {
                  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
                })(),
        },
        { split: { valid: 0.2, test: 0.2 } },
      );
      expect(dataset.hash).toBe(hash);
    }
  });
});

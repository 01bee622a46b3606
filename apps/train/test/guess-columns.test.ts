/** What `init` makes of the columns that users bring: ratings stay ratings, times stay times, and doubts are named. */
import { describe, expect, it } from 'vitest';
import { guessOf } from './guess-of';

/** A file of rows whose columns are functions of the row. */
function table(columns: Record<string, (row: number) => string | number>, rows = 12, separator = ','): string {
  const lines = Array.from({ length: rows }, (_, row) =>
    Object.values(columns)
      .map((of) => of(row))
      .join(separator),
  );
  return `${[Object.keys(columns).join(separator), ...lines].join('\n')}\n`;
}

const user = (row: number) => `u${row % 4}`;
const item = (row: number) => `i${row % 5}`;
const stars = (row: number) => 1 + (row % 5);
const seconds = (row: number) => 1_700_000_000 + 40_000 * row;

describe('a rating', () => {
  it.each([
    ...['user_rating', 'Book-Rating', 'star_rating', 'rating:float', 'rate', 'points', 'userRating', 'bookrating'],
    ...['Stars', 'score', 'overall', 'review_overall', 'my_score', 'RATING', 'rating_value', 'Grade'],
  ])('is a column called %s', async (name) => {
    const guess = await guessOf(table({ user, item, [name]: stars }));
    expect(guess).toMatchObject({ value: { kind: 'rating', column: name, range: [1, 5] }, threshold: 3, notes: [] });
  });

  it('is a count above its median, which is said', async () => {
    for (const name of ['playcount', 'play_count', 'plays', 'listens', 'hours', 'Weight']) {
      const guess = await guessOf(table({ user, item, [name]: (row) => (row === 3 ? 5000 : 1 + (row % 4)) }));
      expect(guess).toMatchObject({ value: { kind: 'rating', column: name, counts: true }, threshold: 2 });
      expect(guess.notes.join()).toMatch(/is a count: .*data\.threshold.*data\.csv\.implicit/);
    }
  });

  it('is asked for where a column of numbers might be one', async () => {
    const text = table({ user, item, x: stars, y: (row) => row % 2 });
    await expect(guessOf(text)).rejects.toThrow(
      /^x\.csv:1: x \(1 to 5\), y \(0 to 1\) might be the rating or the label; say --rating x .*data\.csv\.rating.*data\.csv\.implicit/,
    );
    expect((await guessOf(text, { rating: 'x' })).value).toMatchObject({ kind: 'rating', column: 'x' });
    expect((await guessOf(text, { label: 'y' })).value).toMatchObject({ kind: 'label', column: 'y' });
    const implicit = await guessOf(text, { implicit: true });
    expect(implicit.value).toEqual({ kind: 'implicit' });
    expect(implicit.notes.join()).toMatch(/not used: x, y \(data\.csv\.rating/);
    await expect(guessOf(text, { label: 'x' })).rejects.toThrow(/x holds other values than 0 or 1/);
    await expect(guessOf(text, { rating: 'z' })).rejects.toThrow(/^--rating: no column z \(it has user, item, x, y\)/);
    await expect(guessOf(table({ user, item, flag: (row) => String(row % 2 === 0) }))).rejects.toThrow(
      /flag \(true or false\) might be/,
    );
  });

  it('is none of the numbers that are known to be something else, which are named', async () => {
    const prices = {
      price: stars,
      Quantity: stars,
      'Year-Of-Publication': () => 1999,
      avg_rating: stars,
      order_id: stars,
    };
    const guess = await guessOf(table({ user, item, ...prices }));
    expect(guess.value).toEqual({ kind: 'implicit' });
    expect(guess.notes.join()).toMatch(/not used: price, Quantity, Year-Of-Publication, avg_rating, order_id/);
  });

  it('with decimal commas, missing values, or one value', async () => {
    const commas = await guessOf(table({ user, item, rating: (row) => `${row % 5},5` }, 12, ';'));
    expect(commas).toMatchObject({ separator: ';', decimal: ',', value: { range: [0.5, 4.5] } });
    expect(commas.notes.join()).toMatch(/decimal comma: data\.csv\.decimal/);
    const gaps = await guessOf(table({ user, item, rating: (row) => (row === 7 ? 'N/A' : row % 5) }));
    expect(gaps).toMatchObject({ missing: ['N/A'], value: { kind: 'rating' } });
    expect(gaps.notes.join()).toMatch(
      /1 of 12 rows have no rating \(rating is "N\/A", first in line 9\): .*data\.csv\.missing/,
    );
    const empty = table({ user, item, rating: (row) => (row < 9 ? '' : row) });
    await expect(guessOf(empty)).rejects.toThrow(/9 of 12 rows have no rating; say --rating rating .* --implicit/);
    const one = await guessOf(table({ user, item, rating: () => 1 }));
    expect(one.threshold).toBeLessThan(1);
    expect(one.notes.join()).toMatch(/rating is 1 in every row.*data\.csv\.implicit/);
    await expect(guessOf(table({ user, item, rating: () => 'good' }))).rejects.toThrow(/rating is "good" in line 2/);
  });

  it('with signs between thousands is never taken for a fraction', async () => {
    const plays = (row: number) => (row % 3 ? `"${1 + row},${100 + row}"` : row);
    await expect(guessOf(table({ user, item, plays }))).rejects.toThrow(
      /plays seems to have signs between thousands \("2,101" in line 3\); write .* say --decimal , \(data\.csv\.decimal/,
    );
    expect(await guessOf(table({ user, item, plays }), { decimal: ',' })).toMatchObject({
      decimal: ',',
      value: { range: [0, 12.111] },
    });
    for (const text of ['"1,234,567"', '1 234', '"1.234,5"', "1'234"]) {
      await expect(guessOf(table({ user, item, plays: (row) => (row % 3 ? text : row) }))).rejects.toThrow(
        /signs between thousands .* write its numbers without them$/,
      );
    }
    // A fraction of another length shows that the comma is its sign.
    const prices = table({ user, item, rating: (row) => (row === 0 ? '3,5' : '1,234') }, 12, ';');
    expect(await guessOf(prices)).toMatchObject({ decimal: ',', value: { range: [1.234, 3.5] } });
  });

  it('that may stand for none is named, and moves no threshold', async () => {
    for (const [text, of] of [
      ['-1', (row) => (row % 3 ? 1 + (row % 10) : -1)],
      ['99', (row) => (row % 5 ? row % 10 : 99)],
      ['0', (row) => (row % 2 ? 1 + (row % 5) : 0)],
    ] as [string, (row: number) => number][]) {
      const others = Array.from({ length: 60 }, (_, row) => of(row)).filter((value) => String(value) !== text);
      const range = [Math.min(...others), Math.max(...others)] as [number, number];
      const guess = await guessOf(table({ user, item, rating: of }, 60));
      expect(guess).toMatchObject({ value: { scale: range }, threshold: (range[0] + range[1]) / 2 });
      expect(guess.notes.join()).toMatch(new RegExp(`rating is ${text} in \\d+ of 60 rows .*missing: \\["${text}"\\]`));
    }
    for (const of of [(row: number) => row % 11, (row: number) => [1, 2, 5][row % 3] as number, stars]) {
      expect((await guessOf(table({ user, item, rating: of }, 60))).notes).toEqual([]);
    }
  });

  it('is no column of words that is called a count', async () => {
    await expect(guessOf(table({ user, item, plays: () => 'many' }))).rejects.toThrow(/plays is "many" in line 2/);
  });

  it('stands once in the header', async () => {
    await expect(guessOf('user,item,rating,rating\nu,i,1,2\nv,i,2,1\n')).rejects.toThrow(
      /column rating stands twice in the header; rename one/,
    );
    await expect(guessOf('user,item,item\nu,i,j\n')).rejects.toThrow(/column item stands twice/);
  });

  it('goes before a mark of what somebody did, which is named', async () => {
    const guess = await guessOf(table({ user, item, is_read: (row) => row % 2, rating: stars }));
    expect(guess.value).toMatchObject({ kind: 'rating', column: 'rating' });
    expect(guess.notes.join()).toMatch(/is_read may be meant instead of rating/);
    expect((await guessOf(table({ user, item, is_read: (row) => row % 2 }))).value).toMatchObject({ kind: 'label' });
    await expect(guessOf(table({ user, item, is_weekend: (row) => row % 2 }))).rejects.toThrow(
      /is_weekend \(0 to 1\) might be .* say --rating is_weekend .*--label is_weekend/,
    );
  });

  it('gives way to labels, and is named then', async () => {
    const guess = await guessOf(
      table({ user, item, rating: stars, is_recommended: (row) => (row % 2 ? 'True' : 'False') }),
    );
    expect(guess.value).toMatchObject({ kind: 'label', column: 'is_recommended' });
    expect(guess.notes.join()).toMatch(/rating may be meant instead of is_recommended/);
  });
});

describe('a label', () => {
  it.each([
    ['Yes', 'No'],
    ['t', 'f'],
    ['Y', 'N'],
    ['WAHR', 'FALSCH'],
    ['True', 'False'],
  ])('is %s or %s', async (yes, no) => {
    const guess = await guessOf(table({ user, item, liked: (row) => (row % 2 ? yes : no) }));
    expect(guess).toMatchObject({ value: { kind: 'label', column: 'liked' }, notes: [] });
  });

  it('of two other numbers has the middle for a threshold', async () => {
    for (const [low, high] of [
      [-1, 1],
      [1, 2],
    ] as const) {
      const guess = await guessOf(table({ user, item, label: (row) => (row % 2 ? high : low) }));
      expect(guess).toMatchObject({ value: { kind: 'rating', range: [low, high] }, threshold: (low + high) / 2 });
      expect(guess.notes.join()).toMatch(/label runs from .* and is no label of 0 and 1.*data\.threshold/);
    }
  });

  it('that is the same in every row is named', async () => {
    const ones = await guessOf(table({ user, item, label: () => 1 }));
    expect(ones.value).toMatchObject({ kind: 'label', onlyPositives: true });
    expect(ones.notes.join()).toMatch(/label is 1 in every row: all are positives/);
    expect((await guessOf(table({ user, item, label: () => 0 }))).notes.join()).toMatch(/no positive to learn from/);
  });
});

describe('users and items', () => {
  it.each<[string, string]>([
    ['user_id:token', 'item_id:token'],
    ['User-ID', 'ISBN'],
    ['reviewerID', 'asin'],
    ['userid', 'track_id'],
    ['user_id', 'parent_asin'],
    ['CustomerID', 'StockCode'],
    ['visitorid', 'itemid'],
    ['review_profilename', 'beer_beerid'],
    ['user-mboxsha1', 'musicbrainz-artist-id'],
    ['customer', 'sku'],
  ])('are %s and %s', async (first, second) => {
    const guess = await guessOf(table({ 'Unnamed: 0': (row) => row, [second]: item, [first]: user, rating: stars }));
    expect(guess).toMatchObject({ user: first, item: second });
  });

  it('are named where there are several, and asked for where there are none', async () => {
    const guess = await guessOf(table({ user, parent_asin: item, asin: item, rating: stars }));
    expect(guess.item).toBe('parent_asin');
    expect(guess.notes.join()).toMatch(/asin may be the item as well as parent_asin: --item or data\.csv\.item/);
    await expect(guessOf(table({ who: user, item, rating: stars }))).rejects.toThrow(
      /no column looks like the user .*say --user/,
    );
    expect((await guessOf(table({ who: user, item, rating: stars }), { user: 'who' })).user).toBe('who');
  });

  it('may be a title, or columns of their own, which the message says', async () => {
    await expect(guessOf(table({ user, movie_title: item, rating: stars }))).rejects.toThrow(/say --item movie_title/);
    await expect(guessOf(table({ user, x1: stars, x2: stars, x3: () => '', x4: stars }))).rejects.toThrow(
      /no column looks like the item .*if each column is an item, write a row for each rating/,
    );
  });

  it('are named where a program for tables rounded them', async () => {
    const guess = await guessOf(table({ user: (row) => `1.23457E+${11 + (row % 3)}`, item, rating: stars }));
    expect(guess.notes.join()).toMatch(/user: 12 ids are rounded numbers/);
  });

  it('that are missing leave a text that another column has as it is', async () => {
    const zeros = await guessOf(
      table({ user, item, label: (row) => row % 2, time: (row) => (row === 5 ? 0 : seconds(row)) }),
    );
    expect(zeros).toMatchObject({ missing: { timestamp: ['0'] } });
    const ids = await guessOf(table({ user: (row) => (row === 5 ? 'NA' : user(row)), item, rating: stars }));
    expect(ids).toMatchObject({ missing: { user: ['NA'] } });
  });

  it('leave out rows without one', async () => {
    const guess = await guessOf(table({ CustomerID: (row) => (row === 2 ? '' : row % 3), item }));
    expect(guess).toMatchObject({
      missing: [''],
      notes: [expect.stringMatching(/1 of 12 rows have no user .* line 4/)],
    });
  });
});

describe('a time', () => {
  const at = (row: number) => new Date(1000 * seconds(row)).toISOString();
  it.each<[string, (row: number) => string | number, string | undefined]>([
    ['review_time', seconds, undefined],
    ['event_time', at, undefined],
    ['timestamp:float', seconds, undefined],
    ['unix_timestamp', seconds, undefined],
    ['unixReviewTime', seconds, undefined],
    ['created_at', (row) => at(row).replace('T', ' ').replace('.000Z', ' UTC'), undefined],
    ['date', (row) => at(row).slice(0, 10), undefined],
    ['ts', (row) => `${seconds(row)}.0`, undefined],
    ['timestamp', (row) => seconds(row) * 1e3, 'milliseconds'],
    ['time', (row) => seconds(row) * 1e6, 'microseconds'],
    ['time', (row) => `${seconds(row)}000000000`, 'nanoseconds'],
    ['date', (row) => at(row).slice(0, 10).replaceAll('-', ''), 'YYYYMMDD'],
    ['date', (row) => `${at(row).slice(0, 10).replaceAll('-', '')}.0`, 'YYYYMMDD'],
    ['date', (row) => at(row).slice(0, 13).replaceAll(/[-T]/g, ''), 'YYYYMMDDhh'],
    ['date', (row) => at(row).slice(0, 16).replaceAll(/[-T:]/g, ''), 'YYYYMMDDhhmm'],
    ['date', (row) => at(row).slice(0, 19).replaceAll(/[-T:]/g, ''), 'YYYYMMDDhhmmss'],
    ['date', (row) => `${20 + row}.12.2023`, 'DD.MM.YYYY'],
    ['date', (row) => `${1 + row}.1.2023`, 'DD.MM.YYYY'],
    ['date', (row) => `${20 + (row % 9)}/12/2023 10:30`, 'DD/MM/YYYY hh:mm'],
    ['date', (row) => `12/${20 + (row % 9)}/23`, 'MM/DD/YY'],
    ['date', (row) => `1/${20 + (row % 9)}/2023, ${1 + row}:30:00 PM`, 'MM/DD/YYYY[[,] hh:mm[:ss][ AM]][ Z]'],
    ['reviewTime', (row) => `09 ${10 + row}, 2013`, 'MM DD, YYYY'],
    ['date', (row) => `Jan ${1 + row}, 2013`, 'MMM DD, YYYY'],
    ['time', (row) => `Tue Apr ${10 + row} 18:00:06 +0000 2012`, 'ddd MMM DD hh:mm:ss Z YYYY'],
    ['year', (row) => 2010 + (row % 9), 'YYYY'],
    ['date', (row) => 240_110 + row, 'YYMMDD'],
    ['month', (row) => 202_400 + 1 + (row % 12), 'YYYYMM'],
    ['date', (row) => `${at(row).slice(0, 19).replace('T', ' ')} CEST`, undefined],
    ['date', (row) => (row % 2 ? seconds(row) : at(row)), undefined],
    ['date', (row) => `${1 + row}. März 2023`, 'DD. MMM YYYY'],
    ['date', (row) => `Nov ${1 + row} 2023 10:13PM`, 'MMM DD YYYY[[,] hh:mm[:ss][ AM]][ Z]'],
    [
      'date',
      (row) => `Tue Nov ${10 + row} 2023 22:13:20 GMT+0100 (Central European Standard Time)`,
      'ddd MMM DD YYYY[ hh:mm:ss[ Z]]',
    ],
    ['date', (row) => 45_000 + row, 'excel-days'],
  ])('is %s (%#)', async (name, of, format) => {
    const guess = await guessOf(
      table({ user, item, rating: stars, [name]: (row) => (/,/.test(String(of(row))) ? `"${of(row)}"` : of(row)) }),
    );
    expect([guess.timestamp, guess.timeFormat]).toEqual([name, format]);
  });

  it('is found by its values where its name says nothing', async () => {
    for (const of of [seconds, at, (row: number) => seconds(row) * 1000]) {
      const guess = await guessOf(table({ user, item, rating: stars, moment: of }));
      expect(guess.timestamp).toBe('moment');
      expect(guess.notes.join()).toMatch(/moment is taken for the time by its values \(data\.csv\.timestamp\)/);
    }
  });

  it('leaves out a missing value among good ones, and says so', async () => {
    const guess = await guessOf(
      table({ user, item, rating: stars, time: (row) => (row === 5 ? 'N/A' : seconds(row)) }),
    );
    expect(guess).toMatchObject({ timestamp: 'time', missing: ['N/A'] });
    expect(guess.notes.join()).toMatch(/1 of 12 rows have no time \(time is "N\/A", first in line 7\)/);
    const zero = await guessOf(
      table({ user, item, rating: stars, time: (row) => (row === 5 ? 0 : seconds(row) * 1000) }),
    );
    expect(zero).toMatchObject({ timeFormat: 'milliseconds', missing: ['0'] });
    const word = await guessOf(table({ user, item, rating: stars, time: (row) => (row === 5 ? 'soon' : at(row)) }));
    expect(word).toMatchObject({ timestamp: 'time', missing: ['soon'] });
  });

  it('is asked for where day and month may be exchanged, or where values are of several forms', async () => {
    const either = table({ user, item, rating: stars, date: (row) => `0${1 + (row % 9)}/02/2023` });
    await expect(guessOf(either)).rejects.toThrow(
      /day or the month first \(01\/02\/2023\); say --time-format "DD\/MM\/YYYY" or "MM\/DD\/YYYY"/,
    );
    expect(await guessOf(either, { timeFormat: 'DD/MM/YYYY' })).toMatchObject({
      timestamp: 'date',
      timeFormat: 'DD/MM/YYYY',
    });
    expect((await guessOf(either, { timestamp: false })).timestamp).toBeNull();
    const mixed = table({
      user,
      item,
      rating: stars,
      date: (row) => (row % 3 ? `${10 + row}/12/2023` : `12/${10 + row}/2023`),
    });
    await expect(guessOf(mixed)).rejects.toThrow(/values of date are no times as the others are.*--time-format/);
    const half = table({ user, item, rating: stars, date: (row) => (row % 3 ? at(row) : `soon ${row}`) });
    await expect(guessOf(half)).rejects.toThrow(/4 of 12 values of date are no times as the others are/);
  });

  it('is another column where one can be relied on', async () => {
    const guess = await guessOf(table({ user, item, rating: stars, date: () => '01/02/2023', timestamp: seconds }));
    expect(guess.timestamp).toBe('timestamp');
    expect(guess.notes.join()).toMatch(/date is called a time, but "01\/02\/2023" in line 2 is none that is known/);
    const text = table({ user, item, rating: stars, date: at });
    await expect(guessOf(text, { timeFormat: 'DD.MM.YYYY' })).rejects.toThrow(/date holds no times that are known/);
    await expect(guessOf(table({ user, item }), { timeFormat: 'YYYY' })).rejects.toThrow(/say --timestamp COLUMN/);
  });

  it('is asked for where the values are in two units, or in a unit and dates', async () => {
    const units = table({ user, item, rating: stars, time: (row) => seconds(row) * (row % 2 ? 1000 : 1) });
    await expect(guessOf(units)).rejects.toThrow(
      /time holds times of several forms: 6 seconds such as 1700000000 in line 2, 6 milliseconds .* in line 3; .*--no-timestamp/,
    );
    expect((await guessOf(units, { timestamp: false })).timestamp).toBeNull();
  });

  it('may be one text in many rows where it is missing', async () => {
    for (const text of ['0', '-1', '0000-00-00 00:00:00']) {
      const time = (row: number) => (row % 3 ? (text.length > 2 ? at(row) : seconds(row)) : text);
      const guess = await guessOf(table({ user, item, rating: stars, time }));
      expect(guess).toMatchObject({ timestamp: 'time', missing: [text] });
      expect(guess.notes.join()).toMatch(/4 of 12 rows have no time/);
    }
  });

  it('splits at random where nearly all rows have one moment, which is said', async () => {
    const once = await guessOf(table({ user, item, rating: stars, time: () => 1_700_000_000 }));
    expect(once).toMatchObject({ timestamp: 'time', canSplit: false });
    expect(once.notes.join()).toMatch(/time has one moment: the split is at random \(data\.split\.by\)/);
    const two = table({ user, item, rating: stars, time: () => 1631, day: (row) => 100 + row });
    expect(await guessOf(two)).toMatchObject({ timestamp: 'day', canSplit: true });
    const months = (late: number) =>
      table({ user, item, rating: stars, date: (row) => (row < late ? '2023-11' : '2023-12') });
    expect(await guessOf(months(10))).toMatchObject({ timestamp: 'date', canSplit: false });
    expect(await guessOf(months(9))).toMatchObject({ timestamp: 'date', canSplit: true, notes: [] });
  });

  it('is no part of a date', async () => {
    const parts = { day: (row: number) => 1 + row, month: () => 4, year: (row: number) => 2010 + (row % 4) };
    const guess = await guessOf(table({ user, item, rating: stars, ...parts }));
    expect(guess.timestamp).toBe('year');
    expect(guess.notes.join()).toMatch(/day is called a time, but "1".*month is called a time/);
    expect((await guessOf(table({ user, item, rating: stars, ...parts }), { timestamp: 'day' })).timestamp).toBe('day');
  });

  it('that is none is not read because of its name', async () => {
    const monday = { user, item, rating: stars, timestamp: () => 'Monday' };
    expect(await guessOf(table(monday))).toMatchObject({ timestamp: null, unreadTimes: true });
    expect(await guessOf(table({ ...monday, timestamp: seconds }), { timestamp: false })).toMatchObject({
      unreadTimes: true,
    });
    expect(await guessOf(table({ user, item, rating: stars }))).not.toHaveProperty('unreadTimes');
  });

  it('that is none is named, with the key', async () => {
    const guess = await guessOf(table({ user, item, rating: stars, date: () => 'Monday' }));
    expect(guess.timestamp).toBeNull();
    expect(guess.notes.join()).toMatch(
      /date is called a time, but "Monday" in line 2 is none .*data\.csv\.timestamp: date/,
    );
    await expect(
      guessOf(table({ user, item, rating: stars, date: () => 'Monday' }), { timestamp: 'date' }),
    ).rejects.toThrow(/date holds no times that are known \(line 2 has "Monday"\)/);
  });

  it('that may be an order, or lacks some zones, is doubtful', async () => {
    expect((await guessOf(table({ user, item, rating: stars, time: (row) => row }))).notes.join()).toMatch(
      /time runs from 0 to 11: taken for seconds of 1970 to 1973, or an order/,
    );
    const zones = await guessOf(
      table({ user, item, rating: stars, time: (row) => (row % 2 ? at(row) : at(row).replace('.000Z', '')) }),
    );
    expect(zones.timestamp).toBe('time');
    expect(zones.notes.join()).toMatch(/some times have a zone and others have none/);
    const rounded = await guessOf(table({ user, item, rating: stars, time: (row) => `1.704${row}E+12` }));
    expect(rounded.notes.join()).toMatch(/time: 12 times are rounded/);
    const two = await guessOf(table({ user, item, rating: stars, date: at, timestamp: seconds }));
    expect(two.timestamp).toBe('timestamp');
    expect(two.notes.join()).toMatch(/date holds times too: not used \(data\.csv\.timestamp: date\)/);
  });
});

describe('a file', () => {
  it('without a header is named as one, with the option and the key', async () => {
    const text = '196,242,3,881250949\n186,302,3,891717742\n196,377,1,878887116\n';
    await expect(guessOf(text)).rejects.toThrow(
      /^x\.csv:1: seems to have no header: its first line is a row \(196, 242, 3, 881250949\); say --no-header .*--user 1 --item 2 --rating 3 --timestamp 4 \(data\.csv\.header: false/,
    );
    const told = { header: false, user: '1', item: '2', rating: '3', timestamp: '4' };
    expect(await guessOf(text, told)).toMatchObject({
      header: false,
      user: '1',
      value: { column: '3', range: [1, 3] },
      timestamp: '4',
    });
    await expect(guessOf(text, { header: false })).rejects.toThrow(/user and item must be named by number/);
    await expect(guessOf('ann,pear\nbob,fig\nann,fig\n')).rejects.toThrow(/seems to have no header/);
    await expect(guessOf('ann,pear\nbob,fig\n')).rejects.toThrow(/no column looks like the user .*say --no-header/);
    expect(await guessOf('0,1,2\na,b,5\na,c,1\n', { header: true, user: '0', item: '1', rating: '2' })).toMatchObject({
      user: '0',
    });
  });

  it('without a header is named as one, whatever its first row spells', async () => {
    // Words of names that stand in other rows as well, or with another number.
    const games = table({ 1: (row) => row % 7, G: (row) => `Game ${row % 5}`, b: () => 'purchase', c: () => '1.0' });
    const listens = table({
      a: (row) => `user_00${row % 4}`,
      b: (row) => new Date(1000 * seconds(row)).toISOString(),
      c: (row) => `song ${row}`,
    });
    for (const text of [games, listens]) {
      const rows = text.slice(text.indexOf('\n') + 1);
      await expect(guessOf(rows)).rejects.toThrow(/^x\.csv:1: seems to have no header: its first line is a row/);
      // The separator, numbers and all else are as with a header.
      expect(await guessOf(rows, { header: false, user: '1', item: '3', implicit: true })).toMatchObject({ user: '1' });
    }
    await expect(guessOf('ann,pear\nbob,fig\nann,pear\n')).rejects.toThrow(/seems to have no header/);
    await expect(guessOf('ann,Great movie,5\nbob,Bad movie,1\n')).rejects.toThrow(/seems to have no header/);
    // A name may be the id of somebody.
    expect(await guessOf('user,item,rating\nuser,p,1\nb,item,5\n')).toMatchObject({ user: 'user', item: 'item' });
  });

  it('may name its separator on the first line, as for Excel', async () => {
    const guess = await guessOf('sep=;\r\nuser;item;rating\r\nu;a,b;1\r\nv;c,d,e;5\r\n');
    expect(guess).toMatchObject({ separator: ';', user: 'user', value: { range: [1, 5] } });
  });

  it.each([
    ['JSON lines', '{"user": "u", "item": "i"}\n{"user": "v", "item": "i"}\n', /is JSON, not CSV; .*lines=True/],
    ['a list of JSON', '[\n  {"user": "u"}]', /is JSON, not CSV; .*read_json\(path\)/],
    ['a web page', '<!DOCTYPE html>\n<p>a,b</p>', /is a web page/],
    ['a pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /git lfs pull/],
    ['blocks of items', '1:\n5,3,2005-09-06\n6,5,2005-05-13\n', /names an item on a line of its own/],
    [
      'a comment',
      '# made by us\nuser,item,rating\nu,i,3\n',
      /:2: 3 fields .* remove the lines above them \(# made by us\)/,
    ],
    ['a comment and blanks', '% sym\n1 2 3\n', /one field on its first line \("% sym"\); say --separator/],
    ['rows that end in a comma', 'user,item\na,p,\n', /:2: 3 fields .* end the first line with a comma too/],
    ['a last line of its own', 'user,item,rating\na,p,3\n(1 row)\n', /:3: 1 fields .* remove the line if it is none/],
    ['a title line', 'Report,,\nuser,item,rating\na,p,3\n', /stand further down, remove the lines above them/],
    ['another separator', 'user^item^rating\na^p^3\n', /has one field .*say --separator/],
  ])('of %s is named as what it is', async (_, text, message) => {
    await expect(guessOf(text)).rejects.toThrow(message);
  });

  it('is read whole, with quoted fields of any length and line ends in them', async () => {
    const long = `"${'a,b\n'.repeat(100_000)}"`;
    const quoted = `user,text,item,rating,time\n${Array.from({ length: 6 }, (_, row) => `u${row},${long},i${row},${row},${seconds(row)}`).join('\n')}\n`;
    expect(await guessOf(quoted)).toMatchObject({ separator: ',', value: { range: [0, 5] }, timestamp: 'time' });
    const late = table(
      {
        user,
        item,
        rating: (row) => (row === 39_999 ? -3 : stars(row)),
        time: (row) => (row === 39_998 ? 'N/A' : seconds(row)),
      },
      40_000,
    );
    expect(await guessOf(late)).toMatchObject({ value: { range: [-3, 5] }, missing: ['N/A'], timestamp: 'time' });
    const open = `${table({ user, item, rating: stars })}u,"never`;
    await expect(guessOf(open)).rejects.toThrow(/x\.csv:14: a quoted field is never closed/);
  });

  it('has the separator by which its rows agree', async () => {
    expect((await guessOf('user;item;rating\nu;i;3,5\nv;j;4,5\n')).separator).toBe(';');
    expect((await guessOf('user|item|rating\nu|a, b, c|3\n')).separator).toBe('|');
    expect((await guessOf('user item rating\nu i 3\n')).separator).toBe(' ');
    await expect(guessOf('1::1193::5::978300760\n1::661::3::978302109\n')).rejects.toThrow(
      /parted by "::"; data\.name: ml-1m/,
    );
  });

  it('in another encoding is named, or read in the one that is told', async () => {
    const text = 'user,item,rating\nu,caf\xe9,3\nv,b,4\n';
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    await expect(guessOf(bytes)).rejects.toThrow(
      /is not UTF-8 text \(line 2: .*"u,café,3".*say --encoding windows-1252/,
    );
    expect(await guessOf(bytes, { encoding: 'windows-1252' })).toMatchObject({ encoding: 'windows-1252' });
    const wide = new Uint8Array(Uint16Array.from(`\ufeff${text}`, (character) => character.charCodeAt(0)).buffer);
    const guess = await guessOf(wide);
    expect(guess).toMatchObject({ encoding: 'utf-16le', user: 'user' });
    expect(guess.notes.join()).toMatch(/data\.csv\.encoding: utf-16le/);
  });

  it('with its header again in the middle is refused', async () => {
    const text = table({ user, item, rating: stars });
    await expect(guessOf(`${text}\ufeff${text}`)).rejects.toThrow(/x\.csv:14: is the header again/);
    await expect(guessOf(text + text)).rejects.toThrow(/x\.csv:14: is the header again; remove the line/);
  });
});

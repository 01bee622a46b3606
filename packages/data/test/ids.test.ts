/** Ids are kept letter by letter, and the positives of a user are those of all splits. */
import { describe, expect, it } from 'vitest';
import { buildCsv, IdLookup, memorySource, splitNames } from '../src/index';

/** A row as the source has it: user, item, rating, time. */
type Row = readonly [user: string, item: string, rating: number, time: number];

/** Invented events: 30 users with 3 … 12 rows each, in time order. */
function invented(): Row[] {
  const rows: Row[] = [];
  for (let user = 0; user < 30; user++) {
    for (let place = 0; place < 3 + (user % 10); place++) {
      rows.push([
        `u${user}`,
        `i${(user * 7 + place * 5) % 12}`,
        1 + ((user + place * 3) % 5),
        1000 + ((user * 31 + place * 17) % 97) * 10,
      ]);
    }
  }
  return rows.sort((a, b) => a[3] - b[3]);
}

describe('ids', () => {
  const options = { split: { by: 'ratio', valid: 0, test: 0 }, csv: { implicit: true } } as const;
  const spaces = ['', ' ', '\t', '\u00a0', '\ufeff', '\u3000'];

  it('keeps them letter by letter, and says so of white space', async () => {
    const ids = spaces.flatMap((space) => [`a${space}`, `${space}a`]);
    const events = `user,item\n${ids.map((id, index) => `${id},i${index % 2}${index > 3 ? ' ' : ''}`).join('\n')}\n`;
    const dataset = await buildCsv(memorySource({ 'interactions.csv': events }), options);
    expect(dataset.users.slice(1)).toEqual([...new Set(ids)]);
    expect(dataset.items.slice(1).map(({ id }) => id)).toEqual(['i0', 'i1', 'i0 ', 'i1 ']);
    const users = new IdLookup('user', dataset.users, 'csv');
    for (const [index, id] of dataset.users.entries()) if (index > 0) expect(users.find(id, '--user')).toBe(index);
    expect(dataset.warnings).toContainEqual(
      expect.stringMatching(/^10 of 11 user ids have white space .* such as "a "; it is kept, so "a" and .* 11 users$/),
    );
    expect(dataset.warnings).toContain(
      '2 of 4 item ids have white space at an end, such as "i0 "; it is kept, so "i0" and "i0 " are 2 items',
    );
  });

  it('says so of numbers that a program for tables rounded, and of one number in two forms', async () => {
    const of = async (ids: readonly string[]) =>
      (
        await buildCsv(
          memorySource({ 'interactions.csv': `user,item\n${ids.map((id) => `${id},p`).join('\n')}\n` }),
          options,
        )
      ).warnings.filter((warning) => /user ids/.test(warning));
    expect(await of(['1.23457E+11', '5E3', 'u1'])).toEqual([
      '2 of 3 user ids are rounded numbers, such as "1.23457E+11": several may have become one; export them as text',
    ]);
    expect(await of(['7', '7.0', '007', '70', 'a7'])).toEqual([
      '2 user ids are numbers that others are too: "7" and "7.0" are 2 users',
    ]);
    expect(await of(['7', '8', '0', '10', '1.5', '-7'])).toEqual([]);
    const files = { 'interactions.csv': 'user,item\na,7.0\n', 'items.csv': 'item,title\n7,P\n' };
    await expect(buildCsv(memorySource(files), options)).rejects.toThrow(
      /item "7\.0" is not in items\.csv; "7" is, but ids are compared letter by letter: write it alike/,
    );
  });

  it('says what differs in white space alone', async () => {
    const events = 'user,item\na ,p\nb,q\n';
    const dataset = await buildCsv(memorySource({ 'interactions.csv': events }), options);
    expect(dataset.warnings).toContain('1 of 2 user ids have white space at an end, such as "a "; it is kept');
    const users = new IdLookup('user', dataset.users, 'csv');
    expect(() => users.find('a', '--user')).toThrow(
      /^--user: user "a" is not among the 2 users of csv; write "a ": white space is part of an id/,
    );
    expect(() => users.find(' b', '--user')).toThrow(/user " b" is not among .*; write "b": white space/);
    expect(() => users.find('bb', '--user')).toThrow(/did you mean b\?/);
    const files = { 'interactions.csv': events, 'items.csv': 'item,title\np ,P\nq,Q\n' };
    await expect(buildCsv(memorySource(files), options)).rejects.toThrow(
      /^interactions\.csv:2: item "p" is not in items\.csv; "p " is, but white space is part of an id/,
    );
    const blank = { 'interactions.csv': 'user,item\n ,p\n' };
    await expect(buildCsv(memorySource(blank), options)).rejects.toThrow(/^interactions\.csv:2: user is empty/);
  });
});

describe('positives', () => {
  it('are those of all splits, oldest first, whatever the split; histories keep their own rule', async () => {
    const rows = invented();
    for (const split of [
      { by: 'ratio', valid: 0.3, test: 0.3, seed: 2 },
      { by: 'ratio', valid: 0.3, test: 0.3, perUser: false },
      { by: 'time', valid: 0.2, test: 0.3 },
      { by: 'leave-one-out' },
    ] as const) {
      const events = `user,item,rating,timestamp\n${rows.join('\n')}\n`;
      const dataset = await buildCsv(memorySource({ 'interactions.csv': events }), { split });
      let outside = 0;
      for (const [id, user] of dataset.users.entries()) {
        const liked = rows.filter((row) => row[0] === user && row[2] > 3);
        const found = [...dataset.positives(id)].map((item) => dataset.items[item]?.id);
        // Rows of one moment have no order of their own after a random split.
        const timesOf = (items: readonly (string | undefined)[]) =>
          items.map((item) => liked.find((row) => row[1] === item)?.[3]);
        expect([...found].sort()).toEqual(liked.map((row) => row[1]).sort());
        expect(timesOf(found)).toEqual(timesOf(liked.map((row) => row[1])));
        outside += liked.length;
      }
      for (const name of splitNames) {
        const { user, label, timestamp } = dataset.splits[name];
        for (const [row, id] of user.entries()) {
          const history = [...dataset.history(name, row)];
          const { train } = dataset.splits;
          const inTrain = [...train.item].filter(
            (_, other) =>
              train.user[other] === id &&
              train.label[other] === 1 &&
              (train.timestamp[other] as number) < (timestamp[row] as number),
          );
          if (split.by === 'ratio') expect(history).toEqual(expect.arrayContaining(inTrain));
          outside -= label[row] as number;
        }
      }
      expect(outside).toBe(0);
    }
  });
});

/** Files without a header, decimal commas, and what messages advise: following it never eats a row. */
import { describe, expect, it } from 'vitest';
import { buildCsv, type CsvOptions, type DatasetOptions, memorySource, readCsv } from '../src/index';

const rows = 'a,p,5,1000\na,q,1,2000\nb,p,4,3000\nb,q,2,4000\n';
const everything = { split: { by: 'ratio', valid: 0, test: 0 } } as const;
const build = (
  interactions: string,
  csv: CsvOptions = {},
  files: Record<string, string> = {},
  options: DatasetOptions = everything,
) => buildCsv(memorySource({ 'interactions.csv': interactions, ...files }), { ...options, csv });
const byNumber = { header: false, user: 1, item: 2, rating: 3, timestamp: 4 } as const;

describe('without a header', () => {
  it('reads columns by number, the first line too', async () => {
    const named = await build(`user,item,rating,timestamp\n${rows}`);
    const numbered = await build(rows, byNumber);
    expect(numbered.hash).toBe(named.hash);
    expect((await build(rows, { header: false, user: '1', item: '2', implicit: true })).splits.train.rows).toBe(4);
    const titled = await build(rows, { ...byNumber, itemId: 2, title: 1 }, { 'items.csv': 'P,p\nQ,q\n' });
    expect(titled.items.map(({ title }) => title)).toEqual(['', 'P', 'Q']);
    const headed = await build(rows, byNumber, { 'items.csv': 'item,title\np,P\nq,Q\n' });
    expect(headed.hash).toBe(titled.hash);
  });

  it.each<[string, string, CsvOptions, RegExp]>([
    [
      'names',
      rows,
      {},
      /:1: seems to have no header.*\(a, p, 5, 1000\); set data\.csv\.header: false and .*data\.csv\.user: 1, data\.csv\.item: 2/,
    ],
    [
      'its values as names',
      '1,31,2.5,1260759144\n1,32,3,1260759145\n',
      { user: '1', item: '31', rating: '2.5' },
      /:1: seems to have no header.* or data\.csv\.header: true if these are names/,
    ],
    ['numbers as names', '1,2,3\n1,2,3\n', { user: 1, item: 2, rating: 3 }, /seems to have no header/],
    [
      'words alone',
      'ann,apple\nbob,pear\n',
      { implicit: true },
      /:1: column user is missing.*if that line is a row, set data\.csv\.header: false/,
    ],
    [
      'a column beyond',
      rows,
      { ...byNumber, rating: 9 },
      /a column is a number from 1 to 4, not 9; set data\.csv\.rating/,
    ],
    ['a name', rows, { ...byNumber, user: 'user' }, /a column is a number from 1 to 4, not user; set data\.csv\.user/],
    ['no rating', rows, { header: false, user: 1, item: 2 }, /needs a column rating or label/],
  ])('refuses %s', async (_, text, csv, message) => {
    await expect(build(text, csv)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });

  it('takes numbers for names where the config says so', async () => {
    const pandas = '0,1,2\nu,p,5\nu,q,1\n';
    expect((await build(pandas, { header: true, user: '0', item: '1', rating: '2' })).splits.train.rows).toBe(2);
    await expect(build(pandas, { user: '0', item: '1', rating: '2' })).rejects.toThrow(
      /header: true if these are names/,
    );
  });

  it('names the keys of all columns that are missing, and reads no titles where told so', async () => {
    const files = { 'items.csv': 'code,text\np,P\n' };
    await expect(build('user,item,rating\na,p,5\n', {}, files)).rejects.toThrow(
      /^items\.csv:1: column item is missing.*name yours by data\.csv\.itemId and data\.csv\.title/,
    );
    await expect(build('user,item,rating\na,p,5\n', {}, { 'items.csv': 'sku,text\np,P\n' })).rejects.toThrow(
      /data\.csv\.itemId: sku, which looks like it; name yours by data\.csv\.title/,
    );
    const untitled = await build('user,item,rating\na,p,5\n', { items: false }, files);
    expect([untitled.items[1]?.title, untitled.warnings]).toEqual(['p', expect.not.arrayContaining([/items\.csv/])]);
  });

  it('names a file of titles without a header', async () => {
    await expect(build(`user,item,rating\na,p,5\n`, {}, { 'items.csv': '1,Toy Story\n2,Heat\n' })).rejects.toThrow(
      /^items\.csv:1: seems to have no header: .*data\.csv\.itemId: 1, data\.csv\.title: 2/,
    );
  });

  it('advises a line above where no key helps', async () => {
    const read = async () => {
      const bytes = (async function* () {
        yield new TextEncoder().encode('1,31\n2,32\n');
      })();
      for await (const _ of readCsv(bytes, { name: 'pairs.csv', columns: ['user', 'item'] }));
    };
    await expect(read()).rejects.toThrow(/^pairs\.csv:1: seems to have no header.*add a line above it .*: user,item$/);
  });
});

describe('advice', () => {
  it.each<[string, string, CsvOptions, RegExp]>([
    [
      'a column that looks like it',
      'User-ID,ISBN,Book-Rating\n1,2,3\n',
      {},
      /column user is missing.*set data\.csv\.user: User-ID/,
    ],
    [
      'one that is misspelled',
      'user,item,stars\n1,2,3\n',
      { rating: 'star' },
      /column star is missing.*set data\.csv\.rating: stars/,
    ],
    ['the separator', 'user;item;rating\n1;2;3\n', {}, /data\.csv\.separator: ";"/],
    [
      'decimal commas',
      'user;item;rating\n1;2;3,5\n',
      { separator: ';' },
      /got "3,5" with a decimal comma; set data\.csv\.decimal: ","/,
    ],
    [
      'decimal commas between commas',
      'user,item,rating\n1,2,3,5\n',
      {},
      /4 fields where the header has 3; .*a comma in it stands in quotes/,
    ],
    [
      'a header that comes again',
      'user,item,rating\n1,2,3\nuser,item,rating\n',
      {},
      /:3: is the header again; remove the line/,
    ],
    [
      'the rating',
      'user,item,Book-Rating\n1,2,3\n',
      {},
      /set data\.csv\.rating: Book-Rating, which looks like it, or set data\.csv\.i/,
    ],
    ['no rating', 'user,item,rating\n1,2,N/A\n', {}, /data\.csv\.missing: \["N\/A"\]/],
    ['a decimal sign', rows, { decimal: ';' as ',' }, /data\.csv\.decimal: must be/],
  ])('names %s', async (_, text, csv, message) => {
    await expect(build(text, csv)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });

  it('names times that are not read or that are needed', async () => {
    const text = 'user,item,rating,review_time\na,p,5,1700000000\n';
    expect((await build(text)).warnings.join()).toMatch(/review_time is not read; data\.csv\.timestamp: review_time/);
    await expect(build(text, {}, {}, {})).rejects.toThrow(
      /by time needs .* set data\.csv\.timestamp: review_time, which/,
    );
    const rounded = await build('user,item,rating,timestamp\na,p,5,1.7E+09\na,q,5,1700000000\n');
    expect(rounded.warnings.join()).toMatch(/timestamp: 1 times are rounded/);
  });

  it('is right about decimal commas and missing ratings', async () => {
    const text = 'user;item;rating\na;p;3,5\na;q;2,5\nb;p;NULL\n';
    const dataset = await build(text, { separator: ';', decimal: ',', missing: ['NULL'] });
    expect([...dataset.splits.train.label]).toEqual([1, 0]);
  });

  it('reads a first line that names the separator for Excel, or names the key', async () => {
    const text = 'sep=;\r\nuser;item;rating\r\na;p;5\r\n';
    expect((await build(text, { separator: ';' })).users.slice(1)).toEqual(['a']);
    await expect(build(text)).rejects.toThrow(
      /:1: says .* a semicolon parts its fields; set data\.csv\.separator: ";"/,
    );
  });

  it.each([
    ['JSON lines', '{"user": "a", "item": "p"}\n', {}, /:1: is JSON, not CSV/],
    ['a web page', '<html>\n', {}, /is a web page or XML/],
    ['a comment', '# ours\nuser,item,rating\n', {}, /begins with a comment \(# ours\); remove the lines above/],
    ['rows that end in a comma', 'user,item,rating\na,p,5,\n', {}, /end the header with a comma too/],
    ['rows with words of names', 'a,Great movie,5\nb,Bad movie,1\n', {}, /seems to have no header/],
  ])('names %s as what it is', async (_, text, csv, message) => {
    await expect(build(text, csv)).rejects.toThrow(message);
  });

  it('leaves out rows by texts that are missing values of one column alone', async () => {
    const text = 'user,item,label,timestamp\nNA,p,0,1700000000\na,q,1,0\n ,p,0,1700000001\na,,0,1700000002\n';
    const byTime = { missing: { timestamp: ['0'], user: [''], item: [''] } };
    const dataset = await build(text, byTime);
    expect(dataset.users.slice(1)).toEqual(['NA']);
    expect(dataset.warnings.join()).toMatch(/3 rows are left out/);
    // In a list, an id is missing only where there is none.
    const listed = await build(text, { missing: ['NA', ''] });
    expect(listed.users.slice(1)).toEqual(['NA', 'a']);
    await expect(build(text, { missing: ['NA'] })).rejects.toThrow(/interactions\.csv:4: user is empty/);
  });

  it('reads no times where timestamp is false, whatever a column is called', async () => {
    const text = 'user,item,rating,timestamp\na,p,5,soon\na,q,1,Monday\n';
    await expect(build(text)).rejects.toThrow(/:2: timestamp must be seconds/);
    const dataset = await build(text, { timestamp: false });
    expect([...dataset.splits.train.timestamp]).toEqual([0, 0]);
    expect(dataset.warnings.join()).not.toMatch(/timestamp/);
    await expect(build(text, { timestamp: false }, {}, {})).rejects.toThrow(
      /by time needs a column timestamp; name it by data\.csv\.timestamp in place of false, or split by ratio/,
    );
  });

  it('names signs between thousands, and never takes them for a fraction', async () => {
    await expect(build('user,item,rating\na,p,"1,234"\n')).rejects.toThrow(
      /got "1,234" with a comma; write numbers without a sign between thousands, or, .* set data\.csv\.decimal/,
    );
    for (const number of ['1,234,567', '1 234', '1.234,5']) {
      await expect(build(`user,item,rating\na,p,"${number}"\n`)).rejects.toThrow(
        /must be a number, got ".*"; write numbers without a sign between thousands$/,
      );
    }
  });

  it('takes yes and no for labels', async () => {
    const dataset = await build('user,item,label\na,p,Yes\na,q,n\nb,p,VRAI\nb,q,F\n');
    expect([...dataset.splits.train.label]).toEqual([1, 0, 1, 0]);
  });

  it('takes true and false for labels', async () => {
    const dataset = await build('user,item,is_recommended\na,p,True\na,q,false\nb,p,1.0\n', {
      label: 'is_recommended',
    });
    expect([...dataset.splits.train.label]).toEqual([1, 0, 1]);
  });
});

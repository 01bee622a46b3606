/** Attributes of items: read from every source that has some, kept, and never part of what is learned from. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { writeAtomic } from '@crossgate/files';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  type AttributeType,
  attributesOf,
  buildCsv,
  buildDemo,
  buildMl1m,
  buildMl100k,
  type CsvOptions,
  checkAttributes,
  continueDataset,
  type Dataset,
  generateDemoWorld,
  memorySource,
  summarizeAttributes,
} from '../src/index';
import { datasetFile, loadSource, openDataset, openDatasetFile, readEventFile, saveDataset } from '../src/node';

const events = 'user,item,label,timestamp\na,x,1,1\na,y,0,2\nb,x,1,3\nb,z,1,4\n';
const items = `item,title,genre,brand,price,stock
unused,Nobody,Western|War,Zeta,99,1
x,X,Comedy| Drama |Comedy,Acme,9.50,
y,Y,,"Smith, Inc.",,
z,Z,Drama,Acme,-1e1,
`;
const build = (csv: CsvOptions = {}, files: Record<string, string> = {}) =>
  buildCsv(memorySource({ 'interactions.csv': events, 'items.csv': items, ...files }), { csv });
const chosen = { attributes: ['genre', 'brand', 'price', 'stock'], attributeSeparator: '|' };
const ofItem = (dataset: Dataset, id: string) =>
  attributesOf(
    dataset.attributes!,
    dataset.items.findIndex((item) => item.id === id),
  );

describe('attributes of csv', () => {
  it('are the columns that are named: texts, several in a cell, and numbers', async () => {
    const dataset = await build(chosen);
    expect(dataset.attributes!.map(({ name, type }) => [name, type])).toEqual([
      ['genre', 'text'],
      ['brand', 'text'],
      ['price', 'number'],
      ['stock', 'number'],
    ]);
    expect(dataset.attributes!.every(({ values }) => values.length === 4)).toBe(true);
    expect(ofItem(dataset, 'x')).toEqual({ genre: ['Comedy', 'Drama'], brand: ['Acme'], price: 9.5 });
    expect(ofItem(dataset, 'y')).toEqual({ brand: ['Smith, Inc.'] });
    expect(ofItem(dataset, 'z')).toEqual({ genre: ['Drama'], brand: ['Acme'], price: -10 });
    expect(summarizeAttributes(dataset.attributes!)).toEqual([
      {
        ...{ name: 'genre', type: 'text' },
        values: [
          { value: 'Drama', items: 2 },
          { value: 'Comedy', items: 1 },
        ],
      },
      {
        ...{ name: 'brand', type: 'text' },
        values: [
          { value: 'Acme', items: 2 },
          { value: 'Smith, Inc.', items: 1 },
        ],
      },
      { name: 'price', type: 'number', min: -10, max: 9.5 },
      { name: 'stock', type: 'number', min: null, max: null },
    ]);
  });

  it('leave data, hash and the recipe of data without them as they are', async () => {
    const [plain, rich] = [await build(), await build(chosen)];
    expect(plain.attributes).toEqual([]);
    const { attributes: _, recipe, ...rest } = rich;
    const { attributes: __, recipe: before, ...others } = plain;
    expect(rest).toEqual(others);
    const { attributes, ...same } = recipe;
    expect([same, attributes]).toEqual([before, { columns: chosen.attributes, separator: '|' }]);
    expect(JSON.stringify(before)).not.toContain('ttribute');
  });

  it('are columns by number where there is no header, with the decimal sign and the missing texts of the file', async () => {
    const dataset = await buildCsv(
      memorySource({ 'interactions.csv': 'a;x;1;1\na;y;0;2\n', 'items.csv': 'x;X;1,5\ny;Y;N/A\n' }),
      {
        csv: {
          ...{ header: false, separator: ';', user: 1, item: 2, label: 3, timestamp: 4, itemId: 1, title: 2 },
          ...{ attributes: [3], decimal: ',', missing: ['N/A'] },
        },
      },
    );
    expect(dataset.attributes).toEqual([{ name: '3', type: 'number', values: [null, 1.5, null] }]);
  });

  it('say why a column of numbers is text', async () => {
    const messy = 'item,title,price,code\nx,X,9,007\ny,Y,n/a,8\nz,Z,5,9\n';
    const dataset = await build({ attributes: ['price', 'code'] }, { 'items.csv': messy });
    expect(dataset.attributes!.map(({ type }) => type)).toEqual(['text', 'number']);
    expect(dataset.warnings).toContain(
      'attribute price is text: 1 of 3 values are no numbers, the first is "n/a" (items.csv:3); ' +
        'data.csv.missing: ["n/a"] takes it for none',
    );
    const infinite = 'item,title,price\nx,X,1e999\ny,Y,NaN\nz,Z,0x10\n';
    const [price] = (await build({ attributes: ['price'] }, { 'items.csv': infinite })).attributes!;
    expect(price!.type).toBe('text');
  });

  const wide = (cell: string) => ({ 'items.csv': `item,title,genre\nx,X,"${cell}"\ny,Y,\nz,Z,\n` });
  const many = Array.from({ length: 50_001 }, (_, n) => `n${n},N,v${n}\n`).join('');
  it.each<[string, CsvOptions, Record<string, string>, RegExp]>([
    [
      'an unknown column',
      { attributes: ['genres'] },
      {},
      /^items\.csv:1: column genres is missing; the header must name item, title, genres \(it has item, title, genre, brand, price, stock\)$/,
    ],
    ['a column twice', { attributes: ['genre', 'genre'] }, {}, /^data\.csv\.attributes: names "genre" twice/],
    [
      'too many columns',
      { attributes: Array.from({ length: 65 }, (_, n) => n) },
      {},
      /names 65 columns; an item may have 64/,
    ],
    ['a name that requests cannot use', { attributes: ['__proto__'] }, {}, /__proto__ cannot be an attribute/],
    [
      'an empty separator',
      { attributes: ['genre'], attributeSeparator: '' },
      {},
      /attributeSeparator: must not be empty/,
    ],
    ['a separator of nothing', { attributeSeparator: '|' }, {}, /is read with data\.csv\.attributes alone/],
    [
      'a description',
      { attributes: ['genre'] },
      wide('d'.repeat(300)),
      /^items\.csv:2: genre has a value of 300 characters/,
    ],
    [
      'too many values of an item',
      { attributes: ['genre'], attributeSeparator: '|' },
      wide(Array.from({ length: 257 }, (_, n) => n).join('|')),
      /^items\.csv:2: genre has 257 values; an item may have 256/,
    ],
    [
      'too many different values',
      { attributes: ['genre'] },
      { 'items.csv': `item,title,genre\nx,X,\ny,Y,\nz,Z,\n${many}` },
      /^items\.csv:50005: genre has more than 50000 different values, too many to filter by; leave it out .*separator/,
    ],
    [
      'a column twice in the file',
      { attributes: ['genre'] },
      { 'items.csv': 'item,title,genre,genre\nx,X,1,2\n' },
      /genre stands twice/,
    ],
  ])('refuse %s', async (_, csv, files, message) => {
    await expect(build(csv, files)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(message),
    });
  });

  it('need a file to be read from', async () => {
    const source = memorySource({ 'interactions.csv': events });
    await expect(buildCsv(source, { csv: { attributes: ['genre'] } })).rejects.toThrow(
      'data.csv.attributes: there is no items.csv to read them from; add the file',
    );
    await expect(buildCsv(source, { csv: { attributes: ['genre'], items: false } })).rejects.toThrow(
      'data.csv.attributes: there is no file of titles to read them from; add the file',
    );
  });

  it('may be as many different numbers as there are items', async () => {
    const rows = Array.from({ length: 50_010 }, (_, n) => `n${n},N,${n}\n`).join('');
    const { attributes } = await build(
      { attributes: ['price'] },
      { 'items.csv': `item,title,price\nx,X,7\ny,Y,\nz,Z,\n${rows}` },
    );
    expect(attributes![0]).toMatchObject({ type: 'number', values: [null, 7, null, null] });
    const messy = `item,title,price\nx,X,7\ny,Y,\nz,Z,\n${rows}last,L,N/A\n`;
    await expect(build({ attributes: ['price'] }, { 'items.csv': messy })).rejects.toThrow(
      'too many to filter by; attribute price is text: 1 of 50012 values are no numbers, the first is "N/A" ' +
        '(items.csv:50015); data.csv.missing: ["N/A"] takes it for none',
    );
  });

  it('come with newer events where a file of titles lies beside them', async () => {
    const cwd = await folderWith({ 'new.csv': events, 'items.csv': items, 'alone/new.csv': events });
    const options = { csv: chosen };
    const beside = await readEventFile(join(cwd, 'new.csv'), options);
    const types: AttributeType[] = [
      { name: 'genre', type: 'number' },
      { name: 'price', type: 'text' },
      { name: 'other', type: 'text' },
    ];
    expect(beside.attributesOf('x', types)).toEqual({ genre: ['Comedy', 'Drama'], price: ['9.50'] });
    expect(beside.attributesOf('x', [{ name: 'price', type: 'number' }])).toEqual({ price: 9.5 });
    expect(beside.attributesOf('nothing', types)).toEqual({});
    for (const file of [
      await readEventFile(join(cwd, 'alone/new.csv'), options),
      await readEventFile(join(cwd, 'new.csv'), options, false),
    ]) {
      expect([file.titles, file.events.length, file.attributesOf('x', types)]).toEqual([undefined, 4, {}]);
    }
  });
});

describe('attributes of published and generated data', () => {
  const time = Date.UTC(2001, 6, 1) / 1000;
  it('are genres and year of MovieLens-1M', async () => {
    const movies = "3::Heat (1995)::Action|Children's\n7::Untitled::\n";
    const ratings = `1::3::5::${time}\n1::7::1::${time + 1}\n`;
    const dataset = await buildMl1m(memorySource({ 'ratings.dat': ratings, 'movies.dat': movies }));
    expect([ofItem(dataset, '3'), ofItem(dataset, '7')]).toEqual([
      { genres: ['Action', "Children's"], year: 1995 },
      {},
    ]);
    expect(dataset.attributes!.map(({ type }) => type)).toEqual(['text', 'number']);
  });

  it('are genres and year of MovieLens-100K, without the genre unknown', async () => {
    const flags = (...on: number[]) => Array.from({ length: 19 }, (_, n) => (on.includes(n) ? 1 : 0)).join('|');
    const titles = `1|Toy Story (1995)|01-Jan-1995||x|${flags(3, 4, 5)}\n2|unknown||||${flags(0)}\n`;
    const source = memorySource({ 'u.data': '7\t1\t5\t100\n7\t2\t4\t90\n7\t1\t1\t200\n', 'u.item': titles });
    const dataset = await buildMl100k(source, { split: { by: 'ratio' } });
    expect(ofItem(dataset, '1')).toEqual({ genres: ['Animation', "Children's", 'Comedy'], year: 1995 });
    expect(ofItem(dataset, '2')).toEqual({});
  });

  it('are the two words of titles of the generated world, and nothing that titles do not tell', async () => {
    const world = generateDemoWorld();
    const dataset = await buildDemo(world);
    for (const { id, title } of [dataset.items[1]!, dataset.items.at(-1)!]) {
      const { mood, theme, ...more } = ofItem(dataset, id) as { mood: string[]; theme: string[] };
      expect([`The ${mood} ${theme}`, more]).toEqual([title, {}]);
    }
  });
});

describe('attributes that are kept', () => {
  it('come back from a prepared folder and from one file', async () => {
    const dataset = await build(chosen);
    const cwd = await folderWith();
    await saveDataset(dataset, join(cwd, 'prepared'));
    await writeAtomic(join(cwd, 'data.gz'), datasetFile(dataset));
    expect((await openDataset(join(cwd, 'prepared'), { verify: true })).attributes).toEqual(dataset.attributes);
    expect((await openDatasetFile(join(cwd, 'data.gz'))).attributes).toEqual(dataset.attributes);
    // An earlier folder is still one that may be replaced.
    await saveDataset(await build(), join(cwd, 'prepared'));
    expect((await openDataset(join(cwd, 'prepared'), { verify: true })).attributes).toEqual([]);
  });

  it('are told apart from data that an earlier version kept', async () => {
    const dataset = await build(chosen);
    const cwd = await folderWith();
    const [folder, path] = [join(cwd, 'prepared'), join(cwd, 'data.gz')];
    await saveDataset(dataset, folder);
    const manifest = JSON.parse(await readFile(join(folder, 'dataset.json'), 'utf8'));
    const { 'attributes.json': gone, ...files } = manifest.files;
    await writeFile(join(folder, 'dataset.json'), JSON.stringify({ ...manifest, files }));
    const older = await openDataset(folder, { verify: true });
    expect([older.attributes, older.hash, older.items]).toEqual([null, dataset.hash, dataset.items]);
    await writeAtomic(path, datasetFile(dataset));
    const bytes = gunzipSync(await readFile(path));
    const end = bytes.indexOf(10);
    const content = bytes.subarray(end + 1, bytes.length - gone.bytes);
    await writeFile(
      path,
      gzipSync(Buffer.concat([Buffer.from(`${JSON.stringify({ ...manifest, files })}\n`), content])),
    );
    const kept = await openDatasetFile(path);
    expect([kept.attributes, kept.hash]).toEqual([null, dataset.hash]);
    await saveDataset(kept, join(cwd, 'again'));
    expect((await openDataset(join(cwd, 'again'))).attributes).toBeNull();
  });

  it.each<[string, unknown, RegExp]>([
    ['too few items', [{ name: 'g', type: 'text', texts: ['a'], items: [[0]] }], /g has 1 items, not 3/],
    [
      'a text that is not there',
      [{ name: 'g', type: 'text', texts: ['a'], items: [[0], [1], []] }],
      /whose texts are not there/,
    ],
    ['a number that is none', [{ name: 'g', type: 'number', items: [1, 'x', null] }], /a value that is no number/],
    ['another type', [{ name: 'g', type: 'date', items: [1, 2, 3] }], /neither texts nor numbers/],
    ['no name', [null], /has no name/],
    ['no list', {}, /not a JSON array/],
  ])('are refused with %s', async (_, value, message) => {
    const folder = join(await folderWith(), 'prepared');
    await saveDataset(await build(chosen), folder);
    const text = JSON.stringify(value);
    await writeFile(join(folder, 'attributes.json'), text);
    await expect(openDataset(folder)).rejects.toThrow(/attributes\.json: \d+ bytes, expected \d+/);
    const manifest = JSON.parse(await readFile(join(folder, 'dataset.json'), 'utf8'));
    manifest.files['attributes.json'].bytes = Buffer.byteLength(text);
    await writeFile(join(folder, 'dataset.json'), JSON.stringify(manifest));
    await expect(openDataset(folder)).rejects.toMatchObject({
      code: 'data.damaged',
      message: expect.stringMatching(message),
    });
    await expect(openDataset(folder, { verify: true })).rejects.toThrow(/attributes\.json: wrong SHA-256/);
  });

  it('follow their items into data that have grown', async () => {
    const grownItems = 'item,title,genre,price,new\nz,Z,Horror,cheap,1\nw,W,War,5,2\nx,X,,6,\n';
    const earlier = await build(chosen);
    const source = memorySource({
      'interactions.csv': 'user,item,label,timestamp\nb,w,1,5\na,z,0,6\nb,x,1,7\n',
      'items.csv': grownItems,
    });
    const grown = await buildCsv(source, { csv: { attributes: ['genre', 'price', 'new'] } });
    const { dataset } = await continueDataset(earlier, grown);
    expect(dataset.items.map(({ id }) => id)).toEqual(['', 'x', 'y', 'z', 'w']);
    // y is gone and has no genre; price is another type now.
    expect(dataset.attributes).toEqual<Attribute[]>([
      { name: 'genre', type: 'text', values: [[], [], [], ['Horror'], ['War']] },
      { name: 'price', type: 'text', values: [[], ['6'], [], ['cheap'], ['5']] },
      { name: 'new', type: 'number', values: [null, null, null, 1, 2] },
    ]);
    const back = await continueDataset(await loaded(items.replace('y,Y,,', 'y,Y,Western,')), grown);
    expect(ofItem(back.dataset, 'y')).toEqual({ genre: ['Western'] });
    expect(ofItem(back.dataset, 'x')).toEqual({ price: ['6'] });
  });
});

const loaded = async (titles: string) => {
  const cwd = await folderWith({ 'interactions.csv': events, 'items.csv': titles });
  return loadSource('csv', cwd, { csv: chosen });
};

it('checks values by the type of their attribute', () => {
  const types = [
    { name: 'genres', type: 'text' },
    { name: 'year', type: 'number' },
  ] as const;
  const check = (
    given: Parameters<typeof checkAttributes>[1],
    attributes: Parameters<typeof checkAttributes>[0] = types,
  ) => checkAttributes(attributes, given, 'items[0].attributes');
  check({ genres: ['Comedy'], year: 1995 });
  const at = 'items[0].attributes';
  expect(() => check({ year: ['1995'] })).toThrow(`${at}.year: must be a number, not texts`);
  expect(() => check({ genres: 3 })).toThrow(`${at}.genres: must be a list of texts, not a number`);
  expect(() => check({ genre: ['x'] })).toThrow(
    `${at}.genre: "genre" is no attribute of the items; there are genres, year (did you mean genres?)`,
  );
  expect(() => check({ constructor: ['x'] })).toThrow('"constructor" is no attribute');
  expect(() => check({ a: 1 }, [])).toThrow(
    'the data set has no attributes of items; of CSV files, data.csv.attributes',
  );
  expect(() => check({ a: 1 }, null)).toThrow(
    'the data were kept without attributes of items, by a version that knew none; read them from the source again: --set data.path=DIR',
  );
});

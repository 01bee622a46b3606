/** Rows of JSON as programs write them: what JSON, Python and pandas give is read, or named as what it is. */
import { describe, expect, it } from 'vitest';
import { readJsonLines } from '../src/json-lines';
import { parseLiteral } from '../src/literal';

/** All rows and the places of a file that arrives in chunks of some bytes. */
async function read(text: string, chunk = text.length): Promise<{ rows: unknown[]; places: string[] }> {
  const bytes = new TextEncoder().encode(text);
  const [rows, places]: [unknown[], string[]] = [[], []];
  const chunks = (async function* () {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
  })();
  const count = await readJsonLines(chunks, 'f.json', (row, place) => {
    rows.push(row);
    places.push(place());
  });
  expect(count).toBe(rows.length);
  return { rows, places };
}

const rows = [
  { asin: ' B1', title: 'It\'s "fun" {[(', price: 1.5, also: ['a', 'b'], n: null },
  { asin: 'B2', title: 'back\\slash ✓ 😀', price: -2e-5, also: [], n: true },
  { asin: 'B3', title: '', price: 0, also: [{ x: '}' }], n: false },
];
const python = [
  `{'asin': ' B1', 'title': 'It\\'s "fun" {[(', 'price': 1.5, 'also': ('a', 'b'), 'n': None}`,
  `{'asin': "B2", 'title': u'back\\\\slash \\u2713 \\U0001f600', 'price': -2e-05, 'also': [], 'n': True}`,
  `{"asin": 'B3', "title": '', "price": 0, "also": [{'x': '}'},], "n": False}`,
];

describe('readJsonLines', () => {
  it.each<[string, string]>([
    ['one a line', rows.map((row) => JSON.stringify(row)).join('\n')],
    [
      'CRLF, blank lines and a byte order mark',
      `\ufeff${rows.map((row) => `${JSON.stringify(row)}\r\n\r\n`).join('')}`,
    ],
    ['one array on one line', JSON.stringify(rows)],
    ['one array over many lines', JSON.stringify(rows, null, 2)],
    ['objects over many lines', rows.map((row) => JSON.stringify(row, null, 2)).join('\n')],
    ['literals of Python, one a line', `${python.join('\n')}\n`],
    ['one list of Python', `[${python.join(',\n ')}]\n`],
    ['some of either', [python[0], JSON.stringify(rows[1]), python[2]].join('\n')],
  ])('reads %s, whatever the chunks', async (_, text) => {
    for (const chunk of [1, 7, 1000]) expect((await read(text, chunk)).rows).toEqual(rows);
  });

  it('reads numbers that JSON has not, and tells the line of each row', async () => {
    const text = '{"a": NaN, "b": [Infinity, -Infinity]}\n\n{\n "a": nan,\n "b": [inf, -inf]\n}\n{"a": 1}\n';
    const infinite = { a: Number.NaN, b: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] };
    expect(await read(text, 5)).toEqual({
      rows: [infinite, infinite, { a: 1 }],
      places: ['f.json:1', 'f.json:3', 'f.json:7'],
    });
  });

  it.each<[string, string, RegExp]>([
    ['nothing', ' \n', /^f\.json: the file is empty/],
    ['an empty array', '[]', /^f\.json: the file is empty/],
    ['numbers', '{"a":1}\n2\n', /^f\.json:2: is not a JSON object/],
    ['an array of numbers', '[\n1]', /^f\.json:2: is not a JSON object/],
    ['an array a line', '{"a":1}\n[1]', /^f\.json:2: is not a JSON object/],
    [
      'a line cut in a text',
      '{"a":1}\n{"a":"x\n{"a":1}\n',
      /^f\.json:2: is not valid JSON: it ends too early \(character 8/,
    ],
    ['a line cut behind a comma', '{"a":1}\n{"a":1,\n{"a":1}\n', /^f\.json:2: .* begins here is never closed/],
    ['an array that is cut', '[{"a":1},\n', /^f\.json:2: .* list of rows is never closed/],
    ['an object of an array that is cut', '[{"a":1},\n{"a":', /^f\.json:2: .* begins here is never closed/],
    ['two objects a line', '{"a":1} {"a":2}\n', /^f\.json:1: .* there is more after the value \(character 9/],
    ['text after an array', '[{"a":1}]\n{}', /^f\.json:2: .* more after the list of rows/],
    [
      'an object of Python',
      "{'a': 1,\n 'b': Timestamp('2014')}\n",
      /^f\.json:2: .*Timestamp\(…\) is an object of Python/,
    ],
    ['a word', '{"a": undefined}\n', /^f\.json:1: .*"undefined}" is no value/],
    ['CSV', 'user,item\na,b\n', /^f\.json:1: is not valid JSON: "user,item" is no value/],
    ['pandas by columns', '{"asin":{"0":"a"},"title":{"0":"b"}}', /one object for the whole table; .*orient='records'/],
    ['pandas by index', '{"0":{"asin":"a"},"1":{"asin":"b"}}', /one object for the whole table/],
    ['pandas split', '{"columns":["asin"],"index":[0],"data":[["a"]]}', /one object for the whole table/],
    ['an endless row', `{"a": ["${'x'.repeat(1 << 24)}",`, /^f\.json:1: a row is longer than 16777216 characters/],
  ])('names %s as what it is', async (_, text, message) => {
    const failure = await read(text).catch((error: Error) => error);
    expect(failure).toMatchObject({ name: 'InputError', message: expect.stringMatching(message) });
    expect((failure as Error).message).not.toMatch(/download|damaged/);
  });

  it('names another encoding', async () => {
    const latin = (async function* () {
      yield Uint8Array.of(0x7b, 0xe9, 0x7d);
    })();
    await expect(readJsonLines(latin, 'f.json', () => {})).rejects.toThrow(/^f\.json: not valid UTF-8/);
  });
});

describe('parseLiteral', () => {
  it('agrees with JSON', () => {
    const value = { a: [1, -2.5e10, 'x\n\t"\u2028', { b: [] }], __proto__x: null, é: '😀' };
    for (const space of [0, 1]) expect(parseLiteral(JSON.stringify(value, null, space))).toEqual(value);
  });

  it.each([
    [`'\\x41\\101\\N'`, 'AA\\N'],
    ["'\\ud83d\\ude00'", '😀'],
    ['{1: 2}', { 1: 2 }],
    ['.5', 0.5],
    ['+1.', 1],
  ])('reads %s', (text, value) => expect(parseLiteral(text)).toEqual(value));

  it.each(['{1, 2}', '{"a" 1}', '[1 2]', '1x', '1.2.3', '{None: 1}', "'a", '"\\U00110000"', '['.repeat(300), ''])(
    'refuses %s',
    (text) => expect(() => parseLiteral(text)).toThrow(),
  );
});

/** CSV text in any chunks: what is written is read back with its lines, and what is malformed is refused by line. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CsvRecord, CsvSplitter, csvField } from '../src/index';

/** The records of a text that comes in chunks of the given lengths, over and over; or the message of the refusal. */
function split(text: string, lengths: readonly number[] = [text.length || 1], separator = ','): CsvRecord[] | string {
  const splitter = new CsvSplitter('x.csv', separator);
  const records: CsvRecord[] = [];
  try {
    for (let at = 0, turn = 0; at < text.length; turn++) {
      const length = lengths[turn % lengths.length] as number;
      records.push(...splitter.push(text.slice(at, at + length)));
      at += length;
    }
    records.push(...splitter.end());
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return records;
}

const characters = fc.constantFrom('a', 'é', '😀', '"', '""', ',', ';', '\n', '\r\n', '\r', ' ', '\ufeff', '12" disc');
const text = fc.array(characters, { maxLength: 12 }).map((parts) => parts.join(''));
const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n', '\r\n\r\n');

describe('CsvSplitter', () => {
  it('reads back what csvField writes, with the lines that rows start on, in any chunks', () => {
    const rows = fc.array(fc.tuple(fc.array(text, { minLength: 2, maxLength: 4 }), lineEnd), { maxLength: 6 });
    fc.assert(
      fc.property(rows, lengths, fc.boolean(), (written, parts, ended) => {
        const expected: CsvRecord[] = [];
        let whole = '';
        for (const [index, [fields, end]] of written.entries()) {
          expected.push({ line: whole.split('\n').length, fields });
          whole += fields.map(csvField).join(',') + (ended || index < written.length - 1 ? end : '');
        }
        // A byte order mark is the decoder's business; a later one is text.
        expect(split(whole, parts)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives the same records, or refuses with the same words, in any chunks', () => {
    let refused = 0;
    fc.assert(
      fc.property(text, lengths, (any, parts) => {
        const whole = split(any);
        if (typeof whole === 'string') refused++;
        expect(split(any, parts)).toEqual(whole);
      }),
      { numRuns: 5000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it.each(['\t', ';', '|', '.', '^', 'x'])('parts fields by %j', (separator) => {
    expect(split(`a${separator}"b${separator}\r"${separator}c"d\r\n`, [100], separator)).toEqual([
      { line: 1, fields: ['a', `b${separator}\r`, 'c"d'] },
    ]);
    expect(split(`a${separator}b\rc\n`, [100], separator)).toMatch(/x\.csv:1: a carriage return/);
  });

  it.each([
    ['a quote that is never closed', 'a,b\n\n"c\n,d\ne,f\n', '3: a quoted field is never closed'],
    ['one in the last row', 'a,b\nc,"d', '2: a quoted field is never closed'],
    [
      'a quote after a backslash',
      'a\n"b \\"c\\" d"\n',
      '2: text after a closing quote; double the quotes inside a field: write "" for \\"',
    ],
    ['text after a quote', 'a\n"b\n"c,d\n', '2: text after a closing quote; double the quotes inside a field'],
    [
      'text after a quote, and the file ends',
      'a\n"b"c',
      '2: text after a closing quote; double the quotes inside a field',
    ],
    ['line ends of long ago', 'a\nb\rc\n', '2: a carriage return without a line feed; save it with \\n line ends'],
    [
      'one beside quotes that hold another',
      '"a\rb",c\rd\n',
      '1: a carriage return without a line feed; save it with \\n line ends',
    ],
  ])('refuses %s', (_, malformed, message) => {
    for (const size of [1, 2, 1000]) expect(split(malformed, [size])).toBe(`InputError: x.csv:${message}`);
  });

  it('ends at a row of more than four million characters', () => {
    const long = `a,b\nc,"${'d\n'.repeat((1 << 21) + 1)}`;
    const message = 'InputError: x.csv:2: a row is longer than 4194304 characters; is a quoted field never closed?';
    for (const ending of ['', '"\n']) expect(split(long + ending, [1 << 18])).toBe(message);
    expect(split(`${long}"\n`)).toBe(message);
    expect(split(`a,b\n${'c'.repeat(5_000_000)}`, [1 << 18])).toBe(message);
    const allowed = 'd,'.repeat(1_000_000);
    expect(split(`a\n"${allowed}"\n`, [1 << 18])).toEqual([
      { line: 1, fields: ['a'] },
      { line: 2, fields: [allowed] },
    ]);
  });

  it('takes an empty field in quotes for a row, an empty line for none, and a carriage return before the end', () => {
    for (const size of [1, 2, 1000]) {
      expect(split('a\n""\n\n\r\n"b"\r', [size])).toEqual([
        { line: 1, fields: ['a'] },
        { line: 2, fields: [''] },
        { line: 5, fields: ['b'] },
      ]);
      expect(split('a,b\r', [size])).toEqual([{ line: 1, fields: ['a', 'b'] }]);
    }
  });

  it('refuses text after a quote with its line, though no other quote has come', () => {
    const splitter = new CsvSplitter('x.csv');
    expect(splitter.push('a,b\n"c" \r')).toEqual([{ line: 1, fields: ['a', 'b'] }]);
    expect(() => splitter.push('d\nf,g\n')).toThrow(/^x\.csv:2: text after a closing quote/);
  });

  it('takes quotes inside a field for text, and drops blanks after a closing quote', () => {
    expect(split('12" disc,a"b"\n"c" , "d"\n')).toEqual([
      { line: 1, fields: ['12" disc', 'a"b"'] },
      { line: 2, fields: ['c', ' "d"'] },
    ]);
  });
});

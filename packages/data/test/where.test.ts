/** Filters by attributes, against plain definitions of what each condition means. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  type Condition,
  checkWhere,
  itemFilter,
  orderedWhere,
  parseWhere,
  type Where,
} from '../src/index';

const attributes: readonly Attribute[] = [
  { name: 'genres', type: 'text', values: [[], ['Comedy', 'Drama'], ['Drama'], [], ['Horror', 'War'], ['Comedy']] },
  { name: 'price', type: 'number', values: [null, 5, 20, null, 20.5, -1] },
];
const passing = (where: Where, of = attributes) => {
  const filter = itemFilter(of, where);
  return [1, 2, 3, 4, 5].filter(filter);
};

describe('itemFilter', () => {
  it.each<[string, Where, number[]]>([
    ['nothing', {}, [1, 2, 3, 4, 5]],
    ['any', { genres: { any: ['Comedy', 'War'] } }, [1, 4, 5]],
    ['all', { genres: { all: ['Drama', 'Comedy', 'Drama'] } }, [1]],
    ['none, which items without a value pass', { genres: { none: ['Drama', 'War'] } }, [3, 5]],
    ['several', { genres: { any: ['Comedy'], none: ['Drama'] } }, [5]],
    ['min', { price: { min: 20 } }, [2, 4]],
    ['max', { price: { max: 5 } }, [1, 5]],
    ['both, ends included', { price: { min: 5, max: 20 } }, [1, 2]],
    ['two attributes', { genres: { any: ['Drama'] }, price: { max: 10 } }, [1]],
    ['a text that no item has', { genres: { any: ['comedy'] } }, []],
  ])('passes by %s', (_, where, expected) => {
    expect(passing(where)).toEqual(expected);
  });

  it('means what its words say, for any items and filters', () => {
    const texts = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', '__proto__', ''), { maxLength: 4 });
    const condition = fc.record({ any: texts, all: texts, none: texts }, { requiredKeys: ['any'] });
    fc.assert(
      fc.property(fc.array(texts, { minLength: 5, maxLength: 5 }), condition, (values, given) => {
        const plain = (own: string[]) =>
          given.any.some((text) => own.includes(text)) &&
          (given.all ?? []).every((text) => own.includes(text)) &&
          !(given.none ?? []).some((text) => own.includes(text));
        const expected = [1, 2, 3, 4, 5].filter((item) => plain(values[item - 1]!));
        expect(passing({ x: given }, [{ name: 'x', type: 'text', values: [[], ...values] }])).toEqual(expected);
      }),
    );
  });

  it.each<[string, Where, string]>([
    [
      'an unknown attribute',
      { genre: { any: ['x'] } },
      'where.genre: "genre" is no attribute of the items; there are genres, price',
    ],
    [
      'a key of every object',
      { toString: { min: 1 } } as unknown as Where,
      'where.toString: "toString" is no attribute',
    ],
    [
      'numbers asked of texts',
      { genres: { min: 1 } },
      'where.genres.min: genres holds texts, which take any, all, none',
    ],
    [
      'texts asked of numbers',
      { price: { none: ['5'] } },
      'where.price.none: price holds numbers, which take min, max',
    ],
    ['no condition', { price: {} }, 'where.price: needs one of min, max'],
    ['conditions that are undefined', { genres: { any: undefined } }, 'where.genres: needs one of any, all, none'],
    ['a range of nothing', { price: { min: 3, max: 2 } }, 'where.price.min: is 3, above max 2'],
    ['what is no number', { price: { max: Number.NaN } }, 'where.price.max: is not a number'],
  ])('refuses %s', (_, where, message) => {
    expect(() => itemFilter(attributes, where)).toThrow(message);
    expect(() => checkWhere(attributes, where)).toThrow(expect.objectContaining({ code: 'data.attribute' }));
  });
});

it('has one form of filters that differ in order alone', () => {
  const one: Where = { b: { none: ['y', 'x', 'y'], any: ['q'] }, a: { max: 2, min: undefined } };
  const other: Where = { a: { max: 2 }, b: { any: ['q'], none: ['x', 'y'] } };
  expect(JSON.stringify(orderedWhere(one))).toBe(JSON.stringify(orderedWhere(other)));
  expect(JSON.stringify(orderedWhere({ a: { max: 3 } }))).not.toBe(JSON.stringify(orderedWhere({ a: { max: 2 } })));
});

describe('conditions of the command line', () => {
  const parse = (...texts: string[]) => parseWhere(texts, attributes, '--where');
  it.each<[string[], Record<string, Condition>]>([
    [['genres=Comedy'], { genres: { all: ['Comedy'] } }],
    [['genres=Comedy,Drama'], { genres: { any: ['Comedy', 'Drama'] } }],
    [
      ['genres=Comedy', 'genres = Drama ', 'genres!=War,Horror', 'genres!=x'],
      { genres: { all: ['Comedy', 'Drama'], none: ['War', 'Horror', 'x'] } },
    ],
    [['genres="Smith, Inc.",a=b'], { genres: { any: ['Smith, Inc.', 'a=b'] } }],
    [['price>=5', 'price<=7.5'], { price: { min: 5, max: 7.5 } }],
    [['price=-1e1'], { price: { min: -10, max: -10 } }],
  ])('reads %s', (texts, expected) => {
    expect(parse(...texts)).toEqual(expected);
  });

  it.each<[string[], string]>([
    [['genres'], '--where genres: is no condition; write NAME=VALUE, NAME!=VALUE, NAME>=NUMBER or NAME<=NUMBER'],
    [['genres='], 'is no condition'],
    [['=Comedy'], 'is no condition'],
    [['genres=,'], 'names no value'],
    [['genres="Comedy'], '--where genres="Comedy:1: a quoted field is never closed'],
    [['genre=Comedy'], '"genre" is no attribute of the items; there are genres, price (did you mean genres?)'],
    [['genres>=5'], 'genres holds texts, which take = and !='],
    [['price=cheap'], 'price holds numbers, and this is none'],
    [['price=0x10'], 'price holds numbers, and this is none'],
    [['price!=5'], 'price holds numbers, which take =, >= and <='],
    [['price>=5', 'price>=6'], 'price has such a condition already; give one'],
    [['genres=a,b', 'genres=c,d'], 'genres has such a condition already; give one'],
    [['price>=5', 'price<=4'], '--where.price.min: is 5, above max 4'],
  ])('refuses %s', (texts, message) => {
    expect(() => parse(...texts)).toThrow(message);
  });
});

/** Patterns of tokenizers: none runs without end, all find what the built-in engine finds, and real ones stay with it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundedPattern } from '../src/bounded-pattern';
import { LinearRegExp } from '../src/linear-regexp';
import { createTokenizer } from '../src/tokenizer';

const s = '\\p{White_Space}';
const notS = '\\P{White_Space}';
const suffixes = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const upper = '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
/** Patterns as the library rewrites them. */
const real = {
  'GPT-2': `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${s}\\p{L}\\p{N}]+|${s}+(?!${notS})|${s}+`,
  'Llama 3': `${suffixes}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^${s}\\p{L}\\p{N}]+[\\r\\n]*|${s}*[\\r\\n]+|${s}+(?!${notS})|${s}+`,
  Qwen: `${suffixes}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^${s}\\p{L}\\p{N}]+[\\r\\n]*|${s}*[\\r\\n]+|${s}+(?!${notS})|${s}+`,
  'GPT-4o': `${upper}*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${suffixes}?|${upper}+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${suffixes}?|\\p{N}{1,3}| ?[^${s}\\p{L}\\p{N}]+[\\r\\n/]*|${s}*[\\r\\n]+|${s}+(?!${notS})|${s}+`,
  DeepSeek: `[\\r\\n]|${s}?[A-Za-zµÀ-ÖØ-öø-ƺ]+|${s}?[!-/:-~！-／：-～‘-‟　-。]+|${s}+$|[一-龥ࠀ-一가-퟿]+`,
};
/** Patterns that the built-in engine is slow with, or may be. */
const nested = {
  'repeated repetitions': '^(a+)+$',
  'equal alternatives': '(?:a|a)*b',
  'overlapping alternatives': '(?:ab|a|b)+c|a',
  'optional copies': '(?:a?){12}a{12}',
  'three repetitions': 'a*a*a*b',
  'two repetitions before more': 'a*a*b',
  'a repetition in a look ahead': '(?=(?:a{3})+(?!a))a|a',
  'an empty repetition': '(?:a*|b)*c|b',
  'lazy repetitions': '(?:a+?b?)+?c|a',
  'looks behind': '(?<=ab)(?:a|b)+(?<!ba)',
  'edges and words': '(?:^a|\\bb|b$|\\B )+',
  'characters of two units': '(?:[🎬a]+)+ ',
};

const texts = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', ' ', '\n', "'s", 'É', '7', '🎬', '\u00a0', '-'),
  maxLength: 14,
});

describe('patterns of tokenizers', () => {
  it.each(Object.entries(real))('%s stays with the built-in engine', (_, source) => {
    const pattern = new RegExp(source, 'gu');
    expect(boundedPattern(pattern)).toBe(pattern);
  });

  it.each(Object.entries(nested))('%s do not', (_, source) => {
    expect(boundedPattern(new RegExp(source, 'gu'))).toBeInstanceOf(LinearRegExp);
  });

  it.each(Object.entries({ ...real, ...nested }))('%s finds what the built-in engine finds', (_, source) => {
    const [builtIn, linear] = [new RegExp(source, 'gu'), new LinearRegExp(source, 'gu')];
    fc.assert(
      fc.property(texts, (text) => {
        const placesOf = (pattern: RegExp) => Array.from(text.matchAll(pattern), (match) => [match.index, match[0]]);
        expect(placesOf(linear)).toEqual(placesOf(builtIn));
        expect(text.match(linear)).toEqual(text.match(builtIn));
        expect(text.replaceAll(linear, '<$&>')).toBe(text.replaceAll(builtIn, '<$&>'));
        if (!/\((?!\?)/.test(source)) expect(text.split(linear)).toEqual(text.split(builtIn));
      }),
      { numRuns: 150 },
    );
  });

  it('takes no time to speak of where the built-in engine has no end', () => {
    const began = performance.now();
    for (const source of Object.values(nested)) `${'a'.repeat(3000)}!`.match(new LinearRegExp(source, 'gu'));
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it.each([
    ['a reference to a group', '(a)\\1', /\\1, which is not supported/],
    ['a look behind without one length', '(?<=a+)(?:b+)+', /has no one length/],
    ['giant repetitions', '(?:(?:a{200}b?){200}){2}', /too large/],
  ])('refuses %s', (_, source, words) => {
    expect(() => boundedPattern(new RegExp(source, 'gu'))).toThrow(words);
  });
});

describe('a tokenizer.json', () => {
  const vocab = Object.fromEntries([...'abcdefghijklmnopqrstuvwxyz! '].map((piece, id) => [piece, id]));
  const open = (steps: object) =>
    createTokenizer({
      source: 'tokenizer.json',
      config: {},
      json: {
        post_processor: null,
        decoder: null,
        normalizer: null,
        pre_tokenizer: null,
        model: { type: 'BPE', vocab, merges: [] },
        ...steps,
      },
    });
  const Regex = '^(a+)+$';

  it.each([
    ['pre-tokenizer', { pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false } }],
    ['normalizer', { normalizer: { type: 'Replace', pattern: { Regex }, content: 'b' } }],
    [
      'sequence of steps',
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [{ type: 'Split', pattern: { Regex }, behavior: 'Removed' }],
        },
      },
    ],
  ])('whose %s runs without end is read as ever, at once', (_, steps) => {
    const tokenizer = open(steps);
    const began = performance.now();
    expect(tokenizer.encode(`${'a'.repeat(40)}!`)).toEqual([...Array.from({ length: 40 }, () => 0), 26]);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('with a pattern that cannot be bounded is refused by its name', () => {
    const pattern = { Regex: '(a+)+\\1' };
    expect(() => open({ pre_tokenizer: { type: 'Split', pattern, behavior: 'Isolated' } })).toThrow(
      /^tokenizer\.json: the tokenizer cannot be built: a pattern has \\1/,
    );
  });
});

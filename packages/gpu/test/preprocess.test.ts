import { describe, expect, it } from 'vitest';
import { preprocess } from '../src';

const expand = (text: string, constants = {}, includes = {}) =>
  preprocess('test', text, constants, includes)
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

describe('preprocess', () => {
  it('repeats, nests and computes', () => {
    expect(
      expand('#for i in 0..2\n#for j in i..ROWS - 1\na${i}_${i * 4 + j % 2}\n#endfor\n#endfor', { ROWS: 4 }),
    ).toEqual(['a0_0', 'a0_1', 'a0_0', 'a1_5', 'a1_4']);
  });

  it('chooses branches', () => {
    const text = '#if A && B > 2\nyes\n#if !A\ninner\n#else\nother\n#endif\n#else\nno\n#endif';
    expect(expand(text, { A: true, B: 3 })).toEqual(['yes', 'other']);
    expect(expand(text, { A: true, B: 2 })).toEqual(['no']);
  });

  it('includes once', () => {
    expect(expand('#include x\n#include x\nend', {}, { x: 'fn x() {}' })).toEqual(['fn x() {}', 'end']);
  });

  it('respects precedence and parentheses', () => {
    const value = (text: string) => expand(`\${${text}}`, { N: 7 })[0];
    expect(value('1 + 2 * 3')).toBe('7');
    expect(value('(1 + 2) * 3 - 4 - 5')).toBe('0');
    expect(value('N / 2 == 3 || 1 > 2')).toBe('1');
    expect(value('-N + 1')).toBe('-6');
  });

  it.each([
    ['#if A\nx', /test\.wgsl:1: #if has no #endif/],
    ['#for i in 3\n#endfor', /expected "#for NAME in/],
    ['\n${B}', /test\.wgsl:2: unknown constant "B"/],
    ['${1 +}', /ends too early/],
    ['#include nothing', /nothing to include/],
    ['#endif', /unexpected #endif/],
  ])('refuses %j', (text, message) => {
    expect(() => preprocess('test', text, { A: 1 })).toThrow(message);
  });
});

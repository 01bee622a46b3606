/**
 * docs/errors.md says what the registry says, every code of the registry is given to some error, and what a user can
 * bring has one.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errorsPage, readCodes, uncoded, usedCodes } from './docs-errors.mjs';

it('is up to date; else run node tools/docs-errors.mjs', () => {
  expect(readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')).toBe(errorsPage());
});

it('lists no code that the source does not use', () => {
  const codes = readCodes();
  expect(codes.size).toBeGreaterThan(30);
  const used = usedCodes(codes);
  expect([...codes.keys()].filter((code) => !used.has(code))).toEqual([]);
});

it('names codes as area.kind, and says what each means', () => {
  for (const [code, meaning] of readCodes()) {
    expect(code).toMatch(/^[a-z]+(\.[a-z]+(-[a-z0-9]+)*)?$/);
    expect(meaning, code).toMatch(/^[A-Z].*\.$/);
  }
});

it('gives a code to every refusal of the packages that read what users name', () => {
  const upper = /^(apps\/(train|bench)|packages\/(experiment|files|hub|report|serve|terminal))\//;
  expect(uncoded().filter((place) => upper.test(place))).toEqual([]);
});

it('finds a refusal without a code', () => {
  const found = uncoded({
    'a.ts':
      "throw new InputError('x');\nthrow new InputError('x', { code: 'usage' });\nthrow new InputError('x', { fix: 'y' });",
    'b.ts': "throw new InputError('x', details);\nconst code = 'usage';\nthrow new InputError('x', { code });",
  });
  expect(found).toEqual(['a.ts:1', 'a.ts:3']);
});

/** docs/errors.md says what the registry says, and every code of the registry is given to some error. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errorsPage, readCodes, usedCodes } from './docs-errors.mjs';

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

// Tests of what the check of the packages brings along.
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { compilers } from './check-packages.mjs';

it("compiles with the TypeScript versions of the root's manifest", async () => {
  const { devDependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const found = await compilers();
  const names = ['typescript-5.9', 'typescript', 'typescript-7'];
  const pinned = names.map((name) => devDependencies[name].replace('npm:typescript@', ''));
  expect(found.map(({ label }) => label)).toEqual(pinned.map((version) => `TypeScript ${version}`));
  expect(found.filter(({ tsc }) => !existsSync(tsc))).toEqual([]);
});

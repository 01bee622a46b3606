import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { summaryOf, withVersion } from './version.mjs';

const root = join(import.meta.dirname, '../..');

it('moves the text of changesets on top of the changelog', () => {
  const summary = summaryOf("---\n'@crossgate/core': minor\n---\n\nErrors have codes.\n\nSee docs.\n");
  expect(summary).toBe('Errors have codes.\n\nSee docs.');
  const before = '# Changelog\n\nAll share one version.\n\n## 0.1.0 — 2026-01-01\n\n- First.\n';
  expect(withVersion(before, '0.2.0', '2026-02-02', [summary, 'Faster.'])).toBe(
    '# Changelog\n\nAll share one version.\n\n## 0.2.0 — 2026-02-02\n\n- Errors have codes.\n\n  See docs.\n- Faster.\n\n' +
      '## 0.1.0 — 2026-01-01\n\n- First.\n',
  );
  expect(withVersion('# Changelog\n', '0.1.0', '2026-01-01', ['a'])).toBe(
    '# Changelog\n\n## 0.1.0 — 2026-01-01\n\n- a\n\n',
  );
});

it('all packages share one version', () => {
  const versions = ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).map(
      (name) => JSON.parse(readFileSync(join(root, group, name, 'package.json'), 'utf8')).version as string,
    ),
  );
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(new Set(versions)).toEqual(new Set([version]));
});

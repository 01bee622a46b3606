/** The page as it is built: small, and nothing in it that the server's policy would refuse. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { built } from './fake-server';

const names = readdirSync(built, { recursive: true, encoding: 'utf8' }).filter((name) => /\.\w+$/.test(name));
const read = (pattern: RegExp) =>
  names.filter((name) => pattern.test(name)).map((name) => readFileSync(join(built, name), 'utf8'));

it('is one document, one script and one style sheet, of at most 20 kB compressed', () => {
  expect(names.map((name) => name.replace(/^.*\./, '')).sort()).toEqual(['css', 'html', 'js']);
  const bytes = read(/./).reduce((sum, text) => sum + gzipSync(text).length, 0);
  expect(bytes).toBeLessThan(20_000);
});

it('has no script, style or listener inside the document, and no address of another place', () => {
  const [html = ''] = read(/\.html$/);
  expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/i);
  expect(html.match(/(?:src|href)="[^"]*"/g)).toEqual([
    expect.stringMatching(/^href="data:image\/svg\+xml,/),
    expect.stringMatching(/^src="\.\/assets\//),
    expect.stringMatching(/^href="\.\/assets\//),
    'href="#list-title"',
  ]);
  for (const text of read(/\.(js|css)$/)) {
    expect(text.match(/https?:\/\/[^"'`)]+/g) ?? []).toEqual(
      text.includes('createElementNS') ? ['http://www.w3.org/2000/svg'] : [],
    );
    expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/);
  }
});

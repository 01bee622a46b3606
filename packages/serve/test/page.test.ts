/** The page: files of a folder, read once, with the headers that keep it closed. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { serverOf } from './ask';

it('shows links where there is no page', async () => {
  const { get } = await serverOf();
  const { status, body, headers } = await get('/');
  expect(status).toBe(200);
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
  for (const link of body.matchAll(/href="([^"]+)"/g)) expect((await get(`/${link[1]}`)).status, link[1]).toBe(200);
});

it('gives the files of the folder by their names, and nothing else', async () => {
  const page = await folderWith({
    'index.html': '<!doctype html><script type="module" src="/assets/page-1a2B3c4d.js"></script>',
    'assets/page-1a2B3c4d.js': 'console.log(1)',
    'touch-icon-of-the-page.svg': '<svg/>',
    'secret.env': 'KEY=1',
  });
  await writeFile(join(page, '..', 'outside.txt'), 'secret');
  const { get, post } = await serverOf({ page });
  const index = await get('/');
  expect(index.headers.get('content-security-policy')).toMatch(/script-src 'self'.*frame-ancestors 'none'/);
  expect(index.headers.get('content-security-policy')).not.toContain('unsafe-inline');
  expect(index.headers.get('cache-control')).toBe('no-cache');
  const script = await get('/assets/page-1a2B3c4d.js');
  expect(script.body).toBe('console.log(1)');
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  const icon = await get('/touch-icon-of-the-page.svg');
  expect(icon.headers.get('content-type')).toBe('image/svg+xml');
  expect(icon.headers.get('cache-control')).toBe('no-cache');
  const etag = index.headers.get('etag')!;
  expect(await get('/', { 'if-none-match': etag })).toMatchObject({ status: 304, body: '' });
  for (const path of [
    '/secret.env',
    '/../outside.txt',
    '/%2e%2e/outside.txt',
    '/assets/',
    '/assets/..%2f..%2foutside.txt',
  ]) {
    expect((await get(path)).status, path).toBe(404);
  }
  expect(await post('/', {})).toMatchObject({ status: 405, body: { error: { code: 'method' } } });
});

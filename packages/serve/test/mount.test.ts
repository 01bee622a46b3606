/** The app inside somebody's own server. */
import { folderWith } from '@crossgate/testing/node';
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { serverOf } from './ask';

it('mounts into another app, below a path of its own', async () => {
  const { server } = await serverOf();
  const shop = new Hono();
  shop.get('/', (c) => c.text('the shop'));
  shop.route('/recommendations', server.app);
  expect(await (await shop.request('/')).text()).toBe('the shop');
  const answer = await shop.request('/recommendations/v1/recommend', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'u1', top: 1 }),
  });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ items: [{ title: expect.any(String) }] });
  const refused = await shop.request('/recommendations/v1/users/nobody');
  expect(refused.status).toBe(404);
  expect(await refused.json()).toMatchObject({ error: { code: 'unknown-user' } });
  for (const path of ['/', '/index.html', '/readyz']) {
    expect((await shop.request(`/recommendations${path}`)).status, path).toBe(200);
  }
});

it('gives the page below its path, with links that lead to its files', async () => {
  const page = await folderWith({
    'index.html': '<script type="module" src="./assets/page-1a2B3c4d.js"></script>',
    'assets/page-1a2B3c4d.js': 'console.log(1)',
  });
  const { server } = await serverOf({ page });
  const shop = new Hono();
  shop.route('/my/recs', server.app);
  const without = await shop.request('http://shop.example/my/recs?a=1');
  expect(without.status).toBe(308);
  const index = new URL(without.headers.get('location')!, 'http://shop.example/my/recs');
  expect(index.href).toBe('http://shop.example/my/recs/?a=1');
  for (const name of ['', 'index.html']) {
    const found = await shop.request(new URL(name, index).href);
    expect([found.status, found.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(found.headers.get('content-security-policy')).toContain("script-src 'self'");
    const [, link = ''] = /src="([^"]+)"/.exec(await found.text()) ?? [];
    const script = await shop.request(new URL(link, new URL(name, index)).href);
    expect(await script.text()).toBe('console.log(1)');
  }
  expect((await shop.request('http://shop.example/my/recs/', { method: 'HEAD' })).status).toBe(200);
  expect((await shop.request('http://shop.example/my/recs/nothing/')).status).toBe(404);
  expect((await shop.request('http://shop.example/')).status).toBe(404);
});

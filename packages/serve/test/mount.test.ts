/** The app inside somebody's own server. */
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
  for (const path of ['', '/index.html', '/readyz']) {
    expect((await shop.request(`/recommendations${path}`)).status, path).toBe(200);
  }
});

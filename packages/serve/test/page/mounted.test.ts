/** The built page before the real server, mounted below a path of another app. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findChromium, launchBrowser, noChromium } from '@crossgate/testing/browser';
import { startServer } from '@crossgate/testing/node';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { createServer } from '../../src';
import { fakeRun } from '../fake-run';
import { built } from './fake-server';

const token = 'token-of-this-test-0123';

const none = findChromium() === null;
it.skipIf(none)(none ? `works below a path (${noChromium})` : 'works below a path', async () => {
  expect(existsSync(join(built, 'index.html')), 'the page is not built: npm run build').toBe(true);
  await using server = await createServer(fakeRun({ items: 40 }), { tokens: [token], page: built });
  const shop = new Hono().get('/', (c) => c.text('the shop')).route('/our/recs', server.app);
  const listener = getRequestListener(shop.fetch, { overrideGlobalObjects: false });
  const local = await startServer((request, response) => void listener(request, response));
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(10_000);
    const said: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error)));
    await page.goto(`${local.url}/our/recs#user=u2`);
    expect(page.url()).toBe(`${local.url}/our/recs/#user=u2`);
    await page.locator('#token').fill(token);
    await page.keyboard.press('Enter');
    const rows = page.locator('#items > li[data-item]');
    await rows.nth(9).waitFor();
    expect(await page.locator('#list-title').textContent()).toBe('Recommendations for user u2');
    expect(await rows.first().locator('dt').allTextContents()).toEqual(['Fused', 'CF', 'LLM']);
    await page.locator('#explain').check();
    await rows.first().locator('.reasons').waitFor();
    await page.locator('#title').fill('A new title');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#tried').textContent()).toMatch(/A new title(place \d+|below)/);
    expect(said.filter((line) => !/status of 401/.test(line))).toEqual([]);
  } finally {
    await browser.close();
    await local.close();
  }
});

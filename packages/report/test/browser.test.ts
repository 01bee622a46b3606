/** The report in a real browser: nothing on the console, nothing loaded, on a phone, in the dark, by keyboard and on paper. */
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { listAdapters } from '@crossgate/gpu/node';
import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportPage } from '../src';
import { makeRuns, makeWorld, oddTitle, openWorld, running } from './runs';

/** Chromium of the system, or of CROSSGATE_CHROMIUM. */
const program = [
  process.env.CROSSGATE_CHROMIUM ?? '',
  ...(process.env.PATH ?? '').split(delimiter).flatMap((folder) => [join(folder, 'chromium')]),
].find((path) => path !== '' && existsSync(path));
const adapters = await listAdapters();

describe.skipIf(program === undefined)('the report in Chromium', { timeout: 240_000 }, () => {
  let cwd: string;
  let browser: Browser;
  let address: string;
  const hasModel = adapters.length > 0;
  beforeAll(async () => {
    cwd = await makeWorld();
    const { session, places } = openWorld(cwd);
    const names = ['mean', 'running', ...(hasModel ? ['mf', 'ccf', 'collm'] : [])];
    try {
      await makeRuns(session, ...names);
      const page = await reportPage(places(...names.map((name) => (name === 'running' ? running : name))), session);
      await writeFile(join(cwd, 'report.html'), page.html);
    } finally {
      await session.close();
    }
    address = pathToFileURL(join(cwd, 'report.html')).href;
    browser = await chromium.launch({ executablePath: program!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(cwd, { recursive: true, force: true });
  });

  /** Opens the page, and fails on whatever the console says. A screenshot goes to CROSSGATE_SCREENSHOTS. */
  async function open(name: string, options: BrowserContextOptions = {}) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const said: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error)));
    page.on('dialog', (dialog) => said.push(`dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      if (request.url() !== address) said.push(`request: ${request.url()}`);
    });
    await page.goto(address);
    const shoot = async () => {
      const folder = process.env.CROSSGATE_SCREENSHOTS;
      if (!folder) return;
      await mkdir(folder, { recursive: true });
      await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
    };
    return {
      page,
      shoot,
      async close() {
        expect(said).toEqual([]);
        await context.close();
      },
    };
  }

  it('says nothing on the console and loads nothing, and titles are text', async () => {
    const { page, shoot, close } = await open('light', { viewport: { width: 1200, height: 900 } });
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.title()).toContain('<i>running</i>');
    await shoot();
    await close();
  });

  it.each([
    ['light', '255, 255, 255'],
    ['dark', '18, 22, 28'],
  ] as const)('is %s where the reader is, with contrast between text and page', async (colorScheme, expected) => {
    const { page, shoot, close } = await open(`${colorScheme}-scheme`, { colorScheme });
    const style = await page.evaluate(
      '(({ color, backgroundColor }) => ({ color, backgroundColor }))(getComputedStyle(document.body))',
    );
    const { color, backgroundColor } = style as { color: string; backgroundColor: string };
    expect(backgroundColor).toBe(`rgb(${expected})`);
    expect(contrast(color, backgroundColor)).toBeGreaterThan(7);
    await shoot();
    await close();
  });

  it('fits a phone: only boxes scroll sideways, not the page', async () => {
    const { page, shoot, close } = await open('phone', { viewport: { width: 360, height: 740 }, hasTouch: true });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    await shoot();
    await close();
  });

  it('can be gone through by keyboard, from the link that skips the navigation', async () => {
    const { page, close } = await open('keyboard');
    const focused = () =>
      page.evaluate('document.activeElement.getAttribute("href") ?? document.activeElement.className');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('#main');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('scroll');
    await close();
  });

  it('prints with everything that scrolls at full size, and without controls', async () => {
    const { page, close } = await open('print');
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await page.locator('nav').isVisible()).toBe(false);
    expect(await page.locator('.controls:visible').count()).toBe(0);
    const state = await page.evaluate(
      '[...document.querySelectorAll("pre")].every((pre) => pre.scrollHeight <= pre.clientHeight + 1)',
    );
    expect(state).toBe(true);
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
    expect((await page.pdf()).length).toBeGreaterThan(10_000);
    await close();
  });

  it.skipIf(!hasModel)('answers on the map: search, buttons by keyboard, pointer, and kinds', async () => {
    const { page, shoot, close } = await open('map', { viewport: { width: 1000, height: 900 } });
    const map = page.locator('#items-1 .map');
    await map.getByLabel('Find items').fill('alert');
    await page.keyboard.press('Tab');
    const status = map.getByRole('status');
    expect(await status.textContent()).toBe('1 item found');
    const button = map.getByRole('button');
    expect(await button.textContent()).toBe(oddTitle);
    await button.focus();
    await page.keyboard.press('Enter');
    expect(await status.textContent()).toBe(oddTitle);
    expect(await map.locator('.chosen-point').count()).toBe(3);
    await shoot();
    const circle = map.locator('.points-2 circle').nth(4);
    await circle.scrollIntoViewIfNeeded();
    const box = (await circle.boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    expect(await status.textContent()).toBe(`${await circle.locator('title').textContent()} (fused titles)`);
    await map.getByLabel('titles', { exact: true }).uncheck();
    expect(await map.locator('.points-1 circle').first().isVisible()).toBe(false);
    expect(await circle.isVisible()).toBe(true);
    await close();
  });
});

/** WCAG's ratio of two opaque colors, `rgb(…)`. */
function contrast(a: string, b: string): number {
  const luminance = (color: string) => {
    const [red = 0, green = 0, blue = 0] = (color.match(/\d+/g) ?? []).map((text) => {
      const value = Number(text) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

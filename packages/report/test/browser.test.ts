/** The report in a real browser: silent, alone, accessible, on a phone, in the dark, by keyboard and on paper. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { listAdapters } from '@crossgate/gpu/node';
import {
  accessibilityProblems,
  type Browser,
  type BrowserContextOptions,
  findChromium,
  launchBrowser,
  noChromium,
  openPage,
  type Page,
} from '@crossgate/testing/browser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportPage } from '../src';
import { makeRuns, makeWorld, oddTitle, openWorld, running } from './runs';

const isHere = findChromium() !== null;
const hasModel = (await listAdapters()).length > 0;

describe.skipIf(!isHere)(`the report in a browser${isHere ? '' : ` (${noChromium})`}`, { timeout: 240_000 }, () => {
  let cwd: string;
  let browser: Browser;
  let address: string;
  beforeAll(async () => {
    cwd = await makeWorld();
    const { session, places } = openWorld(cwd);
    const names = ['mean', 'running', ...(hasModel ? ['ccf'] : [])];
    try {
      await makeRuns(session, ...names);
      const page = await reportPage(places(...names.map((name) => (name === 'running' ? running : name))), session);
      await writeFile(join(cwd, 'report.html'), page.html);
    } finally {
      await session.close();
    }
    address = pathToFileURL(join(cwd, 'report.html')).href;
    browser = await launchBrowser();
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await rm(cwd, { recursive: true, force: true });
  });

  const open = (options: BrowserContextOptions = {}) =>
    openPage(browser, address, { viewport: { width: 1200, height: 900 }, ...options });

  /** A picture of the whole page, where CROSSGATE_SCREENSHOTS names a folder. */
  async function shoot(page: Page, name: string) {
    const folder = process.env.CROSSGATE_SCREENSHOTS;
    if (!folder) return;
    await mkdir(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  }

  it.each([
    ['light', '255, 255, 255'],
    ['dark', '18, 22, 28'],
  ] as const)('is silent, loads nothing and is accessible where the reader is %s', async (colorScheme, background) => {
    const { page, close } = await open({ colorScheme });
    const style = (selector: string, property: string) =>
      page.evaluate(`getComputedStyle(document.querySelector('${selector}'))['${property}']`) as Promise<string>;
    const behind = await style('body', 'backgroundColor');
    expect(behind).toBe(`rgb(${background})`);
    expect(contrast(await style('body', 'color'), behind)).toBeGreaterThan(7);
    // Axe does not read pictures.
    expect(contrast(await style('figure svg text', 'fill'), behind)).toBeGreaterThan(4.5);
    expect(await accessibilityProblems(page)).toEqual([]);
    // Titles and names are text, wherever they are.
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.title()).toContain('<i>running</i>');
    expect(await page.locator('h1 i, h3 i, th i, a i').count()).toBe(0);
    await shoot(page, colorScheme);
    await close();
  });

  it.each([320, 390])(
    'fits a phone %i pixels wide: only boxes scroll sideways, and square pictures fit',
    async (width) => {
      const { page, close } = await open({ viewport: { width, height: 844 }, hasTouch: true, isMobile: true });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      const fits = '[...document.querySelectorAll(".narrow .scroll")].map((box) => box.scrollWidth - box.clientWidth)';
      expect(new Set((await page.evaluate(fits)) as number[])).toEqual(new Set([0]));
      await shoot(page, `phone-${width}`);
      await close();
    },
  );

  it('can be gone through by keyboard: every stop is in sight, marked, and has a name', async () => {
    const { page, close } = await open();
    const at = async () => {
      await page.keyboard.press('Tab');
      return (await page.evaluate(`(() => {
        const element = document.activeElement;
        const { top, bottom, left, right } = element.getBoundingClientRect();
        const name = element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
        return {
          place: element.getAttribute('href') ?? element.type ?? element.className ?? '',
          name: name.trim(),
          seen: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth &&
            getComputedStyle(element).outlineStyle !== 'none',
          isBody: element === document.body,
        };
      })()`)) as { place: string; name: string; seen: boolean; isBody: boolean };
    };
    const first = await at();
    expect(first.place).toBe('#main');
    const stops = [first];
    for (let stop = await at(); !stop.isBody && stops.length < 300; stop = await at()) stops.push(stop);
    expect(stops.filter(({ seen, name }) => !seen || name === '')).toEqual([]);
    const places = stops.map(({ place }) => place);
    expect(places).toEqual(expect.arrayContaining(['#metrics', '#config', 'scroll', ...(hasModel ? ['search'] : [])]));
    // From the link that skips the navigation, the next stop is in the content.
    await page.evaluate('document.querySelector(".skip").focus()');
    await page.keyboard.press('Enter');
    expect((await at()).place).toBe('scroll');
    await close();
  });

  it('prints with everything that scrolls at full size, and without controls', async () => {
    const { page, close } = await open();
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await page.locator('nav').isVisible()).toBe(false);
    expect(await page.locator('.controls:visible').count()).toBe(0);
    const cut = `[...document.querySelectorAll("pre, .scroll")]
      .filter((box) => box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1).length`;
    await page.setViewportSize({ width: 680, height: 900 });
    expect(await page.evaluate(cut)).toBe(0);
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
    await shoot(page, 'print');
    const pdf = Buffer.from(await page.pdf({ format: 'A4' })).toString('latin1');
    const pages = pdf.match(/\/Type\s*\/Page\b/g)?.length;
    expect(pages).toBeGreaterThan(3);
    expect(pages).toBeLessThan(30);
    await close();
  });

  it('is whole without its script, only still', async () => {
    const { page, close } = await open({ javaScriptEnabled: false });
    expect(await page.locator('main > section').count()).toBeGreaterThan(5);
    expect(await page.locator('.controls:visible').count()).toBe(0);
    await close();
  });

  it.skipIf(!hasModel)('answers on the map: search, buttons by keyboard, pointer, and kinds', async () => {
    const { page, close } = await open();
    const map = page.locator('#items-1 .map');
    const [search, status] = [map.getByLabel('Find items'), map.getByRole('status')];
    await search.fill('alert');
    expect(await status.textContent()).toBe('1 item found');
    const button = map.getByRole('button');
    expect(await button.textContent()).toBe(oddTitle);
    // Past the boxes of the three kinds.
    for (let i = 0; i < 4; i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await status.textContent()).toBe(oddTitle);
    expect(await button.getAttribute('aria-pressed')).toBe('true');
    expect(await map.locator('.chosen-point').count()).toBe(3);
    expect(await accessibilityProblems(page)).toEqual([]);
    await shoot(page, 'map');
    await search.press('Escape');
    expect([await search.inputValue(), await status.textContent(), await button.count()]).toEqual(['', '', 0]);
    const circle = map.locator('.points-2 circle').nth(4);
    await circle.scrollIntoViewIfNeeded();
    const box = (await circle.boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    expect(await status.textContent()).toBe(`${await circle.locator('title').textContent()} (fused titles)`);
    await map.getByLabel('titles', { exact: true }).focus();
    await page.keyboard.press('Space');
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

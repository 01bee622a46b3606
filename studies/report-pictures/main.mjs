// Takes pictures of a report: its top in light, a map of items with a search in dark, and curves on a phone. A few
// seconds; it needs Chromium.
// npm run -s example -- studies/report-pictures/main.mjs REPORT.html DIR
import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launchBrowser, openPage } from '@crossgate/testing/browser';

const [report, folder] = process.argv.slice(2);
if (!report || !folder) {
  process.stderr.write('usage: main.mjs REPORT.html DIR\n');
  process.exit(2);
}
const address = pathToFileURL(resolve(report)).href;
await mkdir(folder, { recursive: true });
const browser = await launchBrowser();

/**
 * @param {string} name of the file
 * @param {import('@crossgate/testing/browser').BrowserContextOptions} options
 * @param {(page: import('@crossgate/testing/browser').Page) => Promise<void>} [prepare] scrolls, types
 */
async function take(name, options, prepare) {
  const { page, close } = await openPage(browser, address, options);
  await prepare?.(page);
  const path = join(/** @type {string} */ (folder), `report-${name}.png`);
  await page.screenshot({ path });
  await close();
  process.stdout.write(`${path}: ${Math.round((await stat(path)).size / 1000)} kB\n`);
}

try {
  await take('light', { viewport: { width: 1000, height: 1250 } });
  await take('dark', { viewport: { width: 1000, height: 1120 }, colorScheme: 'dark' }, async (page) => {
    const map = page.locator('.map').first();
    const search = map.getByLabel('Find items');
    await search.fill('kitchen');
    await search.press('Tab');
    await map.getByRole('button').first().click();
    await page.locator('#items').evaluate((section) => section.scrollIntoView());
  });
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, isMobile: true, hasTouch: true };
  await take('phone', phone, (page) => page.locator('#roc').evaluate((section) => section.scrollIntoView()));
} finally {
  await browser.close();
}

/** The watch on pages: whatever a page should not do fails it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessibilityProblems, type Browser, findChromium, launchBrowser, noChromium, openPage } from '../src/browser';

const isHere = findChromium() !== null;

describe.skipIf(!isHere)(`a watched page${isHere ? '' : ` (${noChromium})`}`, () => {
  let folder: string;
  let browser: Browser;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crossgate-browser-'));
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function addressOf(body: string, name = 'page.html') {
    const text = `<!doctype html><html lang="en"><title>t</title><main><h1>t</h1>${body}</main></html>`;
    await writeFile(join(folder, name), text);
    return pathToFileURL(join(folder, name)).href;
  }

  it.each([
    ['<script>console.log("one")</script>', 'console: one'],
    ['<script>throw new Error("two")</script>', 'error: Error: two'],
    ['<script>alert("three")</script>', 'dialog: three'],
    ['<img alt="" src="http://127.0.0.1:1/four.png">', 'request: http://127.0.0.1:1/four.png'],
    ['<script>window.open("about:blank")</script>', 'page: about:blank'],
  ])('complains of %s', async (body, complaint) => {
    const { complaints, close, page } = await openPage(browser, await addressOf(body));
    await expect.poll(() => complaints).toContain(complaint);
    await expect(close()).rejects.toThrow(complaint);
    expect(page.isClosed()).toBe(true);
  });

  it('is content with a quiet page, and loads what it may', async () => {
    const other = pathToFileURL(join(folder, 'other.svg')).href;
    await writeFile(join(folder, 'other.svg'), '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    const address = await addressOf(`<img alt="other" src="${other}">`);
    const { page, complaints, close } = await openPage(browser, address, {}, (url) => url === other);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(await page.evaluate('document.images[0].naturalWidth')).toBe(9);
    expect(complaints).toEqual([]);
    await close();
  });

  it('names elements that axe has found', async () => {
    const { page, close } = await openPage(
      browser,
      await addressOf('<p style="color: #ccc">pale</p><button></button>'),
    );
    const problems = await accessibilityProblems(page);
    expect(problems).toHaveLength(2);
    expect(problems.sort().map((text) => text.replace(/:.*/, ''))).toEqual(['button-name', 'color-contrast']);
    await close();
  });
});

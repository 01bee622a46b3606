/**
 * @crossgate/testing/browser: pages in a real browser. One browser serves all tests of a file; each test opens a page,
 * and a page that logs, fails, asks or loads anything unexpected fails the test.
 */
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { findChromium, noChromium } from './chromium';

export type { Browser, BrowserContextOptions, Page } from 'playwright-core';
export { chromiumNames, findChromium, noChromium } from './chromium';

/** What gives Chromium WebGPU on any machine: SwiftShader, a program on the CPU that it brings along. */
const softwareWebGpu = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
/** Without WebGPU: draws without the GPU that SwiftShader would play as well, which takes longer. */
const noGpu = ['--disable-gpu'];

/**
 * Starts the Chromium of this machine, without a window. Close it after the tests of the file.
 * @param options `webgpu`: whether pages have WebGPU, in software. Default: as the browser has it, which without a window
 *   is not at all.
 * @throws Error when there is none, see {@link findChromium}
 */
export async function launchBrowser(options: { readonly webgpu?: boolean } = {}): Promise<Browser> {
  const program = findChromium();
  if (program === null) throw new Error(noChromium);
  // Chromium's sandbox does not start for root or in most containers; our tests open our own pages alone.
  const args = options.webgpu ? softwareWebGpu : noGpu;
  // A driver that was chosen for Node would hide the one that the browser brings along.
  const { VK_DRIVER_FILES: _, VK_ICD_FILENAMES: __, ...env } = process.env as Record<string, string>;
  return chromium.launch({ executablePath: program, chromiumSandbox: false, args, env });
}

/** A page that is watched. */
export interface WatchedPage {
  /** Playwright's page. */
  readonly page: Page;
  /** What it should not have done so far: lines of the console, errors, dialogs, refused requests, further pages. */
  readonly complaints: readonly string[];
  /** Closes the page with its context. @throws Error when there are complaints */
  close(): Promise<void>;
}

/**
 * Opens an address in a context of its own. Requests beside it are refused, and each is a complaint.
 * @param address such as `file:///…` or `http://127.0.0.1:…`
 * @param options of the context: color scheme, size, touch
 * @param allows says which further requests are made; by default none is
 */
export async function openPage(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
  allows: (url: string) => boolean = () => false,
): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const complaints: string[] = [];
  await context.route('**/*', async (route) => {
    const url = route.request().url();
    if (url === address || allows(url)) return route.continue();
    complaints.push(`request: ${url}`);
    return route.abort();
  });
  context.on('console', (message) => complaints.push(`console: ${message.text()}`));
  context.on('weberror', (error) => complaints.push(`error: ${error.error()}`));
  context.on('dialog', async (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  const page = await context.newPage();
  context.on('page', (other) => complaints.push(`page: ${other.url()}`));
  await page.goto(address);
  return {
    page,
    complaints,
    async close() {
      await context.close();
      if (complaints.length > 0) throw new Error(`${address}: ${complaints.join('; ')}`);
    },
  };
}

/**
 * What axe finds wrong with a page as it is now, by all its rules, best practices included.
 * @returns one line for each element: rule, element, reason; empty when all is well
 */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // As an expression, so that it runs under any security policy of the page.
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as axe.AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(
      ({ target, failureSummary = '' }) => `${id}: ${target.join(' ')}: ${failureSummary.replace(/\s+/g, ' ')}`,
    ),
  );
}

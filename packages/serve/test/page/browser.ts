/** Chromium of the system, for tests of the page. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** What to say of tests that are skipped for want of a browser. */
export const noChromium = 'no Chromium: install the package chromium, or set CROSSGATE_CHROMIUM';

/** The browser's program: of CROSSGATE_CHROMIUM, or the first of its names on the path; null: there is none. */
export function findChromium(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [process.env.CROSSGATE_CHROMIUM ?? '', ...paths].find((path) => path !== '' && existsSync(path)) ?? null;
}

/** Starts it without a window. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium() ?? '', chromiumSandbox: false });
}

/** What axe finds wrong with a page as it is now, by all its rules: one line for each element. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // As an expression, so that it runs under any security policy of the page.
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as axe.AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary = '' }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
  );
}

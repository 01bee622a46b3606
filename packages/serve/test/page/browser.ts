/** Chromium of the system, for tests of the page. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser's program: of CROSSGATE_CHROMIUM, or the first of its names on the path; undefined: there is none. */
export const program = [
  process.env.CROSSGATE_CHROMIUM ?? '',
  ...names.flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))),
].find((path) => path !== '' && existsSync(path));

/** Starts it without a window. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: program!, args: ['--no-sandbox'] });
}

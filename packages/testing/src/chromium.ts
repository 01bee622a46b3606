/** Where Chromium is on this machine. Loads nothing of a browser, so that a test can ask before it is skipped. */
import { findProgram } from './programs';

/** Programs that are Chromium, in the order in which they are looked for on the path. */
export const chromiumNames: readonly string[] = [
  ...['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
];

/** What to say of tests that are skipped for want of a browser. */
export const noChromium = 'no Chromium: install the package chromium, or set CROSSGATE_CHROMIUM';

/**
 * Finds Chromium: the program that CROSSGATE_CHROMIUM names, else the first of {@link chromiumNames} on the path.
 * @returns an absolute path; null when there is none
 * @throws Error when CROSSGATE_CHROMIUM names what is no program: whoever sets it wants no test to be skipped
 */
export function findChromium(env?: Readonly<Record<string, string | undefined>>): string | null {
  return findProgram({ variable: 'CROSSGATE_CHROMIUM', names: chromiumNames }, env);
}

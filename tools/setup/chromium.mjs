// Brings Chromium to a machine that has none, for the tests in a browser. Run: node tools/setup/chromium.mjs
import { pathToFileURL } from 'node:url';
import { say } from '../../packages/setup/src/system.mjs';
import { ensureProgram } from './debian-program.mjs';

/** Programs that are Chromium; the same as in packages/testing/src/chromium.ts, which is not built yet. */
export const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * Makes sure of Chromium where that is possible.
 * @param {Parameters<typeof ensureProgram>[1]} [machine] the real one by default
 */
export function ensureChromium(machine) {
  const wanted = { label: 'Chromium', names: chromiumNames, variable: 'CROSSGATE_CHROMIUM', package: 'chromium' };
  return ensureProgram(wanted, machine);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const outcome = await ensureChromium().catch((error) => ({ reason: `no Chromium: ${error.message}` }));
  say('program' in outcome ? `Chromium: ${outcome.program}` : `${outcome.reason}; tests in a browser are skipped`);
}

// Brings Chromium to a machine that has none, for the tests in a browser: from the package of its distribution, where
// this is root and apt-get is there. Whatever goes wrong is said, and nothing fails: without Chromium those tests are
// skipped. Run: node tools/setup/chromium.mjs
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { execute, say } from '../../packages/setup/src/system.mjs';

/** Programs that are Chromium; the same as in packages/testing/src/chromium.ts, which is not built yet. */
export const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Milliseconds: a machine without a network must not keep the tests waiting. */
const [updateLimit, installLimit] = [180_000, 420_000];

/** The first of these programs on the path. @returns {Promise<string | undefined>} */
async function onPath(/** @type {readonly string[]} */ names, path = process.env.PATH ?? '') {
  for (const name of names) {
    for (const folder of path.split(delimiter).filter(Boolean)) {
      const program = join(folder, name);
      if (
        await access(program, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return program;
    }
  }
  return undefined;
}

/**
 * Makes sure of Chromium where that is possible.
 * @param {{ env?: NodeJS.ProcessEnv, root?: boolean, run?: typeof execute }} [machine] the real one by default
 * @returns {Promise<{ program: string } | { reason: string }>} where it is, or why the tests will be skipped
 */
export async function ensureChromium({ env = process.env, root = process.getuid?.() === 0, run = execute } = {}) {
  if (env.CROSSGATE_CHROMIUM) return { program: env.CROSSGATE_CHROMIUM };
  const found = await onPath(chromiumNames, env.PATH);
  if (found) return { program: found };
  const apt = await onPath(['apt-get'], env.PATH);
  if (!apt) return { reason: 'no Chromium, and no apt-get to install it with' };
  if (!root) return { reason: 'no Chromium, and only root can install it' };
  const options = { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } };
  const steps = /** @type {[args: string[], timeout: number][]} */ ([
    [['-q', 'update'], updateLimit],
    [['-q', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=60', 'install', 'chromium'], installLimit],
  ]);
  for (const [args, timeout] of steps) {
    const { code, signal, stdout, stderr } = await run(apt, args, { ...options, timeout });
    if (code === 0) continue;
    const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim());
    const word = lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1) ?? 'no output';
    const step = args.includes('update') ? 'update' : 'install chromium';
    return { reason: `no Chromium: apt-get ${step} ended with ${signal ?? code}: ${word.trim()}` };
  }
  const installed = await onPath(chromiumNames, env.PATH);
  return installed
    ? { program: installed }
    : { reason: 'apt-get installed chromium, but no such program is on the path' };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const outcome = await ensureChromium().catch((error) => ({ reason: `no Chromium: ${error.message}` }));
  say('program' in outcome ? `Chromium: ${outcome.program}` : `${outcome.reason}; tests in a browser are skipped`);
}

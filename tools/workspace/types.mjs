// Types of everything, in few programs of tsc: one for each package would check those below it again and again.
import { runToEnd } from '../../packages/setup/src/run-to-end.mjs';
import { root, tsc } from './layout.mjs';

/** The programs. A tsconfig.json that differs from those of most packages has one of its own. */
export const projects = [
  'tsconfig.packages.json',
  'tsconfig.browser.json',
  'packages/setup/tsconfig.json',
  'packages/serve/page/tsconfig.json',
  'packages/serve/test/page/tsconfig.json',
  'packages/report/src/page/tsconfig.json',
  'apps/web/src/page/tsconfig.json',
  'tools/tsconfig.json',
];

/** Checks them all, in a checkout with its dependencies. @returns {Promise<number>} 0 when all hold, else tsc's exit code */
export async function checkTypes() {
  let worst = 0;
  for (const project of projects) {
    const code = await runToEnd(process.execPath, [tsc, '-p', project], {
      ...{ cwd: root, env: process.env, stdio: ['ignore', 'inherit', 'inherit'] },
    });
    // Interrupted: the next would begin all the same.
    if (code >= 128) return code;
    worst = Math.max(worst, code);
  }
  return worst;
}

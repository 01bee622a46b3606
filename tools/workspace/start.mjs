// Starts programs with the terminal passed through: exit codes, signals and working folder arrive as if started
// directly.
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from '../../packages/setup/src/run-to-end.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where the user typed the command, also when npm was started in another folder. */
export function userFolder(env = process.env) {
  return env.npm_lifecycle_event ? (env.INIT_CWD ?? process.cwd()) : process.cwd();
}

/**
 * Finds the script that a user names: absolute, from where the user stands, or from the root of the checkout.
 * @param {string} name
 * @returns {Promise<string>} its absolute path
 * @throws {Error} naming the places where there is no file
 */
export async function findScript(name, folders = [userFolder(), root]) {
  const places = [...new Set(folders.map((folder) => resolve(folder, name)))];
  for (const place of places) if ((await stat(place).catch(() => null))?.isFile()) return place;
  throw new Error(`${name}: there is no such file (tried ${places.join(', ')})`);
}

/** What Node is started with for a script of a user, which may be TypeScript: see scripts.mjs. */
export const forScripts = ['--enable-source-maps', '--import', new URL('./scripts.mjs', import.meta.url).href];

/**
 * Starts a program with the Node binary and environment of the set-up. Relative paths in its arguments mean what they
 * mean where the user typed the command.
 * @param {{ node: string, env: Record<string, string> }} gpu
 * @param {string} program absolute, or from the root of the checkout
 * @param {string[]} args
 * @param {string[]} options of Node
 */
export function start(gpu, program, args, options = []) {
  return runToEnd(gpu.node, [...options, resolve(root, program), ...args], {
    cwd: userFolder(),
    env: { ...process.env, ...gpu.env },
    stdio: 'inherit',
  });
}

/**
 * Runs the pinned pnpm through npx, so that it need not be installed; turbo finds it too. All output goes to standard
 * error.
 * @param {string[]} args
 * @param {string} folder of the workspace that it works on
 * @returns {Promise<number>} its exit code
 */
export async function runPnpm(args, folder = root) {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return runToEnd('npx', ['--yes', manifest.packageManager, ...args], {
    cwd: folder,
    env: {
      ...process.env,
      TURBO_TELEMETRY_DISABLED: '1',
      npm_config_update_notifier: 'false',
      npm_config_loglevel: 'error',
    },
    stdio: ['ignore', process.stderr, process.stderr],
    // On Windows npx is a script for the shell.
    shell: process.platform === 'win32',
  });
}

// Starts programs with the terminal passed through: exit codes, signals and working folder arrive as if started
// directly.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { moment, startWitness } from './witness.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The exit code a shell gives a program that a signal ended: 128 and the signal's number. */
export function signalExitCode(/** @type {NodeJS.Signals} */ signal) {
  return 128 + (constants.signals[signal] ?? 0);
}

/**
 * Runs a program to its end and returns its exit code. Hands on every signal that the program does not have already:
 * one that came to the whole process group (Ctrl-C in a terminal) reached it too, and npm passes on what came to the
 * group.
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<number>} 130 after Ctrl-C, 127 when the program is not there
 */
export function runToEnd(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, options);
    const witness = startWitness();
    /** Signals that the child got a moment ago. @type {Set<NodeJS.Signals>} */
    const recent = new Set();
    let asked = false;
    const pass = async (/** @type {NodeJS.Signals} */ signal) => {
      asked = true;
      if (recent.has(signal)) return;
      recent.add(signal);
      setTimeout(() => recent.delete(signal), moment).unref();
      if (!(await witness.saw(signal))) child.kill(signal);
    };
    const signals = /** @type {NodeJS.Signals[]} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
    for (const signal of signals) process.on(signal, pass);
    // Ended by a signal, npm takes at most its shell along, so the program would run on unseen.
    const started = starters();
    const watch = setInterval(() => {
      if (!process.env.npm_lifecycle_event || starters() === started) return;
      clearInterval(watch);
      if (!asked) void pass('SIGTERM');
    }, 250);
    const finish = (/** @type {number} */ code) => {
      clearInterval(watch);
      witness.end();
      for (const signal of signals) process.off(signal, pass);
      resolve(code);
    };
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      finish(127);
    });
    child.on('exit', (code, signal) => finish(signal ? signalExitCode(signal) : (code ?? 1)));
  });
}

/** The processes that stand for npm: our parent, and where that is npm's shell also its parent, which Linux tells. */
function starters() {
  const parent = process.ppid;
  try {
    const isShell = readFileSync(`/proc/${parent}/cmdline`, 'utf8').split('\0')[1] === '-c';
    // State and parent follow the name, which may hold anything.
    const [, , grandparent] = readFileSync(`/proc/${parent}/stat`, 'utf8').split(')').at(-1)?.split(' ') ?? [];
    return isShell ? `${parent} ${grandparent}` : `${parent}`;
  } catch {
    return `${parent}`;
  }
}

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
 * @returns {Promise<number>} its exit code
 */
export async function runPnpm(args) {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return runToEnd('npx', ['--yes', manifest.packageManager, ...args], {
    cwd: root,
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

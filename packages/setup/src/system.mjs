// Small helpers shared by the set-up: running programs, the per-user cache folder, locks, log lines.
import { spawn } from 'node:child_process';
import { mkdir, open, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A way of getting a GPU that does not work here; the message says why. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
}

/** Writes one line to standard error: standard output belongs to the command that runs after the set-up. */
export function say(/** @type {string} */ line) {
  process.stderr.write(`setup: ${line}\n`);
}

/**
 * Where the set-up keeps what it builds: one folder per user, shared by every clone.
 * @param {Record<string, string | undefined>} [env]
 * @param {string} [platform]
 */
export function cacheFolder(env = process.env, platform = process.platform) {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'crossgate', 'gpu');
  if (platform === 'win32' && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, 'crossgate', 'gpu');
  if (platform === 'darwin') return join(env.HOME ?? homedir(), 'Library', 'Caches', 'crossgate', 'gpu');
  return join(env.HOME ?? homedir(), '.cache', 'crossgate', 'gpu');
}

/**
 * An environment with the names of proxies in both cases: apt reads them in lower case alone, others in upper case. A
 * name that is set to nothing counts as not set, and the lower case wins.
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function withProxies(env) {
  const both = { ...env };
  for (const name of ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy']) {
    const value = env[name]?.trim() || env[name.toUpperCase()]?.trim();
    if (value) both[name] = both[name.toUpperCase()] = value;
  }
  return both;
}

/**
 * Runs a program to its end and collects its output.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, timeout?: number, input?: Buffer }} [options] timeout in
 *   milliseconds
 * @returns {Promise<{ code: number | null, signal: string | null, stdout: string, stderr: string }>}
 *   code 127 when the program is not there
 */
export function execute(command, args, { env = process.env, cwd, timeout = 600_000, input } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: withProxies(env), cwd, timeout, killSignal: 'SIGKILL', stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    // A child that ends early closes its input; its exit code says what happened.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', (error) => resolve({ code: 127, signal: null, stdout, stderr: error.message }));
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/**
 * As `execute`, but anything but exit code 0 throws a SetupError with the program's first errors, or where it names
 * none as such, its last words.
 */
export async function mustExecute(/** @type {Parameters<typeof execute>} */ ...call) {
  const result = await execute(...call);
  if (result.code !== 0) {
    const lines = `${result.stdout}\n${result.stderr}`.split('\n').filter((line) => line.trim());
    const errors = lines.filter((line) => /^E: |\berror\b/i.test(line));
    const words = (errors.length > 0 ? errors.slice(0, 3) : lines.slice(-3)).join(' / ');
    throw new SetupError(`${call[0]} ${call[1][0] ?? ''} ended with ${result.signal ?? result.code}: ${words}`);
  }
  return result.stdout;
}

/** True when something is at `path`. */
export async function exists(/** @type {string} */ path) {
  return (await stat(path).catch(() => null)) !== null;
}

/** Reads a JSON file; undefined when it is missing or damaged. */
export async function readJson(/** @type {string} */ path) {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Writes a JSON file so that readers see the old text or the new one, never half of it. */
export async function writeJson(/** @type {string} */ path, /** @type {unknown} */ value) {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(value, null, 2)}\n`);
  await rename(draft, path);
}

const heartbeatSeconds = 5;
const staleSeconds = 60;

/**
 * Runs `work` while holding the lock file `path`; others wait. A lock whose owner died is taken over: at once when the
 * owner ran on this host, else after a minute without a sign of life.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @param {() => void} [onWait] called once when another process holds the lock
 * @returns {Promise<T>}
 */
export async function withLock(path, work, onWait = () => {}) {
  await mkdir(dirname(path), { recursive: true });
  let waited = false;
  for (;;) {
    const file = await open(path, 'wx').catch((error) => {
      if (error.code === 'EEXIST') return null;
      throw error;
    });
    if (file) {
      await file.writeFile(JSON.stringify({ pid: process.pid, host: hostname() }));
      await file.close();
      break;
    }
    if (await isStale(path)) {
      await rm(path, { force: true });
      continue;
    }
    if (!waited) onWait();
    waited = true;
    await sleep(200);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, heartbeatSeconds * 1000);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    await rm(path, { force: true });
  }
}

async function isStale(/** @type {string} */ path) {
  const [info, owner] = [await stat(path).catch(() => null), await readJson(path)];
  if (!info) return false;
  if (Date.now() - info.mtimeMs > staleSeconds * 1000) return true;
  if (owner?.host !== hostname()) return false;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH';
  }
}

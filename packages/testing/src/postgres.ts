/** A PostgreSQL server of this machine, for tests: found, and started in a folder of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './free-port';
import { findProgram } from './programs';

/** What to say of tests that are skipped for want of a server. */
export const noPostgres =
  'no PostgreSQL: apt-get install -y --no-install-recommends postgresql, or set CROSSGATE_POSTGRES to its program postgres';

/** Where Debian puts the server, in a folder of its version. */
const debian = '/usr/lib/postgresql';

/**
 * Finds the program: the one that CROSSGATE_POSTGRES names, else `postgres` on the path or where Debian puts it.
 * @returns an absolute path; null when there is none
 * @throws Error when CROSSGATE_POSTGRES names what is no program: whoever sets it wants no test to be skipped
 */
export function findPostgres(env?: Readonly<Record<string, string | undefined>>): string | null {
  let versions: string[] = [];
  try {
    versions = readdirSync(debian);
  } catch {
    // Not Debian, or not installed.
  }
  const folders = versions.map((version) => join(debian, version, 'bin'));
  return findProgram({ variable: 'CROSSGATE_POSTGRES', names: ['postgres'], folders }, env);
}

/** A server on a free port of this machine. */
export interface PostgresServer {
  /** Its address, with a user but without the password. */
  readonly url: string;
  readonly password: string;
  /** Ends it at once. */
  kill(): Promise<void>;
}

/**
 * Starts a server with the empty database `postgres`; kill it.
 * @param folder absolute path of an existing folder for its files
 * @throws Error when it does not answer within 30 seconds
 */
export async function startPostgres(folder: string): Promise<PostgresServer> {
  const program = findPostgres();
  if (program === null) throw new Error(noPostgres);
  const password = 'not-for-logs';
  const data = join(folder, 'cluster');
  mkdirSync(data);
  const secret = join(folder, 'password');
  writeFileSync(secret, password);
  // PostgreSQL refuses to run as root: 65534 is nobody.
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? { uid: 65534, gid: 65534 } : {};
  if (isRoot) for (const path of [folder, data, secret]) chownSync(path, 65534, 65534);
  // Neither a connection nor a language of whoever starts the tests.
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  const options = { ...owner, env, cwd: folder };
  // The program may be a link, and the others lie beside the real one.
  const initdb = join(dirname(realpathSync(program)), 'initdb');
  const how = ['--username=shopkeeper', '--auth=scram-sha-256', `--pwfile=${secret}`, '--no-sync', '--encoding=UTF8'];
  await promisify(execFile)(initdb, [...how, `--pgdata=${data}`], options);
  const port = await freePort();
  const settings = ['fsync=off', 'listen_addresses=127.0.0.1', 'unix_socket_directories=', `port=${port}`];
  const child = spawn(program, ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (text) => {
    said += text;
  });
  for (const end = Date.now() + 30_000; !said.includes('ready to accept connections'); await pause(50)) {
    if (Date.now() < end && child.exitCode === null) continue;
    await endOf(child);
    throw new Error(`PostgreSQL does not answer on port ${port}: ${said}`);
  }
  return { url: `postgres://shopkeeper@127.0.0.1:${port}/postgres`, password, kill: () => endOf(child) };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  // At once, but with the processes that it started.
  child.kill('SIGQUIT');
  await ended;
}

/** A lock file, so that two processes never write one folder. A lock left by a dead process is taken over. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, open, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { CrossgateError, InputError } from '@crossgate/core';
import { temporaryName, withPath } from './atomic';

/** A lock that this process holds. */
export interface Lock {
  /**
   * Checks that the lock is still this process's, before something of the run is replaced.
   * @throws Error when the file was deleted or another process has taken it
   */
  check(): Promise<void>;
  /** Gives the lock back. A lock that is another process's by now stays. */
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process as the kernel counts it, or null: guards against a process id that was used again. */
  readonly started: string | null;
}

/** State and start time (clock ticks since boot) of a process on Linux; null where they cannot be read. */
function processStat(pid: number): { state: string; started: string } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces: count from its end.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, started: fields[19]! };
  } catch {
    return null;
  }
}

const startTime = (pid: number): string | null => processStat(pid)?.started ?? null;

function isAlive(holder: Holder): boolean {
  // A process of another machine cannot be seen from here: believe the lock.
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const stat = processStat(holder.pid);
  // A zombie has ended and writes nothing; its parent just has not asked for its exit code.
  if (stat?.state === 'Z' || stat?.state === 'X') return false;
  return holder.started === null || stat === null || holder.started === stat.started;
}

/** Whether the holder stays alive: a process that was just killed takes a moment to go. */
async function staysAlive(holder: Holder): Promise<boolean> {
  // No waiting tells more about another machine.
  const attempts = holder.host === hostname() ? 8 : 1;
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, 250));
    if (!isAlive(holder)) return false;
  }
  return true;
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder>;
    if (typeof value.pid !== 'number' || typeof value.host !== 'string') return undefined;
    return { pid: value.pid, host: value.host, started: value.started ?? null };
  } catch {
    return undefined;
  }
}

function heldBy(path: string, { pid, host }: Holder, folder: string): InputError {
  const others = folder === 'run' ? 'choose another --run, ' : '';
  return new InputError(`process ${pid} on ${host} is writing this ${folder}`, {
    code: 'file.locked',
    place: path,
    fix: `wait for it, ${others}or delete the lock if that process is gone`,
  });
}

/**
 * Looks at a lock without taking it.
 * @param path the lock file; it need not exist
 * @throws InputError when a living process holds it
 */
export async function checkUnlocked(path: string): Promise<void> {
  const holder = parseHolder(await readFile(path, 'utf8').catch(() => ''));
  if (holder !== undefined && (await staysAlive(holder))) throw heldBy(path, holder, 'run');
}

/** The text of a lock; null when there is none, which is another thing than an empty one. */
async function readLock(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw withPath(error, path);
  }
}

/** Makes the lock file with its text in one go, so that nobody sees it empty. Returns false when there is one. */
async function create(path: string, text: string): Promise<boolean> {
  const temporary = temporaryName(path);
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    await link(temporary, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // File systems without hard links: the text follows the file at once.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EOPNOTSUPP') {
      throw withPath(error, path);
    }
    const handle = await open(path, 'wx').catch((failure: NodeJS.ErrnoException) => {
      if (failure.code === 'EEXIST') return undefined;
      throw failure;
    });
    await handle?.writeFile(text).finally(() => handle.close());
    return handle !== undefined;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Milliseconds between two looks at a lock that another process is taking over. */
const PAUSE = 20;

/**
 * Removes a dead lock. Only who holds the guard beside it may, and looks at it once more: a living lock cannot come in the
 * place of the dead one before that is gone, so none is ever removed.
 * @param found the text of the dead lock
 * @param text of this process's own lock, which says whose the guard is
 */
async function removeDead(path: string, found: string, text: string): Promise<void> {
  const guard = `${path}.takeover`;
  if (await create(guard, text)) {
    try {
      if ((await readLock(path)) === found) await rm(path, { force: true });
    } finally {
      await rm(guard, { force: true });
    }
    return;
  }
  // It is held for a moment, unless its process was killed in that moment.
  const holder = parseHolder((await readLock(guard)) ?? '');
  if (holder !== undefined && !isAlive(holder)) await rm(guard, { force: true });
  else await new Promise((resolve) => setTimeout(resolve, PAUSE));
}

/**
 * Takes the lock.
 * @param path the lock file; its folder exists
 * @param folder what messages call the folder that is locked
 * @throws InputError when a living process holds it
 */
export async function acquireLock(path: string, folder = 'run'): Promise<Lock> {
  const own: Holder = { pid: process.pid, host: hostname(), started: startTime(process.pid) };
  // Something of its own for every lock: a process may take one twice in its life.
  const text = JSON.stringify({ ...own, token: randomUUID() });
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await create(path, text)) {
      return {
        async check() {
          let now = '';
          try {
            now = await readFile(path, 'utf8');
          } catch (error) {
            // A network that fails for a moment says nothing about the lock.
            if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return;
          }
          if (now === text) return;
          const holder = parseHolder(now);
          const what = holder === undefined ? 'was deleted' : `was taken by process ${holder.pid} on ${holder.host}`;
          throw new CrossgateError(`${what} while this process was writing the ${folder}; nothing more is written`, {
            code: 'file.locked',
            place: path,
          });
        },
        async release() {
          if ((await readLock(path)) === text) await rm(path, { force: true });
        },
      };
    }
    let found = await readLock(path);
    if (found === '') {
      // Made by a process that writes it this very moment, or was killed before it could.
      await new Promise((resolve) => setTimeout(resolve, 500));
      found = await readLock(path);
    }
    // Given back or taken over since: it is free, or another's.
    if (found === null) continue;
    const holder = parseHolder(found);
    if (holder !== undefined && (await staysAlive(holder))) throw heldBy(path, holder, folder);
    await removeDead(path, found, text);
  }
  throw new InputError('the lock cannot be taken', {
    code: 'file.locked',
    place: path,
    fix: `delete it if no other process uses the ${folder}`,
  });
}

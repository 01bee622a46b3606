/** A lock file, so that two processes never write one run folder. A lock left by a dead process is taken over. */
import { readFileSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { InputError } from '../errors';
import { temporaryName } from '../files';

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
  for (let attempt = 0; attempt < 8; attempt++) {
    if (!isAlive(holder)) return false;
    await new Promise((resolve) => setTimeout(resolve, 250));
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

function heldBy(path: string, { pid, host }: Holder): InputError {
  return new InputError(
    `${path}: process ${pid} on ${host} is writing this run; wait for it, choose another --run, or delete the lock if that process is gone`,
  );
}

/**
 * Looks at a lock without taking it.
 * @param path the lock file; it need not exist
 * @throws InputError when a living process holds it
 */
export async function checkUnlocked(path: string): Promise<void> {
  const holder = parseHolder(await readFile(path, 'utf8').catch(() => ''));
  if (holder !== undefined && (await staysAlive(holder))) throw heldBy(path, holder);
}

/**
 * Takes the lock.
 * @param path the lock file; its folder exists
 * @returns a function that gives the lock back
 * @throws InputError when a living process holds it
 */
export async function acquireLock(path: string): Promise<() => Promise<void>> {
  const own: Holder = { pid: process.pid, host: hostname(), started: startTime(process.pid) };
  const text = JSON.stringify(own);
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      const handle = await open(path, 'wx');
      await handle.writeFile(text).finally(() => handle.close());
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const found = await readFile(path, 'utf8').catch(() => '');
    const holder = parseHolder(found);
    if (holder !== undefined && (await staysAlive(holder))) throw heldBy(path, holder);
    // Renaming is atomic: of several processes that find the same dead lock, one moves it away.
    const aside = temporaryName(path);
    const moved = await rename(path, aside).then(
      () => true,
      () => false,
    );
    if (moved) await rm(aside, { force: true });
  }
  throw new InputError(`${path}: the lock cannot be taken; delete it if no other process uses the run`);
}

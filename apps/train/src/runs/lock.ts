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

/** Start time of a process in clock ticks since boot (Linux), or null where that cannot be read. */
function startTime(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces: count from its end.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive(holder: Holder): boolean {
  // A process of another machine cannot be seen from here: believe the lock.
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return holder.started === null || holder.started === startTime(holder.pid);
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
    if (holder !== undefined && isAlive(holder)) {
      throw new InputError(
        `${path}: process ${holder.pid} on ${holder.host} is writing this run; wait for it, choose another --run, or delete the lock if that process is gone`,
      );
    }
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

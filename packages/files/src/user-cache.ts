/** Where what can be fetched again is kept for a user. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Environment } from './proxy';

/** Whose folders are asked for. */
export interface UserPlace {
  /** Variables of the environment. */
  readonly env: Environment;
  /** The absolute path that a relative folder in a variable is resolved against. */
  readonly cwd: string;
}

/**
 * Our folder for what can be fetched again: CROSSGATE_CACHE, else `crossgate` in the user's cache folder. It may not exist.
 */
export function userCache({ env, cwd }: UserPlace, platform: string = process.platform): string {
  const home = env.HOME?.trim() || homedir();
  const base =
    platform === 'win32' && env.LOCALAPPDATA
      ? env.LOCALAPPDATA
      : join(home, ...(platform === 'darwin' ? ['Library', 'Caches'] : ['.cache']));
  return resolve(cwd, env.CROSSGATE_CACHE || join(env.XDG_CACHE_HOME || base, 'crossgate'));
}

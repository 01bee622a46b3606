/** Where what can be fetched again is kept for a user. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Environment } from './proxy';

/** What decides where things lie. */
export interface CachePlace {
  /** Variables of the environment. */
  readonly env: Environment;
  /** The absolute path that a relative folder in a variable is resolved against. */
  readonly cwd: string;
}

/** The user's home. */
export function homeOf(env: Environment): string {
  return env.HOME?.trim() || homedir();
}

/**
 * Our folder for what can be fetched again: CROSSGATE_CACHE, else `crossgate` in the user's cache folder. It may not exist.
 */
export function userCache({ env, cwd }: CachePlace, platform: string = process.platform): string {
  const home = homeOf(env);
  const base =
    platform === 'win32' && env.LOCALAPPDATA
      ? env.LOCALAPPDATA
      : join(home, ...(platform === 'darwin' ? ['Library', 'Caches'] : ['.cache']));
  return resolve(cwd, env.CROSSGATE_CACHE || join(env.XDG_CACHE_HOME || base, 'crossgate'));
}

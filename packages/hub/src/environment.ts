/** What the environment says to Hugging Face's programs, and so to us: folders, the login, whether to ask the Hub. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { type CachePlace, type Environment, homeOf } from '@crossgate/files';

/** A token and where it comes from, in words. */
export interface Login {
  readonly token: string;
  /** As `HF_TOKEN`, or `the login in PATH`. */
  readonly from: string;
}

/** A variable that is set to more than blanks. */
function setting(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/** Reads a variable as Hugging Face's programs read flags. */
const isTrue = (env: Environment, name: string) => /^(1|on|yes|true)$/i.test(setting(env, name) ?? '');

/** A folder as it is written in a variable: with `~` and `$NAME`, which no shell may have replaced. */
function expand(path: string, env: Environment): string {
  return path
    .replace(/^~(?=$|[/\\])/, () => homeOf(env))
    .replace(/\$(\w+)|\$\{(\w+)\}/g, (whole, plain, braced) => env[plain ?? braced] ?? whole);
}

/** The folder of Hugging Face's own programs: `HF_HOME`, else `huggingface` in the user's cache. */
function huggingFaceHome({ env, cwd }: CachePlace): string {
  const cache = setting(env, 'XDG_CACHE_HOME') ?? join(homeOf(env), '.cache');
  return resolve(cwd, expand(setting(env, 'HF_HOME') ?? join(cache, 'huggingface'), env));
}

/** The folder of a repository in the cache of Hugging Face's own programs, which `HF_HUB_CACHE` and `HF_HOME` move. */
export function huggingFaceFolder(repository: string, place: CachePlace): string {
  const { env, cwd } = place;
  // The second is the name that older versions had.
  const named = setting(env, 'HF_HUB_CACHE') ?? setting(env, 'HUGGINGFACE_HUB_CACHE');
  const cache = named === undefined ? join(huggingFaceHome(place), 'hub') : resolve(cwd, expand(named, env));
  return join(cache, `models--${repository.replace('/', '--')}`);
}

/** The variable that says not to ask the Hub; undefined where none does. */
export function offlineBy(env: Environment): string | undefined {
  return ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((name) => isTrue(env, name));
}

/** The file that `hf auth login` writes the token to. */
export function tokenPath(place: CachePlace): string {
  const named = setting(place.env, 'HF_TOKEN_PATH');
  return named === undefined ? join(huggingFaceHome(place), 'token') : resolve(place.cwd, expand(named, place.env));
}

/**
 * The user's token: `HF_TOKEN`, else `HUGGING_FACE_HUB_TOKEN`, else what `hf auth login` stored; none with
 * `HF_HUB_DISABLE_IMPLICIT_TOKEN`. Mirrors have tokens of their own forms, so any will do.
 * @throws InputError for a stored one that cannot be read, and for one that no request can carry
 */
export function loginOf(place: CachePlace): Login | undefined {
  const { env } = place;
  if (isTrue(env, 'HF_HUB_DISABLE_IMPLICIT_TOKEN')) return undefined;
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = setting(env, name);
    if (token !== undefined) return checked(token, name);
  }
  const path = tokenPath(place);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new InputError(`the token in it cannot be read (${code})`, {
      code: 'hub.address',
      place: path,
      fix: 'correct it, or set HF_TOKEN',
    });
  }
  return text.trim() === '' ? undefined : checked(text.trim(), `the login in ${path}`);
}

function checked(token: string, from: string): Login {
  if (/^[\x21-\x7e]+$/.test(token)) return { token, from };
  throw new InputError(`${from}: has a blank or a sign that no token has`, {
    code: 'hub.address',
    fix: 'copy it again',
  });
}

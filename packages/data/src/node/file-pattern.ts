/** Names with `*`, `?` and `**`, as shells expand them. Node only. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';

/** Whether a name stands for several files. */
export function isPattern(name: string): boolean {
  return /[*?]/.test(name);
}

function expressionOf(part: string): RegExp {
  const escaped = part.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'su');
}

/**
 * The files that a pattern stands for, in the order of the code units of their names: `*` is any part of a name, `?` one
 * character, and a part `**` any folders. Names that begin with a point are left out unless the pattern names the point.
 *
 * @param directory that the pattern begins in.
 * @param pattern with `/` between its parts.
 * @returns paths from the directory, with `/`.
 */
export async function filesLike(directory: string, pattern: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string, [part, ...rest]: readonly string[]): Promise<void> => {
    if (part === undefined) return;
    if (part === '**') await walk(folder, rest);
    else if (!isPattern(part) && rest.length > 0) return walk(`${folder}${part}/`, rest);
    const expression = expressionOf(part === '**' ? '*' : part);
    const entries = await readdir(join(directory, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (!expression.test(entry.name) || (entry.name.startsWith('.') && !part.startsWith('.'))) continue;
      const path = `${folder}${entry.name}`;
      if (part === '**') {
        if (entry.isDirectory()) await walk(`${path}/`, [part, ...rest]);
      } else if (rest.length > 0) {
        if (!entry.isFile()) await walk(`${path}/`, rest);
      } else if (!entry.isDirectory()) found.push(path);
    }
  };
  await walk('', pattern.split('/'));
  return [...new Set(found)].sort();
}

/** A pattern in a path: the folder that it begins in, and the rest. */
export function splitPattern(path: string): { directory: string; pattern: string } {
  const parts = path.split(/[/\\]/);
  const first = parts.findIndex(isPattern);
  return {
    directory: parts.slice(0, first).join('/') || (first > 0 ? '/' : '.'),
    pattern: parts.slice(first).join('/'),
  };
}

/** What is said of a pattern that no file is like. */
export const noFileLike = (place: string) =>
  new InputError('no file has such a name', {
    code: 'data.not-found',
    place,
    fix: '* stands for a part of a name, ** for folders; check the pattern and the folder',
  });

/**
 * The files that a path stands for: itself, or those like the pattern in it, in the order of their names. A file whose own
 * name looks like a pattern is itself.
 *
 * @param path also one that is not there, where it is no pattern.
 * @throws InputError naming a pattern that no file is like.
 */
export async function filesOf(path: string): Promise<string[]> {
  if (!isPattern(path) || (await kindOf(path)) !== 'absent') return [path];
  const { directory, pattern } = splitPattern(path);
  const names = await filesLike(directory, pattern);
  if (names.length === 0) throw noFileLike(path);
  return names.map((name) => join(directory, name));
}

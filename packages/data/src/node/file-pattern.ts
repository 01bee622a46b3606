/** Names with `*`, `?` and `**`, as shells expand them. Node only. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

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

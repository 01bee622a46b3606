/** What a command reads is never what it writes. */
import { realpath, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { InputError } from '@crossgate/core';

/** What a command writes besides `--out FILE`: a part that is not finished, and ids beside vectors. */
const besides = ['', '.part', '.ids.csv'];

const statOf = (path: string) => stat(path, { bigint: true }).catch(() => null);

/**
 * Refuses an output that is there already and is one of the inputs, by whatever name or link, or lies in a folder that is
 * one.
 *
 * @param out the output as the user gave it
 * @param inputs paths; what is not there is no input
 * @throws InputError naming `--out`
 */
export async function refuseOverwriting(out: string, inputs: readonly string[], cwd: string): Promise<void> {
  for (const written of besides.map((ending) => resolve(cwd, `${out}${ending}`))) {
    const target = await statOf(written);
    if (target === null || target.isDirectory()) continue;
    const real = await realpath(written);
    for (const input of inputs) {
      const path = resolve(cwd, input);
      const found = await statOf(path);
      if (found === null) continue;
      const isSame = found.isDirectory()
        ? real.startsWith(`${await realpath(path)}${sep}`)
        : found.ino === target.ino && found.dev === target.dev;
      if (!isSame) continue;
      throw new InputError(
        found.isDirectory()
          ? `${written} is there already, in ${input}, which the command reads`
          : `${written} is what the command reads (${input})`,
        { code: 'file.exists', place: '--out', fix: 'name another file' },
      );
    }
  }
}

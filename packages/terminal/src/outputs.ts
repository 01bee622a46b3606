/** What a command reads is never what it writes. */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve, sep } from 'node:path';
import { InputError } from '@crossgate/core';

/** What a command writes besides `--out FILE`: a part that is not finished, and ids beside vectors. */
const besides = ['', '.part', '.ids.csv'];

/** What a command writes into the folder `--out`: shards and their manifests. */
const inside = /^shard-\d+-of-\d+\./;

const statOf = (path: string) => stat(path, { bigint: true }).catch(() => null);

/**
 * Refuses an output that is there already and is one of the inputs, by whatever name or link, or lies in a folder that is
 * one; also a folder of shards where an input lies under the name of a shard.
 *
 * @param out the output as the user gave it
 * @param inputs paths; what is not there is no input
 * @throws InputError naming `--out`
 */
export async function refuseOverwriting(out: string, inputs: readonly string[], cwd: string): Promise<void> {
  for (const written of besides.map((ending) => resolve(cwd, `${out}${ending}`))) {
    const target = await statOf(written);
    if (target === null) continue;
    const real = await realpath(written);
    for (const input of inputs) {
      const path = resolve(cwd, input);
      const found = await statOf(path);
      if (found === null) continue;
      if (target.isDirectory()) {
        if (!inside.test(basename(path)) || (await realpath(dirname(path))) !== real) continue;
        throw new InputError(`${input}, which the command reads, lies there under the name of a shard`, {
          code: 'file.exists',
          place: '--out',
          fix: 'name another folder',
        });
      }
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

// Brings a program that tests use to a machine that has none: from the package of its distribution, where this is root
// and apt-get is there. Whatever goes wrong is said, and nothing fails: without the program those tests are skipped.
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execute } from '../../packages/setup/src/system.mjs';

/**
 * @typedef {object} DebianProgram
 * @property {string} label what messages call it
 * @property {readonly string[]} names of the program, the first that is found counts
 * @property {string} variable of the environment that names another
 * @property {string} package of Debian
 * @property {() => Promise<readonly string[]>} [folders] where the package puts it, if not on the path
 */

/** Milliseconds: a machine without a network must not keep the tests waiting. */
const [updateLimit, installLimit] = [180_000, 420_000];

/** The first of these programs on the path. @returns {Promise<string | undefined>} */
async function onPath(/** @type {readonly string[]} */ names, path = process.env.PATH ?? '') {
  for (const name of names) {
    for (const folder of path.split(delimiter).filter(Boolean)) {
      const program = join(folder, name);
      if (
        await access(program, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return program;
    }
  }
  return undefined;
}

/**
 * Makes sure of a program where that is possible.
 * @param {DebianProgram} wanted
 * @param {{ env?: NodeJS.ProcessEnv, root?: boolean, run?: typeof execute }} [machine] the real one by default
 * @returns {Promise<{ program: string } | { reason: string }>} where it is, or why the tests will be skipped
 */
export async function ensureProgram(
  { label, names, variable, package: name, folders = async () => [] },
  { env = process.env, root = process.getuid?.() === 0, run = execute } = {},
) {
  const named = env[variable];
  if (named) return { program: named };
  const find = async () => onPath(names, [env.PATH ?? '', ...(await folders())].join(delimiter));
  const found = await find();
  if (found) return { program: found };
  const apt = await onPath(['apt-get'], env.PATH);
  if (!apt) return { reason: `no ${label}, and no apt-get to install it with` };
  if (!root) return { reason: `no ${label}, and only root can install it` };
  const options = { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } };
  const steps = /** @type {[args: string[], timeout: number][]} */ ([
    [['-q', 'update'], updateLimit],
    [['-q', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=60', 'install', name], installLimit],
  ]);
  for (const [args, timeout] of steps) {
    const { code, signal, stdout, stderr } = await run(apt, args, { ...options, timeout });
    if (code === 0) continue;
    const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim());
    const word = lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1) ?? 'no output';
    const step = args.includes('update') ? 'update' : `install ${name}`;
    return { reason: `no ${label}: apt-get ${step} ended with ${signal ?? code}: ${word.trim()}` };
  }
  const installed = await find();
  return installed
    ? { program: installed }
    : { reason: `apt-get installed ${name}, but no such program is on the path` };
}

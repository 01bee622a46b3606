// The command line of the set-up: `npm run setup -- [--force WAY] [--refresh] [--json]`.
import { parseArgs } from 'node:util';
import { kinds, NoGpuError, resolveGpu } from '../../packages/setup/src/resolve.mjs';
import { say } from '../../packages/setup/src/system.mjs';

const usage = `Usage: npm run setup -- [options]

Finds a GPU for Dawn, or makes a software one. The choice is kept for this user.

Options:
  --force WAY  use this way alone and keep it: ${kinds.join(', ')}
  --refresh    forget the earlier choice (also a forced one) and choose again
  --json       print the result as JSON on standard output
  --help       show this text

Examples:
  npm run setup
  npm run setup -- --force swiftshader
  npm run -s setup -- --refresh --json
`;

/**
 * What the arguments ask for.
 * @param {string[]} args
 * @returns {{ force: import('../../packages/setup/src/resolve.mjs').Kind | undefined, refresh: boolean, json: boolean,
 *   help: boolean }}
 * @throws {Error} that names what is wrong
 */
export function parseArguments(args) {
  const { values } = parseArgs({
    args,
    options: {
      force: { type: 'string' },
      refresh: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const force = kinds.find((known) => known === values.force);
  if (values.force !== undefined && !force) {
    throw new Error(`--force takes one of ${kinds.join(', ')}, not '${values.force}'`);
  }
  return { ...values, force };
}

/** Runs the command; returns its exit code: 0 found, 2 wrong usage, 3 no usable GPU. */
export async function setupCommand(/** @type {string[]} */ args) {
  let options;
  try {
    options = parseArguments(args);
  } catch (error) {
    // The first sentence of Node's says what is wrong, the others how to write other programs' options.
    say(`${/** @type {Error} */ (error).message.split(/\.\s/)[0]}; see npm run setup -- --help`);
    return 2;
  }
  const { force, refresh, json, help } = options;
  if (help) {
    process.stdout.write(usage);
    return 0;
  }
  try {
    const { gpu, fresh } = await resolveGpu({ force, refresh });
    if (!fresh) say(`${gpu.kind}: using ${gpu.label}: ${gpu.adapter}${gpu.forced ? ' (forced)' : ''}`);
    if (json) {
      const { machine: _, ...shown } = gpu;
      process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof NoGpuError)) throw error;
    say(error.message);
    return 3;
  }
}

// The command line of the set-up: `npm run setup -- [--force WAY] [--refresh] [--json]`.
import { kinds, NoGpuError, resolveGpu } from './resolve.mjs';
import { say } from './system.mjs';

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
 * @param {string[]} args
 * @returns {{ force?: import('./resolve.mjs').Kind, refresh: boolean, json: boolean, help: boolean, wrong?: string }}
 */
export function parseArguments(args) {
  /** @type {ReturnType<typeof parseArguments>} */
  const options = { refresh: false, json: false, help: false };
  for (let index = 0; index < args.length; index++) {
    const [name, inline] = (args[index] ?? '').split('=', 2);
    if (name === '--refresh') options.refresh = true;
    else if (name === '--json') options.json = true;
    else if (name === '--help' || name === '-h') options.help = true;
    else if (name === '--force') {
      const value = inline ?? args[++index] ?? '';
      const kind = kinds.find((known) => known === value);
      if (!kind) return { ...options, wrong: `--force takes one of ${kinds.join(', ')}, not '${value}'` };
      options.force = kind;
    } else return { ...options, wrong: `unknown option '${args[index]}'` };
  }
  return options;
}

/** Runs the command; returns its exit code: 0 found, 2 wrong usage, 3 no usable GPU. */
export async function setupCommand(/** @type {string[]} */ args) {
  const { force, refresh, json, help, wrong } = parseArguments(args);
  if (wrong) {
    say(`${wrong}; see npm run setup -- --help`);
    return 2;
  }
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

/** `--profile` of commands that compute: where time and memory go, as files. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { InterruptedError } from '@crossgate/core';
import { processPeak } from '@crossgate/experiment';
import { makeFolders, writeAtomic } from '@crossgate/files';
import type { Profiler } from '@crossgate/gpu';
import type { CommandContext, Handler } from '@crossgate/terminal';
import { type Command, InvalidArgumentError } from 'commander';

/** The options. */
export interface ProfileChoice {
  /** Folder; true: the default. */
  readonly profile?: string | true;
  readonly profileSteps?: number;
}

/** What a profiled command measures with. */
export interface CommandProfile {
  readonly profiler: Profiler;
  /** The default folder; a command that has a better one says so. */
  folder: string;
}

/** The context of a command that may be profiled: `sessionOf` hands the profiler on. */
export interface ProfiledContext extends CommandContext {
  readonly profile?: CommandProfile;
}

const HELP =
  '\n--profile writes profile.json (open it in https://ui.perfetto.dev or chrome://tracing), profile.txt with tables of time' +
  '\nby kernel, time of the host and memory by purpose, and summary.json. Of each stage, the first steps are measured,' +
  '\nwhich are then slower; the rest of the command is not.';

/** Adds `--profile` and `--profile-steps`. @param where the default folder, in words */
export function addProfileOptions(command: Command, where = 'profile'): Command {
  return command
    .option('--profile [dir]', `write where time and memory go, into this folder (default: ${where})`)
    .option(
      '--profile-steps <n>',
      'with --profile: steps of each stage that are kept, behind 5 to warm up where there are more (default: 20)',
      parseSteps,
    )
    .addHelpText('after', HELP);
}

function parseSteps(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= 1000) return value;
  throw new InvalidArgumentError('It must be a whole number from 1 to 1000.');
}

/**
 * Lets a command be profiled. The files are written when it is done, and when the user ends it; bad input and failures
 * leave none.
 */
export function withProfile<Options extends ProfileChoice>(
  handler: (context: ProfiledContext, options: Options, args: string[]) => Promise<void>,
): Handler<Options> {
  return async (context, options, args) => {
    if (options.profile === undefined) return handler(context, options, args);
    // Loaded here, so that commands start without it.
    const { Profiler } = await import('@crossgate/gpu');
    const profile: CommandProfile = {
      profiler: new Profiler({ steps: options.profileSteps ?? 20 }),
      folder: 'profile',
    };
    const folder = () => resolve(context.io.cwd, options.profile === true ? profile.folder : options.profile!);
    try {
      await handler({ ...context, profile }, options, args);
    } catch (error) {
      // A run that was given up has no folder any more, and gets none by this.
      const isAsked = error instanceof InterruptedError && (options.profile !== true || existsSync(dirname(folder())));
      if (isAsked) await write(context, profile.profiler, folder());
      throw error;
    }
    await write(context, profile.profiler, folder());
  };
}

async function write({ log }: CommandContext, profiler: Profiler, folder: string): Promise<void> {
  const { profileFiles } = await import('@crossgate/gpu');
  await makeFolders(folder, 'choose another --profile');
  for (const [name, text] of profileFiles(profiler, processPeak())) await writeAtomic(join(folder, name), text);
  log.info(`profile: ${join(folder, 'profile.txt')}; open profile.json beside it in https://ui.perfetto.dev`);
}

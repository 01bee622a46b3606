/** The session of a command: what the command line says about where things lie, which GPU, and how work is shown. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Collective } from '@crossgate/collective';
import { InputError, InterruptedError } from '@crossgate/core';
import { openSession, type Session, type Surroundings } from '@crossgate/experiment';
import { askYesNo, type Io } from '@crossgate/terminal';
import type { ProfiledContext } from './profile';

/** Where a command looks for data and models. */
export function surroundingsOf({ cwd, env }: Pick<Io, 'cwd' | 'env'>): Surroundings {
  return { cwd, env, program: dirname(fileURLToPath(import.meta.url)) };
}

/**
 * Starts the session of a command; the command closes it.
 * @param yes `--yes`: work that costs money needs no answer. Undefined: the command has no such option
 * @param collective the ranks of the job; default this process alone
 */
export function sessionOf(
  { io, options, log, progress, profile }: ProfiledContext,
  yes?: boolean,
  collective?: Collective,
): Session {
  const confirm = async (estimate: string) => {
    if (yes === true) return log.info(estimate);
    const answer = await askYesNo(io, `${estimate}. Go on?`);
    if (answer === null) {
      const fix = yes === undefined ? 'this command makes no such calls' : 'add --yes to agree';
      throw new InputError(estimate, { code: 'api.unconfirmed', fix });
    }
    if (!answer) throw new InterruptedError('nothing was sent');
  };
  const profiler = profile?.profiler;
  const { signal } = io;
  const { adapter } = options;
  return openSession({ ...surroundingsOf(io), adapter, log, progress, signal, confirm, profiler, collective });
}

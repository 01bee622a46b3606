/** The session of a command: what the command line says about where things lie, which GPU, and how work is shown. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSession, type Session, type Surroundings } from '@crossgate/experiment';
import type { CommandContext, Io } from '@crossgate/terminal';

/** Where a command looks for data and models. */
export function surroundingsOf({ cwd, env }: Pick<Io, 'cwd' | 'env'>): Surroundings {
  return { cwd, env, program: dirname(fileURLToPath(import.meta.url)) };
}

/** Starts the session of a command; the command closes it. */
export function sessionOf({ io, options, log, progress }: CommandContext): Session {
  return openSession({ ...surroundingsOf(io), adapter: options.adapter, log, progress, signal: io.signal });
}

/** Connects a program to its process: signals, closed pipes, the exit code. */
import { ExitCode } from './exit-codes';
import type { Io } from './io';
import { listenForStop } from './stop-signals';

/**
 * Runs a program as this process. Does not return.
 * @param load gives what runs the arguments; called once the handlers are set, so that an early Ctrl-C is answered like
 *   a late one
 * @param announces whether this process says that it stops; false for all but one of several that a terminal shows
 */
export async function startProcess(
  load: () => Promise<(argv: readonly string[], io: Io) => Promise<number>>,
  announces = true,
): Promise<never> {
  const interrupt = new AbortController();
  const stop = () => {
    interrupt.abort();
    if (announces) process.stderr.write('\nstopping (once more to stop at once)\n');
  };
  listenForStop(process, stop, () => process.exit(ExitCode.interrupted));
  // A reader such as `head` that has seen enough is not an error; a full disk is.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(ExitCode.done);
    const words = error.code === 'ENOSPC' ? 'no space left on the device; free some and run again' : error.message;
    process.stderr.write(`error: standard output: ${words}\n`, () => process.exit(ExitCode.failed));
  });
  // Nobody can be told when standard error itself is closed.
  process.stderr.on('error', () => {});

  const run = await load();
  const code = await run(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    stderrIsTerminal: process.stderr.isTTY === true,
    env: process.env,
    cwd: process.cwd(),
    signal: interrupt.signal,
  });
  // A GPU driver's threads must not keep a finished command alive; what is written is flushed first.
  return new Promise(() => process.stdout.write('', () => process.stderr.write('', () => process.exit(code))));
}

#!/usr/bin/env node
/** The `crossgate` program: connects the command line to the process. */
import { ExitCode } from './errors';

const interrupt = new AbortController();
let signals = 0;
const onSignal = () => {
  signals++;
  if (signals > 1) process.exit(ExitCode.interrupted);
  interrupt.abort();
  process.stderr.write('\nstopping (once more to stop at once)\n');
};
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// A reader such as `head` that has seen enough is not an error; a full disk is.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.done);
  const words = error.code === 'ENOSPC' ? 'no space left on the device; free some and run again' : error.message;
  process.stderr.write(`error: standard output: ${words}\n`, () => process.exit(ExitCode.failed));
});
// Nobody can be told when standard error itself is closed.
process.stderr.on('error', () => {});

// Loaded after the handlers are set, so that an early Ctrl-C is answered like a late one.
const { main } = await import('./cli');
const code = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  stderrIsTerminal: process.stderr.isTTY === true,
  env: process.env,
  cwd: process.cwd(),
  signal: interrupt.signal,
});
// A GPU driver's threads must not keep a finished command alive; what is written is flushed first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));

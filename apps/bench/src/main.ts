#!/usr/bin/env node
/** The `crossgate-bench` program: connects the command line to the process. */
import { ExitCode } from './errors';

const interrupt = new AbortController();
const onSignal = () => {
  if (interrupt.signal.aborted) process.exit(ExitCode.interrupted);
  interrupt.abort();
  process.stderr.write('\nstopping (once more to stop at once)\n');
};
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);
// A reader such as `head` that has seen enough is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? ExitCode.done : ExitCode.failed);
});

const { main } = await import('./cli');
const code = await main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stderrIsTerminal: process.stderr.isTTY === true,
  signal: interrupt.signal,
});
// A GPU driver's threads must not keep a finished command alive; what is written is flushed first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));

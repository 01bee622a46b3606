#!/usr/bin/env node
/** The `crossgate` program: connects the command line to the process. */
import { main } from './cli';
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

// A reader such as `head` that has seen enough is not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(ExitCode.done);
    throw error;
  });
}

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

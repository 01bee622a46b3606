/** Everything a command touches outside its arguments, so that tests can run commands in-process. */
import type { Readable, Writable } from 'node:stream';

/** The streams, environment and stop signal of one command run. */
export interface Io {
  /** Standard input. A file that the user names `/dev/stdin` is opened by that path, not through this stream. */
  readonly stdin: Readable;
  /** Standard output: the result of a command and nothing else. */
  readonly stdout: Writable;
  /** Standard error: log, progress and errors. */
  readonly stderr: Writable;
  /** Whether standard error is a terminal: bars are drawn only there. */
  readonly stderrIsTerminal: boolean;
  /** Environment variables by name; undefined where one is not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path that relative paths of the user are resolved against. */
  readonly cwd: string;
  /** Aborted when the user interrupts the command. */
  readonly signal: AbortSignal;
}

/** Writes text and waits while the reader is slower than we are. A reader that has gone away is not an error here. */
export function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.write(text)) {
      resolve();
      return;
    }
    const finish = () => {
      stream.off('drain', finish);
      stream.off('close', finish);
      stream.off('error', finish);
      resolve();
    };
    stream.on('drain', finish);
    stream.on('close', finish);
    stream.on('error', finish);
  });
}

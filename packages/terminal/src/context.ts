/** What every command gets: the outside world, the global options, the log, and one way to print its result. */
import { type Log, type Progress, terminalJson, terminalText } from '@crossgate/core';
import { type Io, write } from './io';
import { createLogger } from './log';
import { createProgress } from './progress';

/** Options that every command takes. */
export interface GlobalOptions {
  /** Print the result as one JSON document on standard output. Default false. */
  readonly json?: boolean;
  /** Log warnings only, and show no progress. Default false. */
  readonly quiet?: boolean;
  /** Log details too, and print the stack of an error. Default false. */
  readonly verbose?: boolean;
  /** `software`, `hardware`, a part of an adapter's name, or its number. */
  readonly adapter?: string;
  /** Whole number from 0 to 2³² − 1; absent where `--seed` is not given. */
  readonly seed?: number;
}

/** One run of one command. */
export interface CommandContext {
  /** The streams, environment and stop signal that the command was started with. */
  readonly io: Io;
  /** The global options as they were given. */
  readonly options: GlobalOptions;
  /** Writes lines on standard error, by `quiet` and `verbose`. */
  readonly log: Log;
  /** Shows progress on standard error: a bar on a terminal, a line now and then elsewhere, nothing with `quiet`. */
  readonly progress: Progress;
  /** Prints the result on standard output: one JSON document with `--json`, else the text; neither with control characters. */
  emit(value: unknown, text: () => string): Promise<void>;
}

/**
 * Builds the context of a command run.
 * @param onEmit called when the result has been printed
 */
export function createContext(io: Io, options: GlobalOptions, onEmit: () => void = () => {}): CommandContext {
  const log = createLogger(io.stderr, options);
  const progress = createProgress(io.stderr, { terminal: io.stderrIsTerminal, quiet: options.quiet ?? false });
  return {
    io,
    options,
    log,
    progress,
    async emit(value, text) {
      const output = options.json ? terminalJson(value, 2) : terminalText(text());
      await write(io.stdout, output.endsWith('\n') ? output : `${output}\n`);
      onEmit();
    },
  };
}

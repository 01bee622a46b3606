/** What every command gets: the outside world, the global options, the log, and one way to print its result. */
import type { Log, Progress } from '@crossgate/core';
import { type Io, write } from './io';
import { createLogger } from './log';
import { createProgress } from './progress';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** `software`, `hardware` or a part of an adapter's name. */
  readonly adapter?: string;
  readonly seed?: number;
}

/** One run of one command. */
export interface CommandContext {
  readonly io: Io;
  readonly options: GlobalOptions;
  readonly log: Log;
  readonly progress: Progress;
  /** Prints the result on standard output: one JSON document with `--json`, else the text. */
  emit(value: unknown, text: () => string): Promise<void>;
}

/** Builds the context of a command run. */
export function createContext(io: Io, options: GlobalOptions): CommandContext {
  const log = createLogger(io.stderr, options);
  const progress = createProgress(io.stderr, { terminal: io.stderrIsTerminal, quiet: options.quiet ?? false });
  return {
    io,
    options,
    log,
    progress,
    async emit(value, text) {
      const output = options.json ? JSON.stringify(value, null, 2) : text();
      await write(io.stdout, output.endsWith('\n') ? output : `${output}\n`);
    },
  };
}

/** What a command touches outside its arguments, so that tests can run it in-process. */
import type { Writable } from 'node:stream';

export interface Io {
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Whether standard error is a terminal: a line that is overwritten is drawn only there. */
  readonly stderrIsTerminal: boolean;
  /** Aborted when the user interrupts the command. */
  readonly signal: AbortSignal;
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** `software`, `hardware` or a part of an adapter's name. */
  readonly adapter?: string;
  readonly seed?: number;
}

/** Shows how far the work is: one line that is overwritten on a terminal, a plain line per step elsewhere. */
export function createProgress(io: Io, quiet: boolean): { show(text: string): void; end(): void } {
  let shown = false;
  return {
    show(text) {
      if (quiet) return;
      io.stderr.write(io.stderrIsTerminal ? `\r\x1b[2K${text}` : `${text}\n`);
      shown = true;
    },
    end() {
      if (shown && io.stderrIsTerminal) io.stderr.write('\r\x1b[2K');
      shown = false;
    },
  };
}

/** What a command file is given to add its commands. */
import type { Command } from 'commander';
import type { CommandContext } from './context';

/** What a command does. `options` holds the command's own options and the global ones. */
export type Handler<Options> = (context: CommandContext, options: Options, args: string[]) => Promise<void>;

/** Lets a command file add its commands. */
export interface Host {
  /**
   * Adds a command below `parent`. Examples are shown by --help. An option whose value is called `<dir>`, `<path>` or
   * `<file>` is never empty.
   */
  add(parent: Command, usage: string, summary: string, examples?: readonly string[]): Command;
  /** Sets what the command does. Before it does anything, an `--out` that is one of its inputs is refused. */
  handle<Options>(command: Command, handler: Handler<Options>): Command;
}

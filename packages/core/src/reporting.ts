/** How long work tells what it does: a log, and progress with a known number of units. Programs bring the real ones. */

/** A log with levels. Fields are facts that stand beside the message. */
export interface Log {
  /** Reports a detail that is shown only when the user asks for more (`--verbose`). */
  debug(message: string): void;
  /** Reports what the work does or found. */
  info(message: string): void;
  /** Reports it with facts beside the message, such as `{ rows: 12 }`. */
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  /** Reports what the user should know or change. The work goes on. */
  warn(message: string): void;
}

/** One piece of work with a known number of units. */
export interface ProgressTask {
  /** Reports that `done` units are finished; `note` is a short addition such as the current loss. */
  update(done: number, note?: string): void;
  /** Ends the task and removes the bar. Safe to call twice. */
  finish(): void;
}

/** Starts tasks; one is shown at a time. */
export interface Progress {
  /**
   * Starts a task; end it with `finish`.
   *
   * @param label what the work is called.
   * @param total units of the whole task, those done before included.
   * @param unit name of the units, in the plural. The programs show `rows` where none is given.
   * @param from units that were done before, e.g. by the run that is resumed: the rate does not count them. Default 0.
   */
  start(label: string, total: number, unit?: string, from?: number): ProgressTask;
}

/** A log that says nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {} };

/** Progress that shows nothing. */
export const silentProgress: Progress = { start: () => ({ update() {}, finish() {} }) };

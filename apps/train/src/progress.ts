/** Progress of long work: a bar with rate and remaining time on a terminal, a plain line now and then elsewhere. */
import type { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';

/** One piece of work with a known number of units. */
export interface ProgressTask {
  /** Reports that `done` units are finished; `note` is a short addition such as the current loss. */
  update(done: number, note?: string): void;
  /** Ends the task and removes the bar. Safe to call twice. */
  finish(): void;
}

/** Starts tasks; one is shown at a time. */
export interface Progress {
  /** @param from units that were done before, e.g. by the run that is resumed: the rate does not count them. */
  start(label: string, total: number, unit?: string, from?: number): ProgressTask;
}

/** A task faster than this is not shown at all. */
const QUIET_MS = 2_000;
/** Time between two plain lines where there is no terminal. */
const LINE_MS = 15_000;

/** Formats a duration in seconds as `1h02m`, `3m05s` or `12s`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`;
  if (minutes > 0) return `${minutes}m${String(rest).padStart(2, '0')}s`;
  return `${rest}s`;
}

/** The figures of a task at one moment: share done, rate since `from` units were done, and expected remaining time. */
function figures(done: number, from: number, total: number, unit: string, elapsedMs: number): string {
  const rate = (done - from) / Math.max(elapsedMs / 1000, 1e-9);
  const remaining = rate > 0 ? (total - done) / rate : Number.POSITIVE_INFINITY;
  return `${done}/${total} ${unit}, ${rate.toPrecision(3)} ${unit}/s, ${formatDuration(remaining)} left`;
}

/** Progress on a stream. `clock` returns milliseconds and is replaced in tests. */
export function createProgress(
  stream: Writable,
  options: { terminal: boolean; quiet?: boolean; clock?: () => number },
): Progress {
  const clock = options.clock ?? Date.now;
  return {
    start(label, total, unit = 'rows', from = 0) {
      const started = clock();
      let bar: SingleBar | undefined;
      let lastLine = started;
      let finished = false;
      return {
        update(done, note = '') {
          if (finished || options.quiet) return;
          const now = clock();
          if (now - started < QUIET_MS) return;
          const text = figures(done, from, total, unit, now - started);
          if (options.terminal) {
            if (bar === undefined) {
              bar = new SingleBar({
                stream: stream as NodeJS.WritableStream,
                format: `${label} [{bar}] {percentage}% {text} {note}`,
                clearOnComplete: true,
                hideCursor: true,
                fps: 5,
                gracefulExit: false,
              });
              bar.start(total, done, { text, note });
            } else bar.update(done, { text, note });
          } else if (now - lastLine >= LINE_MS || lastLine === started) {
            lastLine = now;
            stream.write(`${label}: ${text}${note === '' ? '' : `, ${note}`}\n`);
          }
        },
        finish() {
          finished = true;
          bar?.stop();
          bar = undefined;
        },
      };
    },
  };
}

/** Progress that shows nothing. */
export const silentProgress: Progress = { start: () => ({ update() {}, finish() {} }) };

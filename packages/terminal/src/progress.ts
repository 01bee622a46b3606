/** Progress of long work: a bar with rate and remaining time on a terminal, a plain line now and then elsewhere. */
import type { Writable } from 'node:stream';
import { formatDuration, type Progress, terminalLine } from '@crossgate/core';
import { SingleBar } from 'cli-progress';

/** A task faster than this is not shown at all. */
const QUIET_MS = 2_000;
/** Time between two plain lines where there is no terminal. */
const LINE_MS = 15_000;

/** The figures of a task at one moment: share done, rate since `from` units were done, and expected remaining time. */
function figures(done: number, from: number, total: number, unit: string, elapsedMs: number): string {
  const rate = (done - from) / Math.max(elapsedMs / 1000, 1e-9);
  const remaining = rate > 0 ? (total - done) / rate : Number.POSITIVE_INFINITY;
  return `${done}/${total} ${unit}, ${rate.toPrecision(3)} ${unit}/s, ${formatDuration(remaining)} left`;
}

/**
 * Progress on a stream. A task is shown once it has taken 2 s: as a bar on a terminal, else as a line every 15 s, each
 * with units done, rate and remaining time.
 */
export function createProgress(
  stream: Writable,
  options: {
    /** Whether the stream is a terminal, where a bar can be drawn. */
    terminal: boolean;
    /** Shows nothing. Default false. */
    quiet?: boolean;
    /** The time in milliseconds; tests give their own. Default `Date.now`. */
    clock?: () => number;
  },
): Progress {
  const clock = options.clock ?? Date.now;
  return {
    start(name, total, unit = 'rows', from = 0) {
      const label = terminalLine(name);
      const started = clock();
      let bar: SingleBar | undefined;
      let lastLine = started;
      let finished = false;
      return {
        update(done, words = '') {
          if (finished || options.quiet) return;
          const now = clock();
          if (now - started < QUIET_MS) return;
          const note = terminalLine(words);
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

/** Time on the wall clock and on the processor. */
import type { TimedAnswer } from './protocol';

/** Starts both clocks. @returns what they show since */
export function startTimer(): () => TimedAnswer {
  const start = performance.now();
  const usage = process.cpuUsage();
  return () => {
    const ms = performance.now() - start;
    const { user, system } = process.cpuUsage(usage);
    return { ms, processor: (user + system) / 1000 };
  };
}

/** The most memory that a run took. */
import type { z } from 'zod';
import type { peakMemory } from './stored-result';

/** Most bytes at any time: allocated on the GPU (null without one), and resident in the process. */
export type PeakMemory = Readonly<z.output<typeof peakMemory>>;

/** Greatest resident memory of this process so far, in bytes. */
export const processPeak = (): number => 1024 * process.resourceUsage().maxRSS;

/** The greater of both, part by part. */
export function greaterPeak(a: PeakMemory, b: PeakMemory | undefined): PeakMemory {
  if (b === undefined) return a;
  const device = a.device === null && b.device === null ? null : Math.max(a.device ?? 0, b.device ?? 0);
  return { device, process: Math.max(a.process, b.process) };
}

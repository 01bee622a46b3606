/** The device memory of one run, on a device that other things lie on too. */
import type { MemoryReport } from '@crossgate/gpu';

/**
 * A report without what was there before, such as a language model that the session keeps for another run.
 * @param before the persistent bytes by purpose when the run began
 */
export function memoryBeside(
  { persistent, step, total }: MemoryReport,
  before: MemoryReport['persistent'],
): MemoryReport {
  const own = Object.entries(persistent)
    .map(([purpose, bytes]) => [purpose, bytes - (before[purpose] ?? 0)] as const)
    .filter(([, bytes]) => bytes > 0);
  const held = Object.values(before).reduce((sum, bytes) => sum + bytes, 0);
  return { persistent: Object.fromEntries(own), step, total: total - held };
}

/** The device memory of one run, on a device that other things lie on too. */
import type { MemoryReport } from '@crossgate/gpu';

/**
 * A report without what was there before, such as a language model that the session keeps for another run.
 * @param before the persistent bytes by purpose when the run began
 */
export function memoryBeside(
  { persistent, step, total, peak }: MemoryReport,
  before: MemoryReport['persistent'],
): MemoryReport {
  const own = (purposes: MemoryReport['persistent']) =>
    Object.fromEntries(
      Object.entries(purposes)
        .map(([purpose, bytes]) => [purpose, bytes - (before[purpose] ?? 0)] as const)
        .filter(([, bytes]) => bytes > 0),
    );
  const held = Object.values(before).reduce((sum, bytes) => sum + bytes, 0);
  return {
    ...{ persistent: own(persistent), step, total: total - held },
    peak: { total: peak.total - held, purposes: own(peak.purposes) },
  };
}

/** What a user should know of a device before it works. */
import type { Device } from '../device';

/**
 * What is special about a device: that it is slow, that nothing tells its free memory, that it lacks what Dawn was asked
 * for. A line each, without a period; empty for what is as it should be.
 */
export function deviceRemarks({ capabilities, memory }: Pick<Device, 'capabilities' | 'memory'>): string[] {
  const { name, vendor, software, f16 } = capabilities;
  if (software) return [`using ${name}, a software adapter: a program on the CPU, slow`];
  const remarks: string[] = [];
  if (!Number.isFinite(memory.budget)) {
    remarks.push(
      `the free memory of ${name} is not known here: what does not fit fails when it is asked for; ` +
        'CROSSGATE_MEMORY_BUDGET=8GiB would set a limit that is checked before',
    );
  }
  // Dawn hides f16 on NVIDIA unless it is told otherwise, and with it the matrix units; we tell it.
  if (vendor === 'nvidia' && !f16) {
    remarks.push(`${name} offers no f16, which Dawn was asked to show: its driver may be too old for the matrix units`);
  }
  return remarks;
}

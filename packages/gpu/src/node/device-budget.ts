/**
 * How much memory a model may take before it is worth to begin: the device's budget, or what a software adapter's host
 * has.
 */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import type { Device } from '../device';

/**
 * What is known of the memory of this machine and of this process. Texts as Linux has them under /proc; empty
 * elsewhere.
 */
export interface HostMemory {
  /** /proc/meminfo */
  readonly meminfo: string;
  /** /proc/self/limits */
  readonly limits: string;
  /** /proc/self/status */
  readonly status: string;
  /** Bytes that a container leaves to its processes; 0 or more than `total` without such a limit. */
  readonly constrained: number;
  /** Bytes of the machine. */
  readonly total: number;
}

/** The rest is left to what loads beside weights: shaders, step memory, the program. */
const SHARE = 7 / 8;

const kilobytes = (text: string, name: string): number | undefined => {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text);
  return match ? 1024 * Number(match[1]) : undefined;
};

/** Bytes that a process may still take: of memory and swap, of its container, of its address space (`ulimit -v`). */
export function availableBytes({ meminfo, limits, status, constrained, total }: HostMemory): number {
  const free = kilobytes(meminfo, 'MemAvailable');
  const bounds = [free === undefined ? total : free + (kilobytes(meminfo, 'SwapFree') ?? 0)];
  if (constrained > 0 && constrained < total) bounds.push(constrained - (kilobytes(status, 'VmRSS') ?? 0));
  const addresses = /^Max address space\s+(\d+)/m.exec(limits);
  if (addresses) bounds.push(Number(addresses[1]) - (kilobytes(status, 'VmSize') ?? 0));
  return Math.max(0, Math.min(...bounds));
}

function readHost(): HostMemory {
  const read = (path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return ''; // Not Linux.
    }
  };
  const [meminfo, limits, status] = [read('/proc/meminfo'), read('/proc/self/limits'), read('/proc/self/status')];
  return { meminfo, limits, status, constrained: process.constrainedMemory?.() ?? 0, total: totalmem() };
}

/** What a model may take. */
export interface DeviceBudget {
  /** Bytes; infinite where nothing limits it. */
  readonly bytes: number;
  /** The same for a message, such as `2.0 GiB that this process can have`, after the size. */
  readonly origin: string;
}

/**
 * The budget of a device: the one that was set, or that `openDevice` found free on the card; else, where the device is a
 * program on the CPU, a share of the memory that the process can have now, beside what the device has taken already;
 * else no limit, for nothing says what the card has.
 * @param host replaced in tests
 */
export function deviceBudget(
  { memory, capabilities }: Pick<Device, 'memory' | 'capabilities'>,
  host: () => HostMemory = readHost,
): DeviceBudget {
  if (Number.isFinite(memory.budget) || !capabilities.software) return { bytes: memory.budget, origin: '' };
  // What the device holds already is no longer free, but its own.
  const bytes = Math.floor(SHARE * availableBytes(host())) + memory.report().total;
  return { bytes, origin: ' that this machine has for it' };
}

/** The machine and adapter that figures belong to. */
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { Capabilities } from '@crossgate/gpu';

export interface Machine {
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
}

export interface Adapter {
  readonly name: string;
  readonly vendor: string;
  readonly driver: string;
  readonly type: 'hardware' | 'software';
}

export function describeMachine(): Machine {
  return {
    system: `${type()} ${release()} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.versions.node,
  };
}

export function describeAdapter({ name, vendor, driver, software }: Capabilities): Adapter {
  return { name, vendor, driver, type: software ? 'software' : 'hardware' };
}

/** `crossgate doctor`: which GPUs are there, and which one would be used and why. */

import { totalmem } from 'node:os';
import { NoAdapterError } from '@crossgate/core';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';

export function registerDoctor(program: Command, host: Host): void {
  const command = host.add(
    program,
    'doctor',
    'List the GPUs and their features, and say which one would be used and why',
    ['doctor', 'doctor --adapter software --json'],
  );
  host.handle(command, async (context) => {
    // Loaded here, so that commands without a GPU start without loading what drives it.
    const { chooseAdapter, findAdapter, freeDeviceMemory, listAdapters, preferenceOf } = await import(
      '@crossgate/gpu/node'
    );
    // That there is none, or that it cannot be used, is a finding like others.
    const unusable = (error: unknown) => {
      if (error instanceof NoAdapterError) return error;
      throw error;
    };
    const preference = preferenceOf(context.options.adapter, context.io.env.CROSSGATE_ADAPTER);
    const failure = await findAdapter(preference).then(() => undefined, unusable);
    const listed = await listAdapters().catch(unusable);
    const found = listed instanceof NoAdapterError ? [] : listed;
    const { chosen, reason } = chooseAdapter(found, preference);
    const adapters = await Promise.all(
      found.map(async ({ capabilities, ...adapter }) => ({
        ...adapter,
        memory: {
          freeBytes: adapter.type === 'hardware' ? await freeDeviceMemory(adapter) : null,
          maxBufferBytes: capabilities.limits.maxBufferSize,
          maxBindingBytes: capabilities.limits.maxStorageBufferBindingSize,
        },
      })),
    );
    const report = {
      adapters,
      chosen: failure ? null : (chosen?.name ?? null),
      reason: failure?.message ?? reason,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      hostMemoryBytes: totalmem(),
    };
    await context.emit(report, () => describe(report));
    if (failure) throw failure;
  });
}

interface Report {
  readonly adapters: readonly {
    readonly name: string;
    readonly vendor: string;
    readonly driver: string;
    readonly type: string;
    readonly features: readonly string[];
    readonly subgroupSize: readonly [number, number];
    readonly matrix: readonly { component: string; result: string; m: number; n: number; k: number }[];
    readonly memory: {
      /** What buffers may take; null where nothing tells, and of software, which has the machine's. */
      readonly freeBytes: number | null;
      readonly maxBufferBytes: number;
      readonly maxBindingBytes: number;
    };
  }[];
  readonly chosen: string | null;
  readonly reason: string;
  readonly node: string;
  readonly platform: string;
  readonly hostMemoryBytes: number;
}

const mebibytes = (bytes: number) => `${Math.floor(bytes / 2 ** 20)} MiB`;

function memoryOf({ type, memory: { freeBytes } }: Report['adapters'][number]): string {
  if (type === 'software') return "the machine's";
  return freeBytes === null ? 'not known: CROSSGATE_MEMORY_BUDGET sets a limit' : `${mebibytes(freeBytes)} to be had`;
}

function describe(report: Report): string {
  const lines = [`node ${report.node}, ${report.platform}, ${mebibytes(report.hostMemoryBytes)} of memory`];
  for (const [number, adapter] of report.adapters.entries()) {
    const matrix = adapter.matrix.map(({ m, n, k, component, result }) => `${m}x${n}x${k} ${component}->${result}`);
    lines.push(
      '',
      `${number} ${adapter.name} (${adapter.type}, ${adapter.vendor})`,
      `  driver    ${adapter.driver}`,
      `  subgroups ${adapter.subgroupSize.join(' to ')}`,
      `  matrix    ${matrix.join(', ') || 'none'}`,
      `  memory    ${memoryOf(adapter)}`,
      `  buffers   up to ${mebibytes(adapter.memory.maxBufferBytes)}, bound up to ${mebibytes(adapter.memory.maxBindingBytes)}`,
      `  features  ${adapter.features.join(', ')}`,
    );
  }
  lines.push('', `chosen: ${report.chosen ?? 'none'} (${report.reason})`);
  return lines.join('\n');
}

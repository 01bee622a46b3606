/** `crossgate setup`: a GPU driver for this machine, or a software one in the user's cache. */

import { InputError, NoAdapterError } from '@crossgate/core';
import { type Kind, kinds, NoGpuError, resolveGpu } from '@crossgate/setup';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';

export function registerSetup(program: Command, host: Host): void {
  const command = host
    .add(program, 'setup', 'Find a GPU, or fetch a software driver into your cache; later commands use it', [
      'setup',
      'setup --force swiftshader',
      'setup --refresh --json',
    ])
    .option('--force <way>', `use this way alone and keep it: ${kinds.join(', ')}`)
    .option('--refresh', 'forget the earlier choice, also a forced one, and choose again');
  host.handle<{ force?: string; refresh?: boolean }>(command, async (context, { force, refresh }) => {
    const kind = force === undefined ? undefined : kindOf(force);
    const outcome = await resolveGpu({ force: kind, refresh: refresh ?? false, command: 'crossgate setup' }).catch(
      (error: unknown) => {
        if (error instanceof NoGpuError) throw new NoAdapterError(error.message, { cause: error });
        throw error;
      },
    );
    const { machine: _, ...gpu } = outcome.gpu;
    await context.emit(gpu, () => `${gpu.kind}: ${gpu.label}: ${gpu.adapter}${gpu.forced ? ' (forced)' : ''}`);
  });
}

function kindOf(word: string): Kind {
  const kind = kinds.find((known) => known === word);
  if (kind !== undefined) return kind;
  throw new InputError(`there is no way of setting up called '${word}'`, {
    code: 'usage',
    place: '--force',
    fix: `name one of ${kinds.join(', ')}`,
  });
}

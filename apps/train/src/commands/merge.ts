/** `crossgate merge`: the shards of a folder as one file. */
import { resolve } from 'node:path';
import { mergeShards } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';

export function registerMerge(program: Command, host: Host): void {
  const command = host
    .add(program, 'merge <dir>', 'Join the shards of predict or recommend --all-users to one file', [
      'merge scores --out scores.csv',
      'merge lists --out lists.parquet',
    ])
    .requiredOption('--out <file>', 'file to write, in the format of the shards')
    .addHelpText(
      'after',
      '\nThe file is the same as without shards. Shards that are missing, twice there, damaged or of another command are' +
        '\nnamed, and then nothing is written.',
    );
  host.handle<{ readonly out: string }>(command, async (context, { out }, [folder]) => {
    const { io, log, progress } = context;
    const parts = { log, progress, signal: io.signal };
    const { counts, ...merged } = await mergeShards(parts, resolve(io.cwd, folder!), resolve(io.cwd, out));
    await context.emit(
      { ...merged, ...counts, out },
      () => `${merged.shards} shards, ${counts.rows} rows in all: ${out}`,
    );
  });
}

/** What the commands that make shards share. */
import { resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import {
  LIST_FORMATS,
  type ListFormat,
  MOST_SHARDS,
  type Session,
  type Shard,
  writeShard,
} from '@crossgate/experiment';
import { type CommandContext, wholeNumber } from '@crossgate/terminal';
import { type Command, Option } from 'commander';
import { shardOf } from '../shard-of';
import { type BulkQuestions, openQuestions } from './bulk-questions';

/** Options of a command that can make one shard. */
export interface ShardChoice {
  readonly shard?: string;
  readonly shards?: number;
  readonly format?: ListFormat;
}

/** A number of shards. */
export const parseShards = wholeNumber(1, MOST_SHARDS);

/** `--format` of commands that make shards. */
export const formatOption = () =>
  new Option('--format <name>', 'format of shards (default: csv)').choices(LIST_FORMATS);

/** Adds `--shard`, `--shards` and `--format`. */
export function addShardOptions(command: Command): Command {
  return command
    .option('--shard <i/n>', 'make part I of N, from 0, in the folder --out; auto: as Kubernetes or Slurm say')
    .option('--shards <n>', 'with --shard auto: number of shards; also CROSSGATE_SHARDS', parseShards)
    .addOption(formatOption());
}

/** Help on shards. */
export const SHARD_HELP =
  '\n\nWith --shard, --out is a folder: each shard is a file with a manifest beside it, and crossgate merge joins them. A' +
  '\nshard that is finished is left as it is. auto reads JOB_COMPLETION_INDEX with --shards, or SLURM_ARRAY_TASK_ID with' +
  '\nSLURM_ARRAY_TASK_MIN and _COUNT; with --shards, the id of the Slurm task is the shard.';

/** The shard that was asked for; null for the whole. @throws InputError as `shardOf`, and for what goes with shards alone */
export function chosenShard({ shard, shards, format }: ShardChoice, env: CommandContext['io']['env']): Shard | null {
  if (shard !== undefined) return shardOf(shard, shards, env);
  const alone = shards !== undefined ? '--shards' : format !== undefined ? '--format' : undefined;
  if (alone === undefined) return null;
  throw new InputError('goes with --shard alone', { code: 'usage', place: alone, fix: 'leave it out' });
}

/** Makes one shard, and says what it is. */
export async function makeShard(
  context: CommandContext,
  session: Session,
  run: string,
  shard: Shard,
  options: BulkQuestions & { readonly out: string; readonly format?: ListFormat },
): Promise<void> {
  const { out, format = 'csv' } = options;
  const bulk = await openQuestions(context, session, run, options);
  try {
    const { manifest, already } = await writeShard(session, bulk, shard, {
      folder: resolve(context.io.cwd, out),
      format,
    });
    const { method, counts, file } = manifest;
    const result = { run, method, shard: shard.index, shards: shard.count, ...counts, out: `${out}/${file}`, already };
    await context.emit(result, () => {
      const words = already ? 'was finished already, and nothing was changed' : `${counts.rows} rows`;
      return `shard ${shard.index}/${shard.count}: ${words}: ${out}/${file}`;
    });
  } finally {
    await bulk.close();
  }
}

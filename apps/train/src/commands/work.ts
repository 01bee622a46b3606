/** `crossgate work`: makes the shards that a work queue of NATS hands out, or fills that queue. */
import { resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { enqueueShards, type ListFormat, workShards } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import { collect, wholeNumber } from '@crossgate/terminal';
import type { Command } from 'commander';
import { sessionOf } from '../session';
import { type ListQuestions, openQuestions, PAIRS } from './bulk-questions';
import { keepInputsOfRun } from './keep-inputs';
import { repeatsOption, WHERE } from './list-options';
import { NEWER, parseCount, SAFE_CSV, SET_FOR_RUN, YES } from './options';
import { formatOption, parseShards } from './shards';

interface WorkCommandOptions extends ListQuestions {
  readonly pairs?: readonly string[];
  readonly nats?: string;
  readonly allUsers?: boolean;
  readonly out: string;
  readonly format?: ListFormat;
  readonly enqueue?: number;
  readonly lease: number;
  readonly attempts: number;
  readonly yes?: boolean;
}

export function registerWork(program: Command, host: Host): void {
  const command = host
    .add(program, 'work <run>', 'Make shards that a NATS JetStream work queue hands out, or fill the queue', [
      'work runs/ccf-1 --nats nats://queue:4222 --pairs pairs.csv --out scores --enqueue 200',
      'work runs/ccf-1 --nats nats://queue:4222 --pairs pairs.csv --out scores',
      'work runs/mf-1 --nats nats://queue:4222 --all-users --out lists --format parquet',
    ])
    .option('--nats <url>', 'address of the server, nats:// or tls://; also NATS_URL')
    .option(PAIRS, 'score the pairs of these files, as predict does')
    .option('--all-users', 'make a list for every user, as recommend does')
    .requiredOption('--out <dir>', 'folder of the shards, the same for all workers')
    .addOption(formatOption())
    .option(...SAFE_CSV)
    .option('--enqueue <n>', 'fill the queue with the shards of N that are not finished, and end', parseShards)
    .option(
      '--lease <s>',
      'with --enqueue: seconds without a heartbeat until another worker has a shard; a queue that has more keeps them',
      wholeNumber(1, 86_400),
      30,
    )
    .option('--attempts <n>', 'how often a shard is begun before it is given up', wholeNumber(1, 1000), 5)
    .option('--top <k>', 'with --all-users: how many items', parseCount, 10)
    .option(
      '--candidates <file>',
      'with --all-users: items to choose from, a CSV with the column item, or one id per line',
    )
    .option(
      '--rerank <n>',
      'with --all-users: how many items CF hands to the language model (default: 200)',
      parseCount,
    )
    .option(WHERE[0], `with --all-users: ${WHERE[1]}`, collect)
    .addOption(repeatsOption('with --all-users: '))
    .option(...NEWER.events)
    .option(...NEWER.items)
    .option(...SET_FOR_RUN, collect)
    .option(...YES)
    .addHelpText(
      'after',
      '\nWorkers and --enqueue are started with the same run, pairs and options: these name the queue. A worker ends when the' +
        '\nqueue is empty, with exit code 0 if every shard is finished; crossgate merge joins them. A shard counts as finished' +
        '\nby its manifest. Killed workers and a restarted server lose nothing: a shard comes back after --lease seconds.' +
        '\nNATS_USER and NATS_PASSWORD, NATS_TOKEN, NATS_CREDS (a file) and NATS_CA (a file) are read.',
    );
  host.handle<WorkCommandOptions>(command, async (context, options, [run]) => {
    const { io } = context;
    checkQuestions(options);
    const url = options.nats ?? io.env.NATS_URL;
    if (!url) {
      throw new InputError('name the server of the queue', {
        code: 'usage',
        place: '--nats',
        fix: 'write --nats nats://HOST:PORT, or set NATS_URL',
      });
    }
    const { out, format = 'csv', enqueue, lease, attempts } = options;
    const server = { url, env: io.env };
    const place = { folder: resolve(io.cwd, out), format };
    await keepInputsOfRun(context, out, run!);
    await using session = sessionOf(context, options.yes ?? false);
    const bulk = await openQuestions(context, session, run!, options);
    try {
      if (enqueue !== undefined) {
        const filled = await enqueueShards(server, session, bulk, { ...place, count: enqueue, lease: lease * 1000 });
        const { queued, waiting, finished } = filled;
        return await context.emit(
          { run, method: bulk.method, shards: enqueue, ...filled, out },
          () => `${queued} of ${enqueue} shards queued; ${waiting} were in the queue, ${finished} are finished`,
        );
      }
      const { shards, ...made } = await workShards(server, session, bulk, { ...place, attempts });
      await context.emit(
        { run, method: bulk.method, shards, ...made, out },
        () => `all ${shards} shards are finished, ${made.made} of them by this worker: ${out}`,
      );
    } finally {
      await bulk.close();
    }
  });
}

/** @throws InputError unless pairs or all users are asked for, one of them */
function checkQuestions({ pairs, allUsers = false, ...options }: WorkCommandOptions): void {
  if ((pairs !== undefined) === allUsers)
    throw new InputError('give --pairs or --all-users, one of them', { code: 'usage' });
  if (pairs === undefined) return;
  const other = (['candidates', 'rerank', 'where', 'repeats'] as const).find((name) => options[name] !== undefined);
  if (other === undefined) return;
  throw new InputError('goes with --all-users alone', { code: 'usage', place: `--${other}`, fix: 'leave it out' });
}

/** `crossgate predict`: scores of any pairs of users and items, from file to file. */

import { resolve } from 'node:path';
import { predictPairs } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import type { Command } from 'commander';
import { addProfileOptions, type ProfileChoice, withProfile } from '../profile';
import { sessionOf } from '../session';
import { PAIRS, type PairQuestions, pairsOptions } from './bulk-questions';
import { keepInputsOfRun } from './keep-inputs';
import { NEWER, SAFE_CSV, SET_FOR_RUN, YES } from './options';
import { addShardOptions, chosenShard, makeShard, SHARD_HELP, type ShardChoice } from './shards';

interface PredictOptions extends PairQuestions, ShardChoice, ProfileChoice {
  readonly yes?: boolean;
}

export function registerPredict(program: Command, host: Host): void {
  const command = host
    .add(program, 'predict <run>', 'Score pairs of users and items with a finished run', [
      'predict runs/ccf-1 --pairs pairs.csv --out scores.csv',
      'predict runs/ccf-1 --pairs pairs.csv --out scores.csv --set data.path=data/ml-1m',
      'predict runs/mf-1 --pairs pairs.csv --out scores.csv --events grown.csv',
      'predict runs/ccf-1 --pairs pairs.csv --shard 0/8 --out scores',
      "predict runs/ccf-1 --pairs may.parquet 'june/*.csv' --out scores.csv",
      'predict runs/ccf-1 --pairs pairs.csv --out scores.csv --profile',
    ])
    .requiredOption(
      PAIRS,
      'files of any length with the columns user and item, with the ids of the source: CSV, Parquet, JSON lines; also patterns',
    )
    .requiredOption(
      '--out <path>',
      'file to write: user,item,score in the order of the pairs; .parquet, .jsonl, else CSV',
    )
    .option(...SAFE_CSV)
    .option(...NEWER.events)
    .option(...NEWER.items);
  addShardOptions(command)
    .option(...SET_FOR_RUN, collect)
    .option(...YES)
    .addHelpText(
      'after',
      "\nA pair that is a row of the run's data is scored by what was known before the row, any other by all that is known." +
        '\nWith --events or --items, all pairs are scored by all that is known now, and --json counts what the scores go by.' +
        SHARD_HELP,
    );
  addProfileOptions(command);
  const handler = withProfile<PredictOptions>(async (context, options, [run]) => {
    const shard = chosenShard(options, context.io.env);
    await keepInputsOfRun(context, options.out, run!);
    await using session = sessionOf(context, options.yes ?? false);
    if (shard) return makeShard(context, session, run!, shard, options);
    const out = resolve(context.io.cwd, options.out);
    const counts = await predictPairs(session, run!, { ...(await pairsOptions(context, options)), out });
    await context.emit({ run, ...counts, out: options.out }, () => {
      const { rows, known, warm, basis = {} } = counts;
      if (known !== undefined)
        return `${rows} pairs scored: ${warm} warm, ${rows - warm} cold; ${known} are rows of the data set`;
      const by = Object.entries(basis).map(([name, some]) => `${some} by ${name}`);
      return `${rows} pairs scored: ${by.join(', ')}`;
    });
  });
  host.handle<PredictOptions>(command, handler);
}

/** `crossgate train`: one experiment, all its stages. */

import { formatDuration } from '@crossgate/core';
import { loadConfigWithNotes, runExperiment } from '@crossgate/experiment';
import { metricsTable, rankingTable } from '@crossgate/report';
import { collect, type Host } from '@crossgate/terminal';
import type { Command } from 'commander';
import { sessionOf } from '../session';
import { setOption, YES } from './options';

interface TrainOptions {
  readonly set?: string[];
  readonly run?: string;
  readonly resume?: boolean;
  readonly from?: string;
  readonly strict?: boolean;
  readonly yes?: boolean;
}

export function registerTrain(program: Command, host: Host): void {
  const command = host
    .add(program, 'train <config>', 'Train and score one experiment, with all its stages', [
      'train configs/ml-1m/mean.yaml',
      'train configs/ml-1m/ccf-mf-stories260k.yaml --set training.stage1.rows=2000 --run runs/short',
      'train configs/ml-1m/ccf-mf-stories260k.yaml --run runs/short --resume',
      'train shop.yaml --run runs/may --from runs/april',
    ])
    .option(...setOption('change a key of the config, such as cf.epochs=5'), collect)
    .option('--run <dir>', 'run folder (default: runs/<name>-<seed>, with --set method=M runs/<name>-M-<seed>)')
    .option('--resume', 'continue an unfinished run from its last checkpoint')
    .option('--from <run>', 'continue a finished run on data that have grown: start from what it learned, with its ids')
    .option('--strict', 'refuse keys of the config that its method does not read; the default is to warn')
    .option(...YES);
  host.handle<TrainOptions>(command, async (context, options, [path]) => {
    const { seed } = context.options;
    const { config, warning } = await loadConfigWithNotes(path!, {
      cwd: context.io.cwd,
      set: options.set ?? [],
      strict: options.strict ?? false,
      ...(seed === undefined ? {} : { seed }),
    });
    if (warning !== null) context.log.warn(warning);
    await using session = sessionOf(context, options.yes ?? false);
    const result = await runExperiment(config, session, {
      ...(options.run === undefined ? {} : { run: options.run }),
      resume: options.resume ?? false,
      ...(options.from === undefined ? {} : { from: options.from }),
    });
    await context.emit(
      result,
      () =>
        `${result.name} (${result.method}, information ${result.information}) in ${formatDuration(result.seconds)}: ${result.run}\n${metricsTable(result.metrics)}${result.ranking ? `\n${rankingTable(result.ranking)}` : ''}`,
    );
  });
}

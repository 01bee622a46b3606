/** `crossgate train`: one experiment, all its stages. */

import { join } from 'node:path';
import type { Collective } from '@crossgate/collective';
import { formatDuration } from '@crossgate/core';
import { defaultRunFolder, loadConfigWithNotes, type PeakMemory, runExperiment } from '@crossgate/experiment';
import { metricsTable, rankingTable } from '@crossgate/report';
import { collect, type Host } from '@crossgate/terminal';
import type { Command } from 'commander';
import { addProfileOptions, type ProfileChoice, withProfile } from '../profile';
import { sessionOf } from '../session';
import { setOption, YES } from './options';

interface TrainOptions extends ProfileChoice {
  readonly set?: string[];
  readonly run?: string;
  readonly resume?: boolean;
  readonly from?: string;
  readonly strict?: boolean;
  readonly yes?: boolean;
  readonly allowSharedGpu?: boolean;
}

/** @param collective the ranks of the job that the program runs in; default this process alone */
export function registerTrain(program: Command, host: Host, collective?: Collective): void {
  const command = host
    .add(program, 'train <config>', 'Train and score one experiment, with all its stages', [
      'train configs/ml-1m/mean.yaml',
      'train configs/ml-1m/ccf-mf-stories260k.yaml --set training.stage1.rows=2000 --run runs/short',
      'train configs/ml-1m/ccf-mf-stories260k.yaml --run runs/short --resume',
      'train shop.yaml --run runs/may --from runs/april',
      'train configs/demo/smoke.yaml --run runs/smoke --profile',
    ])
    .option(...setOption('change a key of the config, such as cf.epochs=5'), collect)
    .option('--run <dir>', 'run folder (default: runs/<name>-<seed>, with --set method=M runs/<name>-M-<seed>)')
    .option('--resume', 'continue an unfinished run from its last checkpoint')
    .option('--from <run>', 'continue a finished run on data that have grown: start from what it learned, with its ids')
    .option('--strict', 'refuse keys of the config that its method does not read; the default is to warn')
    .option('--allow-shared-gpu', 'under mpirun or srun: let ranks compute on the same hardware GPU')
    .option(...YES);
  addProfileOptions(command, 'profile in the run folder');
  const handler = withProfile<TrainOptions>(async (context, options, [path]) => {
    const { seed } = context.options;
    const { config, warning } = await loadConfigWithNotes(path!, {
      cwd: context.io.cwd,
      set: options.set ?? [],
      strict: options.strict ?? false,
      ...(seed === undefined ? {} : { seed }),
    });
    if (warning !== null) context.log.warn(warning);
    const run = options.run ?? defaultRunFolder(config);
    if (context.profile) context.profile.folder = join(run, 'profile');
    await using session = sessionOf(context, options.yes ?? false, collective);
    const result = await runExperiment(config, session, {
      run,
      resume: options.resume ?? false,
      sharedGpu: options.allowSharedGpu ?? false,
      ...(options.from === undefined ? {} : { from: options.from }),
    });
    // Loaded here, so that commands start without it.
    const { formatBytes } = await import('@crossgate/gpu');
    await context.emit(result, () => {
      const { name, method, information, seconds, peakMemory } = result;
      const how = `${formatDuration(seconds)}${peakMemory ? `, with at most ${memoryWords(peakMemory, formatBytes)}` : ''}`;
      const lists = result.ranking ? `\n${rankingTable(result.ranking)}` : '';
      const metrics = metricsTable(result.metrics);
      return `${name} (${method}, information ${information}) in ${how}: ${result.run}\n${metrics}${lists}`;
    });
  });
  host.handle<TrainOptions>(command, (context, { profile, ...options }, args) =>
    // The other ranks do the same as rank 0.
    handler(context, { ...options, ...(profile && !collective?.rank && { profile }) }, args),
  );
}

/** The most memory of a run, for people. */
function memoryWords({ device, process: resident }: PeakMemory, formatBytes: (bytes: number) => string): string {
  const onDevice = device === null ? '' : `${formatBytes(device)} on the GPU and `;
  return `${onDevice}${formatBytes(resident)} in the process`;
}

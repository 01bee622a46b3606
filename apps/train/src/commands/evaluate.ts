/** `crossgate evaluate`: metrics of a finished run, computed again from its predictions. */

import { join, resolve } from 'node:path';
import { didYouMean, InputError } from '@crossgate/core';
import type { SplitMetrics } from '@crossgate/eval';
import { evaluatePredictions, readPredictions, readResult, SPLIT_NAMES } from '@crossgate/experiment';
import { kindOf } from '@crossgate/files';
import { metricsTable } from '@crossgate/report';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';

export function registerEvaluate(program: Command, host: Host): void {
  const command = host
    .add(program, 'evaluate <run>', 'Show the metrics of a finished run', [
      'evaluate runs/mean-1',
      'evaluate runs/mean-1 --split test',
    ])
    .option('--split <name>', 'show only this split: train, valid or test');
  host.handle<{ split?: string }>(command, async (context, { split }, [run]) => {
    if (split !== undefined && !(SPLIT_NAMES as readonly string[]).includes(split)) {
      throw new InputError(`unknown split ${split}${didYouMean(split, SPLIT_NAMES)}`, {
        code: 'usage',
        place: '--split',
        fix: `use ${SPLIT_NAMES.join(', ')}`,
      });
    }
    const path = resolve(context.io.cwd, run!);
    const result = await readResult(path);
    const stored = Object.keys(result.metrics);
    if (split !== undefined && !stored.includes(split)) {
      throw new InputError(`has no predictions for split ${split}; it has ${stored.join(', ')}`, {
        code: 'run.no-predictions',
        place: run,
      });
    }
    const metrics: Record<string, SplitMetrics> = {};
    for (const name of split === undefined ? stored : [split]) {
      const file = join(path, 'predictions', `${name}.csv`);
      if ((await kindOf(file)) !== 'file')
        throw new InputError('is missing; the run folder is not whole', { code: 'run.damaged', place: file });
      metrics[name] = evaluatePredictions(await readPredictions(file));
    }
    await context.emit({ run, method: result.method, metrics }, () => metricsTable(metrics));
  });
}

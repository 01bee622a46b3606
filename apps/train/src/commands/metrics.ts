/** `crossgate metrics`: AUC, UAUC and log loss of any scored CSV. */
import { resolve } from 'node:path';
import { evaluatePredictions, readPredictions } from '@crossgate/experiment';
import { metricsTable } from '@crossgate/report';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';

export function registerMetrics(program: Command, host: Host): void {
  const command = host.add(
    program,
    'metrics <file>',
    'Compute the metrics of a CSV with the columns user, label and score (optional: logit to rank by, seen for warm rows)',
    ['metrics scores.csv', 'metrics runs/mean-1/predictions/test.csv --json'],
  );
  host.handle(command, async (context, _options, [file]) => {
    const metrics = evaluatePredictions(await readPredictions(resolve(context.io.cwd, file!)));
    await context.emit(metrics, () => metricsTable({ all: metrics }));
  });
}

/** `crossgate report`: finished runs as one page that shows everything and loads nothing. */

import { resolve } from 'node:path';
import { didYouMean, InputError } from '@crossgate/core';
import { SPLIT_NAMES } from '@crossgate/experiment';
import { kindOf, writeAtomic } from '@crossgate/files';
import { reportPage } from '@crossgate/report';
import { collect, type Host } from '@crossgate/terminal';
import type { Command } from 'commander';
import { sessionOf } from '../session';
import { version } from '../version';
import { keepInputsOfRun } from './keep-inputs';
import { parseCount, SET_FOR_RUN } from './options';

interface ReportOptions {
  readonly out: string;
  readonly split: string;
  readonly user?: string;
  readonly items: number;
  readonly model: boolean;
  readonly set?: readonly string[];
}

export function registerReport(program: Command, host: Host): void {
  const command = host
    .add(program, 'report <runs...>', 'Show finished runs on one page of HTML, to be read without a network', [
      'report runs/mf-1 runs/ccf-mf-stories260k-1 --out report.html',
      'report runs/ccf-1 --out report.html --user 36 --items 500',
      'report runs/ccf-1 --out report.html --set data.path=data/ml-1m --no-model',
    ])
    .requiredOption('--out <file>', 'page to write')
    .option('--split <name>', 'split whose rows are shown: train, valid or test', 'test')
    .option(
      '--user <id>',
      'user of the case study; the default is the first with enough rows of both classes and a history',
    )
    .option('--items <n>', 'most items on a map of embeddings', parseCount, 1000)
    .option('--no-model', 'leave out what needs the language model: the map of items, the gate, the stages')
    .option(...SET_FOR_RUN, collect);
  host.handle<ReportOptions>(command, async (context, options, args) => {
    const { cwd } = context.io;
    const split = SPLIT_NAMES.find((name) => name === options.split);
    if (split === undefined) {
      throw new InputError(`unknown value ${options.split}${didYouMean(options.split, SPLIT_NAMES)}`, {
        ...{ code: 'usage', place: '--split', fix: `use ${SPLIT_NAMES.join(', ')}` },
      });
    }
    // Commander gives a variadic argument as one list.
    const runs = args.flat().map((shown) => {
      if (shown === '') throw new InputError('one is empty', { code: 'usage', place: '<runs>', fix: 'give a path' });
      return { shown, path: resolve(cwd, shown) };
    });
    const out = resolve(cwd, options.out);
    if ((await kindOf(out)) === 'folder')
      throw new InputError(`${out}: is a folder`, { code: 'file.kind', place: '--out', fix: 'name a file' });
    for (const { shown } of runs) await keepInputsOfRun(context, options.out, shown);
    await using session = sessionOf(context);
    const { items, model, user, set = [] } = options;
    const { seed = 1 } = context.options;
    const page = await reportPage(runs, session, { split, items, model, user, set, seed, version });
    await writeAtomic(out, page.html);
    const { parts, missing } = page;
    await context.emit({ out: options.out, runs: runs.map((run) => run.shown), parts, missing }, () => {
      const left = missing.map(({ part, runs: names, reason }) => `  ${[part, ...names].join(', ')}: ${reason}`);
      return [`${options.out}: ${parts.join(', ')}`, ...(left.length > 0 ? ['Not shown:', ...left] : [])].join('\n');
    });
  });
}

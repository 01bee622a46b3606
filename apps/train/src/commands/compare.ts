/** `crossgate compare`: finished runs side by side, with paired tests. */

import { resolve } from 'node:path';
import { didYouMean, InputError } from '@crossgate/core';
import { formatSeeds, renderTable, type SeedSummary, type TableFormat } from '@crossgate/eval';
import {
  type ComparedMethod,
  type Comparison,
  comparedRankingMetrics,
  compareRuns,
  hasPlus,
  plusNote,
  SPLIT_NAMES,
  type SplitName,
} from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';

const FORMATS = ['text', 'markdown', 'latex'] as const satisfies readonly TableFormat[];
type Format = (typeof FORMATS)[number];

function choose<Word extends string>(option: string, word: string, words: readonly Word[]): Word {
  const found = words.find((candidate) => candidate === word);
  if (found !== undefined) return found;
  throw new InputError(`unknown value ${word}${didYouMean(word, words)}`, {
    code: 'usage',
    place: option,
    fix: `use ${words.join(', ')}`,
  });
}

/** Four decimals, no zero before the point where there is none to lose. */
function pValue(value: number | undefined): string {
  if (value === undefined) return '–';
  return value < 1e-4 ? value.toExponential(1) : value.toFixed(4);
}

function seeds(summary: SeedSummary | null): string {
  return summary === null ? '–' : formatSeeds(summary);
}

function methodsTable({ methods }: Comparison, format: Format): string {
  const interval = ({ auc95 }: ComparedMethod) =>
    auc95 === null ? '–' : `${auc95[0].toFixed(4)}–${auc95[1].toFixed(4)}`;
  const right = { align: 'right' } as const;
  const columns = ['method', 'sees', 'seeds', 'AUC', '95 %', 'UAUC', 'log loss', 'warm AUC', 'cold AUC'];
  return renderTable(
    columns.map((header, index) => (index < 2 ? header : { header, ...right })),
    methods.map((method) => [
      method.name,
      method.information,
      method.seeds.length,
      seeds(method.metrics.auc),
      interval(method),
      seeds(method.metrics.uauc),
      seeds(method.metrics.logLoss),
      seeds(method.metrics.warmAuc),
      seeds(method.metrics.coldAuc),
    ]),
    format,
  );
}

function rankingTable({ methods }: Comparison, k: number, format: Format): string {
  const right = { align: 'right' } as const;
  const columns = ['Recall', 'Precision', 'NDCG', 'MRR', 'MAP', 'Hit'].map((title) => `${title}@${k}`);
  columns.push('coverage');
  return renderTable(
    ['method', { header: 'seeds', ...right }, ...columns.map((header) => ({ header, ...right }))],
    methods.map(({ name, seeds: runs, ranking }) => [
      name,
      runs.length,
      ...comparedRankingMetrics.map((metric) => seeds(ranking === null ? null : ranking[metric])),
    ]),
    format,
  );
}

function testsTable({ tests }: Comparison, format: Format): string {
  const right = { align: 'right' } as const;
  const columns = ['a', 'b', 'AUC a − b', '95 %', 'p', 'p (Holm)', 'UAUC a − b', 'users', 'p', 'p (Holm)'];
  const signed = (value: number | null | undefined) =>
    value === null || value === undefined ? '–' : `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
  return renderTable(
    columns.map((header, index) => (index < 2 ? header : { header, ...right })),
    tests.map(({ a, b, auc, uauc }) => [
      a,
      b,
      signed(auc?.difference),
      auc === null ? '–' : `${signed(auc.interval[0])} to ${signed(auc.interval[1])}`,
      pValue(auc?.pValue),
      pValue(auc?.pHolm),
      signed(uauc?.meanDifference),
      uauc?.users ?? null,
      pValue(uauc?.pValue),
      pValue(uauc?.pHolm),
    ]),
    format,
  );
}

function describe(comparison: Comparison, format: Format): string {
  const { dataset, split, rows, users, methods, ranking } = comparison;
  // Where all rows are positives there is nothing to test.
  const tests = comparison.tests.filter(({ auc, uauc }) => auc !== null || uauc !== null);
  const notes =
    tests.length === 0
      ? []
      : [
          'AUC: paired DeLong test. UAUC: Wilcoxon signed ranks over users with both classes. Holm: over the pairs of this table.',
        ];
  if (methods.some((method) => method.seeds.length > 1)) {
    notes.push(
      'Several seeds: mean ± standard deviation; the tests are of the means and leave out the spread between seeds.',
    );
  }
  if (new Set(methods.map((method) => method.information)).size > 1) {
    notes.push('The methods see different labels (T train; H and earlier positives; P and earlier negatives).');
  }
  if (methods.some(({ information }) => hasPlus(information))) notes.push(plusNote);
  if (ranking === 'mixed') notes.push('Lists are not compared: evaluation.ranking is not the same in all runs.');
  else if (ranking !== null) {
    const { users, usersLeftOut = 0, targetsLeftOut = 0 } = ranking;
    const out =
      targetsLeftOut > 0 ? ` (left out as known before: users ${usersLeftOut}, targets ${targetsLeftOut})` : '';
    const against = ranking.negatives === null ? 'all items' : `${ranking.negatives} sampled negatives`;
    notes.push(`Lists: means over ${users} users${out}, against ${against}; runs keep no lists, so there is no test.`);
  }
  const head = `${dataset.name}, split ${split}: ${rows} rows, ${users} users`;
  const comment = (text: string) => (format === 'latex' ? `% ${text.replaceAll('%', '\\%')}` : text);
  const parts = [comment(head), methodsTable(comparison, format)];
  if (ranking !== null && ranking !== 'mixed') parts.push(rankingTable(comparison, ranking.k, format));
  if (tests.length > 0) parts.push(testsTable({ ...comparison, tests }, format));
  if (notes.length > 0) parts.push(notes.map(comment).join('\n'));
  return parts.join('\n\n');
}

export function registerCompare(program: Command, host: Host): void {
  const command = host
    .add(program, 'compare <runs...>', 'Compare finished runs side by side, with paired tests', [
      'compare runs/mean-1 runs/mf-1',
      'compare runs/mf-1 runs/mf-2 runs/mf-3 runs/mean-1 --split valid --format markdown',
      'compare runs/ccf-1 runs/permuted-1 runs/random-1 --base runs/ccf-1',
    ])
    .option('--split <name>', 'split to compare: train, valid or test', 'test')
    .option('--base <dir>', 'test the other methods against that of this run; the default is to test every pair')
    .option('--format <name>', `format of the tables: ${FORMATS.join(', ')}`, 'text');
  host.handle<{ split: string; base?: string; format: string }>(command, async (context, options, args) => {
    const split = choose<SplitName>('--split', options.split, SPLIT_NAMES);
    const format = choose<Format>('--format', options.format, FORMATS);
    // Commander gives a variadic argument as one list.
    const paths = args.flat().map((shown) => {
      if (shown === '') throw new InputError('one is empty', { code: 'usage', place: '<runs>', fix: 'give a path' });
      return { shown, path: resolve(context.io.cwd, shown) };
    });
    if (paths.length < 2) throw new InputError('compare needs at least two runs', { code: 'usage' });
    let base: number | undefined;
    if (options.base !== undefined) {
      const wanted = resolve(context.io.cwd, options.base);
      base = paths.findIndex(({ path }) => path === wanted);
      if (base < 0)
        throw new InputError(`${options.base} is not one of the runs`, {
          code: 'usage',
          place: '--base',
          fix: 'name it among them too',
        });
    }
    const comparison = await compareRuns(paths, split, base);
    await context.emit(comparison, () => describe(comparison, format));
  });
}

/** `crossgate init`: a commented config for the user's own data. */

import { dirname, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { folderSource } from '@crossgate/data/node';
import { kindOf, makeFolders, removeFolders, requireFile, writeAtomic } from '@crossgate/files';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { type GuessedColumns, guessColumns } from '../guess-columns';

/** Bytes of the file that are looked at. */
const LOOKED_AT = 1 << 18;

/** The first whole lines of a CSV file, gzip or not. */
async function readBeginning(path: string, shown: string): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const base = path.slice(dirname(path).length + 1);
  let text = '';
  let whole = true;
  try {
    for await (const chunk of await folderSource(dirname(path)).open(base.replace(/\.gz$/, ''))) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length < LOOKED_AT) continue;
      whole = false;
      break;
    }
  } catch (error) {
    if (error instanceof TypeError)
      throw new InputError('is not UTF-8 text', { code: 'csv.encoding', place: shown, fix: 'save the CSV as UTF-8' });
    throw error;
  }
  if (text.includes('\0')) throw new InputError('is a binary file, not CSV', { code: 'csv.encoding', place: shown });
  return whole ? text : text.slice(0, text.lastIndexOf('\n') + 1);
}

/** A value as YAML writes it. */
const yaml = (value: string | number) => stringify(value).trim();

function thresholdLines(value: GuessedColumns['value']): string[] {
  if (value.kind === 'implicit') return [];
  if (value.kind === 'label') return [`  # ${value.column} is 0 or 1: no threshold is needed`];
  const [low, high] = value.range;
  return [
    `  threshold: ${(low + high) / 2}   # a rating above it is a positive; ratings run from ${low} to ${high} here`,
  ];
}

/** Positives alone teach nothing by their labels: lists are learned, and the epoch is chosen by them. */
const implicitLines = [
  '  loss: bpr   # an item that was chosen before one that was not',
  '  initStd: 0.1',
  '  selectBy: ndcg',
  '  patience: 20',
  '  warmupEpochs: 20',
  'evaluation:',
  '  ranking:',
  '    k: 10   # length of the lists',
];

function dataLines(path: string, guess: GuessedColumns | undefined): string[] {
  const value = guess?.value ?? { kind: 'rating' as const, range: [1, 5] as const, column: 'rating' };
  const separator = guess?.separator ?? ',';
  const isTimed = guess === undefined || guess.timestamp !== null;
  return [
    'data:',
    '  name: csv',
    `  path: ${yaml(path)}${guess === undefined ? '   # a folder with interactions.csv (and items.csv), or the CSV file' : ''}`,
    ...thresholdLines(value),
    '  csv:   # the names of your columns',
    ...(separator === ',' ? [] : [`    separator: ${JSON.stringify(separator)}`]),
    `    user: ${yaml(guess?.user ?? 'user')}`,
    `    item: ${yaml(guess?.item ?? 'item')}`,
    value.kind === 'implicit'
      ? '    implicit: true   # no column of ratings or labels: every row is a positive'
      : `    ${value.kind}: ${yaml(value.column)}`,
    ...(isTimed
      ? [`    timestamp: ${yaml(guess?.timestamp ?? 'timestamp')}   # seconds since 1970, or ISO 8601`]
      : ['    # no column holds times (seconds since 1970, or ISO 8601): the split below is at random']),
    '    # items: items.csv   # beside the events: item and title, for methods that read titles',
    '    # itemId: item',
    '    # title: title',
    '  filter:',
    '    kCore: 1   # 5 leaves out users and items with fewer than 5 rows, until none is left',
    '  split:',
    `    by: ${isTimed ? 'time' : 'ratio'}   # time: what is predicted lies after what was learned from; ratio; leave-one-out`,
    '    valid: 0.1   # share of the rows',
    '    test: 0.1',
  ];
}

function configText(path: string, guess: GuessedColumns | undefined): string {
  const isImplicit = guess?.value.kind === 'implicit';
  return [
    '# An experiment on your own data. All keys: crossgate config show FILE; their meaning: crossgate config schema.',
    isImplicit
      ? 'method: mf   # matrix factorization; lightgcn and sasrec are others'
      : 'method: mf   # matrix factorization; mean, item-mean and running-mean are baselines to hold it against',
    'seed: 1',
    ...dataLines(path, guess),
    'cf:',
    '  cfDim: 64   # width of user and item vectors',
    '  learningRate: 1e-3',
    ...(isImplicit ? ['  weightDecay: 0', ...implicitLines] : ['  weightDecay: 1e-4']),
    '# With a language model (the titles are needed): method: ccf, and',
    '# llm:',
    '#   path: stories260K/hf   # a Hugging Face folder or GGUF file of a LLaMA',
    '# prompt:',
    '#   noun: items   # what a prompt calls them: movies, books',
    '',
  ].join('\n');
}

export function registerInit(program: Command, host: Host): void {
  const command = host
    .add(program, 'init', 'Write a config with comments for your own data', [
      'init --csv shop/purchases.csv',
      'init --csv ratings.tsv --out configs/mine.yaml',
    ])
    .option('--csv <file>', 'your events: columns, threshold and split are guessed from them')
    .option('--out <file>', 'config to write; it must not exist yet', 'crossgate.yaml');
  host.handle<{ csv?: string; out: string }>(command, async (context, { csv, out }) => {
    const { cwd } = context.io;
    const target = resolve(cwd, out);
    if ((await kindOf(target)) !== 'absent')
      throw new InputError('is there already', { code: 'file.exists', place: out, fix: 'choose another --out' });
    let guess: GuessedColumns | undefined;
    if (csv !== undefined) {
      const path = resolve(cwd, csv);
      await requireFile(path, 'CSV');
      guess = guessColumns(await readBeginning(path, csv), csv);
    }
    const parent = dirname(target);
    const made = await makeFolders(parent, 'choose another --out');
    await writeAtomic(target, configText(csv ?? 'data/mine', guess)).catch(async (error) => {
      if (made !== undefined) await removeFolders(parent, made);
      throw error;
    });
    const { header: _, ...columns } = guess ?? { header: [] };
    await context.emit({ config: out, ...columns }, () => {
      const found =
        guess === undefined
          ? 'name your file and columns in it'
          : `user ${guess.user}, item ${guess.item}, ${guess.value.kind === 'implicit' ? 'every row a positive' : `${guess.value.kind} ${guess.value.column}`}, ${guess.timestamp === null ? 'no times' : `times ${guess.timestamp}`}; check them`;
      return `wrote ${out} (${found}), then: crossgate train ${out}`;
    });
  });
}

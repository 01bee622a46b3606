/** `crossgate init`: a commented config for the user's own data. */

import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { surveyCsv, surveyTable, timeReader, timeUnits } from '@crossgate/data';
import { folderSource } from '@crossgate/data/node';
import { kindOf, makeFolders, removeFolders, requireFile, writeAtomic } from '@crossgate/files';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { type FoundTitles, findTitles } from '../find-titles';
import { type GuessedColumns, guessColumns } from '../guess-columns';
import { cfLines } from '../init-settings';
import type { ToldColumns } from '../open-columns';

/** What a config is made of: the columns, and the titles if there are some. */
interface Findings extends GuessedColumns {
  /** Rows of the file. */
  readonly rows: number;
  /** False: `items.csv` lies beside, and cannot be read. */
  readonly titles: FoundTitles | false | undefined;
}

/** A value as YAML writes it. */
const yaml = (value: string | number | NonNullable<GuessedColumns['missing']>) =>
  // A name may hold a line end.
  typeof value === 'string' && /[\r\n]/.test(value)
    ? JSON.stringify(value)
    : stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();

function thresholdLines({ value, threshold = 3 }: Pick<GuessedColumns, 'value' | 'threshold'>): string[] {
  if (value.kind === 'implicit') return [];
  if (value.kind === 'label') return [`  # ${yaml(value.column)} is 0 or 1: no threshold is needed`];
  const [low, high] = value.scale ?? value.range;
  const what = value.counts
    ? `a count above it is a positive; counts run`
    : 'a rating above it is a positive; ratings run';
  return [`  threshold: ${threshold}   # ${what} from ${low} to ${high} here`];
}

/** The lines of `data.csv`: the names of the columns, and how they are written. */
function csvLines(guess: Findings | undefined): string[] {
  const { separator = ',', encoding, header, timeFormat, decimal, missing, titles, unreadTimes } = guess ?? {};
  // Without a header a column is a number, and is written as one.
  const column = (name: string) => (header === false ? name : yaml(name));
  const attributes = '    # attributes: [genre, price]   # other columns of that file, to filter lists by';
  const value = guess?.value ?? { kind: 'rating' as const, column: 'rating' };
  const timestamp = guess === undefined ? 'timestamp' : guess.timestamp;
  const format =
    timeFormat === undefined
      ? ['seconds since 1970, or ISO 8601']
      : [timeUnits.includes(timeFormat) ? 'unit of the times' : 'how the times are written'];
  return [
    `  csv:   # ${header === false ? 'the first line is a row: columns by number' : 'the names of your columns'}`,
    ...(header === false ? ['    header: false'] : []),
    ...(separator === ',' ? [] : [`    separator: ${JSON.stringify(separator)}`]),
    ...(encoding === undefined ? [] : [`    encoding: ${yaml(encoding)}`]),
    ...(decimal === undefined ? [] : [`    decimal: "${decimal}"`]),
    ...(missing === undefined
      ? []
      : [`    missing: ${yaml(missing)}   # rows with one of these for a value are left out`]),
    `    user: ${column(guess?.user ?? 'user')}`,
    `    item: ${column(guess?.item ?? 'item')}`,
    value.kind === 'implicit'
      ? '    implicit: true   # no column of ratings or labels: every row is a positive'
      : `    ${value.kind}: ${column(value.column)}`,
    ...(timestamp === null
      ? [
          unreadTimes
            ? '    timestamp: false   # no times are read, so the split below is at random'
            : '    # timestamp: no column is taken for times, so the split below is at random',
        ]
      : [`    timestamp: ${column(timestamp)}${timeFormat === undefined ? `   # ${format}` : ''}`]),
    ...(timestamp === null || timeFormat === undefined ? [] : [`    timeFormat: ${yaml(timeFormat)}   # ${format}`]),
    ...(titles === false
      ? ['    items: false   # items.csv beside the events is not read: see the warning of init']
      : []),
    ...(!titles
      ? [
          '    # items: items.csv   # beside the events: item and title, for methods that read titles',
          '    # itemId: item',
          '    # title: title',
          attributes,
        ]
      : [
          `    items: ${yaml(titles.items)}   # beside the events: titles, for methods that read them`,
          `    itemId: ${yaml(titles.itemId)}`,
          `    title: ${yaml(titles.title)}`,
          attributes,
        ]),
  ];
}

function dataLines(path: string, guess: Findings | undefined): string[] {
  const isTimed = guess === undefined || guess.canSplit;
  return [
    'data:',
    '  name: csv',
    `  path: ${yaml(path)}${guess === undefined ? '   # a folder with interactions.csv (and items.csv), or the CSV file' : ''}`,
    ...thresholdLines(guess ?? { value: { kind: 'rating', range: [1, 5], column: 'rating' } }),
    ...csvLines(guess),
    '  filter:',
    '    kCore: 1   # 5 leaves out users and items with fewer than 5 rows, until none is left',
    '  split:',
    `    by: ${isTimed ? 'time' : 'ratio'}   # time: what is predicted lies after what was learned from; ratio; leave-one-out`,
    '    valid: 0.1   # share of the rows',
    '    test: 0.1',
  ];
}

function configText(path: string, guess: Findings | undefined): string {
  const isImplicit = guess?.value.kind === 'implicit' || guess?.value.onlyPositives === true;
  return [
    '# An experiment on your own data. All keys: crossgate config show FILE; their meaning: crossgate config schema.',
    isImplicit
      ? 'method: mf   # matrix factorization; lightgcn and sasrec are others'
      : 'method: mf   # matrix factorization; mean, item-mean and running-mean are baselines to hold it against',
    'seed: 1',
    ...dataLines(path, guess),
    ...cfLines(guess?.rows, isImplicit),
    '# With a language model (the titles are needed): method: ccf, and',
    '# llm:',
    '#   path: stories260K/hf   # a Hugging Face folder or GGUF file of a LLaMA',
    '# prompt:',
    '#   noun: items   # what a prompt calls them: movies, books',
    '',
  ].join('\n');
}

/** Options as the command line gives them. */
interface InitOptions extends ToldColumns {
  readonly csv?: string;
  readonly out: string;
  readonly header?: boolean;
  readonly separator?: string;
  readonly encoding?: string;
}

/** Bytes of a file that takes seconds to read. */
const LONG = 1e8;

/** Options that say something of the file, by their names in the handler. */
const fileOptions: Readonly<Record<string, string>> = {
  ...{ user: '--user', item: '--item', rating: '--rating', label: '--label', implicit: '--implicit' },
  ...{ timestamp: '--timestamp', timeFormat: '--time-format', header: '--header', decimal: '--decimal' },
  ...{ separator: '--separator', encoding: '--encoding' },
};

/** Reads the whole file, so that what is found holds for all of it. */
async function examine(path: string, shown: string, options: InitOptions): Promise<Findings> {
  const { timeFormat } = options;
  if (timeFormat !== undefined && timeReader(timeFormat) === undefined) {
    throw new InputError(`${JSON.stringify(timeFormat)} is no form of times`, {
      code: 'usage',
      place: '--time-format',
      fix: `use ${timeUnits.join(', ')}, or a pattern such as DD.MM.YYYY[ hh:mm]`,
    });
  }
  // A shell gives no tab for it.
  const separator = options.separator === '\\t' ? '\t' : options.separator;
  if (separator !== undefined && (separator.length !== 1 || /["\r\n]/.test(separator)))
    throw new InputError('must be one character, not a quote or a line end', { code: 'usage', place: '--separator' });
  if (options.decimal !== undefined && !['.', ','].includes(options.decimal))
    throw new InputError('must be . or ,', { code: 'usage', place: '--decimal' });
  const source = folderSource(dirname(path));
  const file = basename(path).replace(/\.gz$/, '');
  const [part] = (await source.parts?.(file)) ?? [];
  const survey =
    part?.table === undefined
      ? await surveyCsv(source, file, shown, { ...options, separator })
      : await surveyTable(await part.table({ separator }));
  const guess = guessColumns(survey, shown, options);
  const { titles, notes } = await findTitles(source, await readdir(dirname(path)), file, guess);
  return { ...guess, rows: survey.rows, titles, notes: [...guess.notes, ...notes] };
}

/** What was found, in one line. */
function describeFindings(guess: Findings): string {
  const { value, timestamp, timeFormat, titles } = guess;
  const kind = value.kind === 'implicit' ? 'every row a positive' : `${value.kind} ${value.column}`;
  const format = timeFormat === undefined ? '' : ` (${timeFormat})`;
  const times = timestamp === null ? 'no times' : `times ${timestamp}${format}`;
  const named = !titles ? '' : `, titles ${titles.title} of ${titles.items}`;
  return `user ${guess.user}, item ${guess.item}, ${kind}, ${times}${named}; check them`;
}

export function registerInit(program: Command, host: Host): void {
  const command = host
    .add(program, 'init', 'Write a config with comments for your own data', [
      'init --csv shop/purchases.csv',
      'init --csv ratings.tsv --out configs/mine.yaml',
      'init --csv visits.csv --user visitor --rating minutes --time-format "DD.MM.YYYY[ hh:mm]"',
      'init --csv u.data --no-header --user 1 --item 2 --rating 3 --timestamp 4',
    ])
    .option('--csv <file>', 'your events: columns, threshold and split are guessed from them')
    .option('--out <file>', 'config to write; it must not exist yet', 'crossgate.yaml')
    .option('--user <column>', 'column of users, by name or, without a header, by number')
    .option('--item <column>', 'column of items')
    .option('--rating <column>', 'column of ratings, numbers')
    .option('--label <column>', 'column of labels, 0 or 1')
    .option('--implicit', 'every row is a positive: no ratings, no labels')
    .option('--timestamp <column>', 'column of times')
    .option('--no-timestamp', 'use no times: the split is at random')
    .option('--time-format <format>', 'how times are written, such as milliseconds or DD.MM.YYYY')
    .option('--header', 'the first line names the columns, whatever it looks like')
    .option('--no-header', 'the first line is a row: columns are numbers from 1')
    .option('--separator <character>', 'character between fields')
    .option('--decimal <sign>', 'sign before fractions: . or ,')
    .option('--encoding <name>', 'encoding of the file, such as windows-1252; default: UTF-8');
  host.handle<InitOptions>(command, async (context, options) => {
    const { cwd } = context.io;
    const { csv, out } = options;
    const chosen = [options.rating, options.label, options.implicit].filter((each) => each !== undefined);
    if (chosen.length > 1)
      throw new InputError('choose one of --rating, --label and --implicit', { code: 'usage', place: '--rating' });
    const idle = Object.keys(fileOptions).find((key) => options[key as keyof InitOptions] !== undefined);
    if (csv === undefined && idle !== undefined)
      throw new InputError('says something of a file', {
        code: 'usage',
        place: fileOptions[idle],
        fix: 'name it by --csv',
      });
    const target = resolve(cwd, out);
    if ((await kindOf(target)) !== 'absent')
      throw new InputError('is there already', { code: 'file.exists', place: out, fix: 'choose another --out' });
    let guess: Findings | undefined;
    if (csv !== undefined) {
      const path = resolve(cwd, csv);
      await requireFile(path, 'CSV');
      const { size } = await stat(path);
      if (size > LONG) context.log.info(`reading all of ${csv} (${Math.round(size / 1e6)} MB)`);
      guess = await examine(path, csv, options);
    }
    const parent = dirname(target);
    const made = await makeFolders(parent, 'choose another --out');
    await writeAtomic(target, configText(csv ?? 'data/mine', guess)).catch(async (error) => {
      if (made !== undefined) await removeFolders(parent, made);
      throw error;
    });
    const { notes = [], threshold: _, unreadTimes: __, canSplit: ___, rows: ____, titles, ...columns } = guess ?? {};
    for (const note of notes) context.log.warn(note);
    const remarks = notes.length === 0 ? {} : { notes };
    const found = titles === false ? { items: false } : titles;
    await context.emit({ config: out, ...columns, ...found, ...remarks }, () => {
      const words = guess === undefined ? 'name your file and columns in it' : describeFindings(guess);
      return `wrote ${out} (${words}), then: crossgate train ${out}`;
    });
  });
}

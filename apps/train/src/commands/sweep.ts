/** `crossgate sweep`: searches settings of a config by trials, each chosen by the validation rows. */

import { basename, join, resolve } from 'node:path';
import { decimals, didYouMean, formatDuration, InputError, InterruptedError } from '@crossgate/core';
import { renderTable } from '@crossgate/eval';
import {
  DEFAULT_TRIALS,
  outlineSweep,
  planTrials,
  runSweep,
  SPACE_RULES,
  SWEEP_OBJECTIVES,
  type Sweep,
  type SweepOutline,
  type SweepPlan,
} from '@crossgate/experiment';
import { writeAtomic } from '@crossgate/files';
import { collect, type Host } from '@crossgate/terminal';
import { type Command, InvalidArgumentError } from 'commander';
import { sessionOf } from '../session';
import { parseCount, setOption, YES } from './options';

interface SweepCommandOptions {
  readonly grid?: string[];
  readonly random?: string[];
  readonly trials?: number;
  readonly objective?: string;
  readonly halving?: boolean;
  readonly factor?: number;
  readonly first?: number;
  readonly median?: boolean;
  readonly set?: string[];
  readonly out?: string;
  readonly test?: boolean;
  readonly retry?: boolean;
  readonly list?: boolean;
  readonly yes?: boolean;
  readonly seed?: number;
}

/** A whole number from 2. @throws InvalidArgumentError for anything else */
function parseFactor(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 2 && value <= 1000) return value;
  throw new InvalidArgumentError('It must be a whole number from 2.');
}

function objectiveOf(name: string | undefined) {
  if (name === undefined) return undefined;
  const found = SWEEP_OBJECTIVES.find((objective) => objective === name);
  if (found !== undefined) return found;
  throw new InputError(`unknown value ${name}${didYouMean(name, SWEEP_OBJECTIVES)}`, {
    ...{ code: 'usage', place: '--objective', fix: `use ${SWEEP_OBJECTIVES.join(', ')}` },
  });
}

function halvingOf({ halving, factor, first }: SweepCommandOptions) {
  const stray = factor !== undefined ? '--factor' : first !== undefined ? '--first' : null;
  if (halving) return { factor: factor ?? 3, first };
  if (stray === null) return undefined;
  throw new InputError('is for --halving', { code: 'usage', place: stray, fix: 'add --halving, or leave it out' });
}

/** A word as a shell reads it. */
const quoted = (word: string) => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** The command line that goes on, without options that change only what is shown. */
function commandLine(config: string, options: SweepCommandOptions, adapter: string | undefined): string {
  const words = ['crossgate', 'sweep', config];
  const { grid = [], random = [], set = [] } = options;
  for (const [name, values] of [
    ['--grid', grid],
    ['--random', random],
    ['--set', set],
  ] as const) {
    for (const value of values) words.push(name, value);
  }
  const { trials, objective, factor, first, out, seed } = options;
  for (const [name, value] of Object.entries({ trials, objective, factor, first, out, seed, adapter })) {
    if (value !== undefined) words.push(`--${name}`, String(value));
  }
  // Failures of before the interruption are tried again by --retry: once is enough.
  const { halving, median, test, yes } = options;
  for (const [name, value] of Object.entries({ halving, median, test, yes })) if (value) words.push(`--${name}`);
  return words.map(quoted).join(' ');
}

/** What will be run. */
function describePlan({ keys, trials }: SweepPlan, { objective, rounds, unit }: SweepOutline): string {
  const table = renderTable(
    ['trial', ...keys.map(({ key }) => key), ''],
    trials.map(({ trial, values, reason }) => [
      ...[String(trial), ...keys.map(({ key }) => (key in values ? String(values[key]) : '–'))],
      reason ?? '',
    ]),
  );
  const parts = rounds.map(({ trials: count, budget }) => `${count} up to ${budget} ${unit}`);
  return `${table}\n\n${trials.length} trials by ${objective} of valid${parts.length > 0 ? `: ${parts.join(', then ')}` : ''}`;
}

/** Writes the table and the picture beside sweep.json. @returns the paths as the user would write them */
async function writeFiles(sweep: Sweep, cwd: string): Promise<string[]> {
  const { sweepCsv, sweepPicture } = await import('@crossgate/report');
  const svg = await sweepPicture(sweep);
  const files = { 'sweep.csv': sweepCsv(sweep), ...(svg !== null && { 'sweep.svg': svg }) };
  for (const [name, content] of Object.entries(files)) await writeAtomic(resolve(cwd, sweep.out, name), content);
  return ['sweep.json', ...Object.keys(files), ...(sweep.best ? ['best.yaml'] : [])].map((name) =>
    join(sweep.out, name),
  );
}

/** Registers the command. */
export function registerSweep(program: Command, host: Host): void {
  const command = host
    .add(program, 'sweep <config>', 'Search settings of a config, each trial judged on the validation rows', [
      'sweep configs/ml-1m/mf.yaml --grid cf.learningRate=1e-3,1e-2 --grid cf.cfDim=32,64',
      "sweep configs/ml-1m/mf.yaml --random cf.learningRate=log:1e-4..1e-1 --random 'cf.cfDim=32|64|128' --trials 20",
      'sweep configs/ml-1m/lightgcn.yaml --random cf.learningRate=log:1e-4..1e-1 --trials 27 --halving --first 20',
      'sweep shop.yaml --grid cf.cfDim=16,32,64 --median --objective uauc --test --out runs/width',
    ])
    .option('--grid <key=values>', `search a key (repeatable): ${SPACE_RULES.grid}`, collect)
    .option('--random <key=range>', `search a key (repeatable): ${SPACE_RULES.random}`, collect)
    .option('--trials <n>', `with --random: trials to draw (default: ${DEFAULT_TRIALS})`, parseCount)
    .option('--objective <name>', `metric of valid to maximize: ${SWEEP_OBJECTIVES.join(', ')} (default: auc)`)
    .option('--halving', 'train all trials for a short while, and the best of them for longer, in rounds')
    .option('--factor <n>', 'with --halving: one trial in n goes on, n times as far (default: 3)', parseFactor)
    .option('--first <n>', 'with --halving: least epochs (or rows, of a language model) of the first round', parseCount)
    .option('--median', 'end a trial that falls below the median of the finished ones at the same point')
    .option(...setOption('change a key of all trials, such as cf.epochs=50'), collect)
    .option('--test', 'score the test rows by the best trial, once, at the end')
    .option('--out <dir>', 'folder of runs, table and picture (default: runs/sweep-<config>)')
    .option('--retry', 'run trials again that failed before for a reason of their own')
    .option('--list', 'show the trials and stop')
    .option(...YES);
  host.handle<SweepCommandOptions>(command, async (context, options, args) => {
    const [path] = args as [string];
    const { io, log } = context;
    const { grid, random, trials, set, seed, median, test, retry } = options;
    const [objective, halving] = [objectiveOf(options.objective), halvingOf(options)];
    const plan = await planTrials(path, { grid, random, trials, set, seed, cwd: io.cwd });
    await using session = sessionOf(context, options.yes ?? false);
    const chosen = { objective, halving, median, test, retry };
    if (options.list === true) {
      const outline = await outlineSweep(plan, session, chosen);
      await context.emit({ ...plan, ...outline }, () => describePlan(plan, outline));
      return;
    }
    const wanted = trials ?? DEFAULT_TRIALS;
    if (plan.strategy === 'random' && plan.trials.length < wanted)
      log.info(`the space has ${plan.trials.length} trials, not ${wanted}`);
    const out = options.out ?? join('runs', `sweep-${basename(path).replace(/\.(ya?ml|json)$/i, '')}`);
    const sweep = await runSweep(plan, session, {
      ...{ out, ...chosen },
      onStart(trial, round) {
        const { values } = plan.trials[trial - 1]!;
        const settings = Object.entries(values).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
        const upTo = round === null ? '' : `, up to ${round.budget}`;
        log.info(`trial ${trial} of ${plan.trials.length}: ${settings.join(', ')}${upTo}`);
      },
      onTrial({ trial, status, reason, value, seconds }) {
        if (status === 'failed') log.warn(`trial ${trial} failed: ${reason}`);
        else
          log.info(`trial ${trial}: ${decimals(value)}, ${formatDuration(seconds ?? 0)}${reason ? `, ${reason}` : ''}`);
      },
    }).catch((error: unknown) => {
      if (!io.signal.aborted) throw error;
      const fix = `this goes on: ${commandLine(path, options, context.options.adapter)}`;
      throw new InterruptedError('interrupted', { fix, cause: error });
    });
    const files = await writeFiles(sweep, io.cwd);
    const { sweepTable } = await import('@crossgate/report');
    await context.emit({ ...sweep, files }, () => `${sweepTable(sweep)}\nwritten: ${files.join(', ')}`);
    if (sweep.best === null) {
      const [failed] = sweep.trials;
      throw new Error(`no trial was trained to its end (trial ${failed!.trial}: ${failed!.reason ?? failed!.status})`);
    }
  });
}

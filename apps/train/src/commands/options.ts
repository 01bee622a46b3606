/** Options that several commands have. */

import { ACTIVATION_STORAGES, PRECISIONS, SET_RULE, WEIGHT_STORAGES } from '@crossgate/experiment';
import type { FloatDtype } from '@crossgate/tensor';
import { InvalidArgumentError, Option } from 'commander';

/** Types of weights by the name that options give them. */
export const DTYPES = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const satisfies Record<string, FloatDtype>;

/** How the matrices of a model are kept on the device. */
export function weightsOption(): Option {
  return new Option(
    '--weights <type>',
    'type of matrices on the device; stored keeps 16 bits and fewer as in the file, else f32',
  )
    .choices(WEIGHT_STORAGES)
    .default('stored');
}

/** In which type a model multiplies. */
export function precisionOption(): Option {
  return new Option('--precision <type>', 'type that linear layers multiply in; f16 needs a GPU with matrix units')
    .choices(PRECISIONS)
    .default('f32');
}

/** What a text becomes: control tokens that it spells are text without this. */
export function controlOption(): Option {
  return new Option('--control', 'read control tokens that the text spells, such as <|im_start|>, as tokens');
}

/** How training keeps what the backward pass reads. */
export function activationsOption(): Option {
  return new Option('--activations <type>', 'with --plan: value of training.activations')
    .choices(ACTIVATION_STORAGES)
    .default('f32');
}

/** A whole number from 1. @throws InvalidArgumentError for anything else */
export function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= 1e6)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
}

/** `--set`: flags, and what it does, with the rule of its values. */
export function setOption(does: string): [flags: string, description: string] {
  return ['--set <key=value>', `${does} (repeatable): ${SET_RULE}`];
}

/** `--set` of commands that read a finished run. */
export const SET_FOR_RUN = setOption(
  'change data.path, llm.path, llm.weights, llm.precision, evaluation.batchTokens or api.* of the endpoint',
);

/** `--safe-csv` of commands that write CSV: flags and what it does. */
export const SAFE_CSV = [
  '--safe-csv',
  "in CSV, put ' before ids and titles that begin with = + - @, a tab or a line end: a spreadsheet would compute them",
] as const;

/** `--yes` of commands that may call a closed language model: flags and what they do. */
export const YES = ['--yes', 'make calls of a closed language model (api-llm) without asking'] as const;

/** `--backend` of commands that read the CF vectors of a run: flags, what it does, and its parser. */
export const BACKEND = [
  '--backend <n>',
  'of a run with two CF models (cf.run): which one, 1 or 2',
  parseCount,
] as const;
/** `--events` and `--items` of commands that answer for what came after a training: flags and what they do. */
export const NEWER = {
  events: [
    '--events <file>',
    "what users did since: the run's CSV grown, or a CSV with user, item, label (or rating) and timestamp",
  ],
  items: [
    '--items <file>',
    'new items: a CSV with item and title, and attributes of the run, which known items get too',
  ],
} as const;

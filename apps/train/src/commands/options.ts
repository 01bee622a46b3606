/** Options that several commands have. */

import { ACTIVATION_STORAGES, WEIGHT_STORAGES } from '@crossgate/experiment';
import type { FloatDtype } from '@crossgate/tensor';
import { InvalidArgumentError, Option } from 'commander';

/** Types of weights by the name that options give them. */
export const DTYPES = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const satisfies Record<string, FloatDtype>;

/** How the matrices of a model are kept on the device. */
export function weightsOption(): Option {
  return new Option('--weights <type>', 'matrices on the device: stored (as the file has them, or f32)')
    .choices(WEIGHT_STORAGES)
    .default('stored');
}

/** How training keeps what the backward pass reads. */
export function activationsOption(): Option {
  return new Option('--activations <type>', 'with --plan: as trained with training.activations')
    .choices(ACTIVATION_STORAGES)
    .default('f32');
}

/** A whole number from 1. @throws InvalidArgumentError for anything else */
export function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= 1e6)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
}

/** `--set` of commands that read a finished run: flags and what they do. */
export const SET_FOR_RUN = [
  '--set <key=value>',
  'say where data or model lie here: data.path, llm.path (repeatable)',
] as const;

/** The run that a training continues, as runners see it. */
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';

/** The run that a training continues. */
export interface FromRun {
  /** Path of the run folder, as the user gave it. */
  readonly run: string;
  /** Absolute path of the run folder. */
  readonly path: string;
  /** The data that it was trained on. */
  readonly dataset: Dataset;
  /** Hash of its language model, where it has one. */
  readonly modelHash: string | undefined;
}

/** @throws InputError where the language model is another than that of the run */
export function checkFromModel({ run, modelHash }: FromRun, provenance: { readonly modelHash: string }): void {
  if (modelHash === provenance.modelHash) return;
  throw new InputError(`${run} was trained on another language model (hash ${modelHash ?? 'none'})`, {
    code: 'run.other-config',
    place: 'llm.path',
    fix: 'continue on the same model',
  });
}

/** A file of the run. */
export const fileOfFrom = ({ path }: FromRun, name: string): string => join(path, name);

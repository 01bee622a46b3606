// The validation rows that the best state of a training is chosen by.
import { InputError } from '@crossgate/core';
import { type Dataset, sampleRows } from '@crossgate/data';
import { whyNoAuc } from '@crossgate/eval';

/** What says which rows they are: parts of `TrainerOptions`. */
export interface ValidationOptions {
  /** Its validation rows are meant. */
  readonly dataset: Dataset;
  /** Size of a seeded sample of them; null: all. */
  readonly validRows: number | null;
  /** Seed of the sample. */
  readonly seed: number;
}

/** The validation rows that states are chosen by: all, or the seeded sample of `validRows`. */
export function chosenRows({ dataset, validRows, seed }: ValidationOptions): Int32Array {
  const { rows } = dataset.splits.valid;
  return sampleRows(rows, validRows ?? rows, seed);
}

/**
 * Checks, before anything is trained, that the validation AUC which chooses the best state is defined. Without
 * validation rows none is chosen: the last state stands.
 *
 * @throws InputError where the validation rows are of one class.
 */
export function checkValidation(options: ValidationOptions): void {
  const { label } = options.dataset.splits.valid;
  const rows = chosenRows(options);
  const why = whyNoAuc(Uint8Array.from(rows, (row) => label[row]!));
  if (why === null || rows.length === 0) return;
  const isSample = rows.length < label.length && whyNoAuc(label) === null;
  const what = isSample ? `the sample of ${rows.length} rows of valid` : 'valid';
  throw new InputError(`${what} ${why}: the AUC that the best state is chosen by is not defined`, {
    code: isSample ? 'config.value' : 'input',
    place: isSample ? 'evaluation.validRows' : undefined,
    fix: isSample
      ? 'raise it'
      : 'use data with likes and dislikes there, or none there (data.split.valid: 0) to keep the last state',
  });
}

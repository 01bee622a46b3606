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
  /** What the best state is chosen by: `auc` (default), or `last`, which chooses none, so that the last one stands. */
  readonly selectBy?: 'auc' | 'last' | undefined;
}

/** The validation rows that states are chosen by: all, or the seeded sample of `validRows`. */
export function chosenRows({ dataset, validRows, seed }: ValidationOptions): Int32Array {
  const { rows } = dataset.splits.valid;
  return sampleRows(rows, validRows ?? rows, seed);
}

/**
 * Checks, before anything is trained, that the validation AUC which chooses the best state is defined. Without
 * validation rows, and with `selectBy: 'last'`, none is chosen: the last state stands.
 *
 * @throws InputError where the validation rows are of one class.
 */
export function checkValidation(options: ValidationOptions): void {
  if (options.selectBy === 'last') return;
  const { label } = options.dataset.splits.valid;
  const rows = chosenRows(options);
  const why = whyNoAuc(Uint8Array.from(rows, (row) => label[row]!));
  if (why === null || rows.length === 0) return;
  const isSample = rows.length < label.length && whyNoAuc(label) === null;
  throw isSample
    ? new InputError(
        `the sample of ${rows.length} rows of valid ${why}: auc, which the state is chosen by, is not defined`,
        {
          code: 'config.value',
          place: 'evaluation.validRows',
          fix: 'raise it',
        },
      )
    : new InputError(`auc is not defined on valid, which ${why}`, {
        code: 'config.value',
        place: 'training.selectBy',
        fix: 'set it to last, which keeps the last state',
      });
}

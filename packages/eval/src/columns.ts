/** Columns of labels and scores: their checks, and their scores by class. */
import { InputError } from '@crossgate/core';

/** A column of numbers, one per row: a typed array or a plain one. */
export type NumberColumn = ArrayLike<number>;

/**
 * Checks labels and scores.
 *
 * @throws InputError for unequal lengths, and naming the first row whose label is neither 0 nor 1 or whose score is
 * NaN.
 */
export function checkColumns(label: NumberColumn, score: NumberColumn): void {
  checkLength('score', score, label);
  for (let row = 0; row < label.length; row++) {
    if (label[row] !== 0 && label[row] !== 1) {
      throw new InputError(`row ${row}: label must be 0 or 1, got ${String(label[row])}`);
    }
    if (typeof score[row] !== 'number' || Number.isNaN(score[row])) {
      throw new InputError(`row ${row}: score must be a number, got ${String(score[row])}`);
    }
  }
}

/** Checks that `column` has as many entries as `label`. @throws InputError with both lengths. */
export function checkLength(name: string, column: ArrayLike<unknown>, label: NumberColumn): void {
  if (column.length !== label.length) {
    throw new InputError(`${name} has ${column.length} entries for ${label.length} labels`);
  }
}

/** Number of labels that are 1. */
export function countPositives(label: NumberColumn): number {
  let positives = 0;
  for (let row = 0; row < label.length; row++) positives += label[row] as number;
  return positives;
}

/** The scores of each class, in row order. */
export function scoresByClass(
  label: NumberColumn,
  score: NumberColumn,
): { positive: Float64Array; negative: Float64Array } {
  const positives = countPositives(label);
  const positive = new Float64Array(positives);
  const negative = new Float64Array(label.length - positives);
  let p = 0;
  let n = 0;
  for (let row = 0; row < label.length; row++) {
    if (label[row] === 1) positive[p++] = score[row] as number;
    else negative[n++] = score[row] as number;
  }
  return { positive, negative };
}

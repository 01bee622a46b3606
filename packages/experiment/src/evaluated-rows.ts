/** Which rows of a split are scored at the end of a run. */
import { type Dataset, sampleRows } from '@crossgate/data';
import type { ExperimentConfig, SplitName } from './config/schema';

/** Not the run's seed: whatever is compared, seeds included, is compared on the same rows. */
const SAMPLE_SEED = 0;

/** Row numbers of a split, ascending: all, or of test the sample of `evaluation.testRows`. */
export function evaluatedRows(
  { evaluation }: Pick<ExperimentConfig, 'evaluation'>,
  dataset: Dataset,
  split: SplitName,
): Int32Array {
  const { rows } = dataset.splits[split];
  return sampleRows(rows, split === 'test' ? (evaluation.testRows ?? rows) : rows, SAMPLE_SEED);
}

/** The values of some rows of a column. */
export function pick<Column extends Int32Array | Uint8Array | Float64Array>(
  column: Column,
  rows: Int32Array | undefined,
): Column {
  if (rows === undefined) return column;
  const Kind = column.constructor as new (length: number) => Column;
  const picked = new Kind(rows.length);
  rows.forEach((row, index) => {
    picked[index] = column[row]!;
  });
  return picked;
}

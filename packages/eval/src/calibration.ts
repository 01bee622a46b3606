/** Calibration of probabilities: expected calibration error by equal-width and equal-mass bins. */

import { InputError } from '@crossgate/core';
import { checkColumns, type NumberColumn } from './columns';

/** A bin of a reliability diagram: the rows whose probability lies in (low, high]. */
export interface CalibrationBin {
  /** Lower edge. Only the first bin includes it. */
  readonly low: number;
  /** Upper edge, included. */
  readonly high: number;
  /** Number of rows in the bin, at least 1. */
  readonly rows: number;
  /** Mean predicted probability of these rows. */
  readonly meanProbability: number;
  /** Share of these rows with label 1. */
  readonly positiveRate: number;
}

/** Calibration errors, and the bins they are computed from. */
export interface Calibration {
  /** Expected calibration error: Σ rows/n · |positiveRate − meanProbability| over the bins, 0 … 1; null for no rows. */
  readonly expectedError: number | null;
  /** Maximum calibration error: the largest |positiveRate − meanProbability|, 0 … 1; null for no rows. */
  readonly maximumError: number | null;
  /** The bins that hold rows, in ascending order. */
  readonly bins: readonly CalibrationBin[];
}

/**
 * Expected and maximum calibration error (Naeini et al. 2015, Guo et al. 2017), with the bins of a reliability diagram.
 * The errors depend on the bins: compare only values computed with the same options.
 *
 * @param label [rows] of 0 or 1; @param probability [rows], the predicted probability of label 1, in [0, 1].
 * @throws InputError for unequal lengths, and naming the first row whose label is neither 0 nor 1 or whose probability
 * is NaN or outside [0, 1].
 * @throws InputError for a number of bins that is no positive whole number.
 */
export function calibration(
  label: NumberColumn,
  probability: NumberColumn,
  options: {
    /** Number of bins, at least 1. Default 10. */
    readonly bins?: number;
    /**
     * `equal-width` (default) cuts [0, 1] into equal parts. `equal-mass` cuts at the quantiles of the probabilities,
     * interpolated linearly; equal probabilities always share a bin, so many ties can leave bins empty. These are
     * `uniform` and `quantile` of scikit-learn's `calibration_curve`.
     */
    readonly binning?: 'equal-width' | 'equal-mass';
  } = {},
): Calibration {
  const { bins = 10, binning = 'equal-width' } = options;
  if (!Number.isInteger(bins) || bins < 1)
    throw new InputError(`bins must be a whole number of at least 1, got ${bins}`);
  checkColumns(label, probability);
  const rows = label.length;
  for (let row = 0; row < rows; row++) {
    const value = probability[row] as number;
    if (value < 0 || value > 1) throw new InputError(`row ${row}: probability must lie in [0, 1], got ${value}`);
  }
  if (rows === 0) return { expectedError: null, maximumError: null, bins: [] };
  const edges = binning === 'equal-mass' ? massEdges(probability, bins) : widthEdges(bins);
  const count = new Float64Array(bins);
  const positives = new Float64Array(bins);
  const sum = new Float64Array(bins);
  for (let row = 0; row < rows; row++) {
    const value = probability[row] as number;
    // The first bin whose upper edge is not below the value.
    let low = 0;
    let high = bins - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((edges[middle + 1] as number) < value) low = middle + 1;
      else high = middle;
    }
    count[low] = (count[low] as number) + 1;
    positives[low] = (positives[low] as number) + (label[row] as number);
    sum[low] = (sum[low] as number) + value;
  }
  const filled: CalibrationBin[] = [];
  let expectedError = 0;
  let maximumError = 0;
  for (let bin = 0; bin < bins; bin++) {
    const inBin = count[bin] as number;
    if (inBin === 0) continue;
    const meanProbability = (sum[bin] as number) / inBin;
    const positiveRate = (positives[bin] as number) / inBin;
    const error = Math.abs(positiveRate - meanProbability);
    expectedError += (inBin / rows) * error;
    maximumError = Math.max(maximumError, error);
    const [low, high] = [edges[bin] as number, edges[bin + 1] as number];
    filled.push({ low, high, rows: inBin, meanProbability, positiveRate });
  }
  return { expectedError, maximumError, bins: filled };
}

function widthEdges(bins: number): Float64Array {
  return Float64Array.from({ length: bins + 1 }, (_, edge) => edge / bins);
}

function massEdges(probability: NumberColumn, bins: number): Float64Array {
  const sorted = Float64Array.from(probability).sort();
  const last = sorted.length - 1;
  return Float64Array.from({ length: bins + 1 }, (_, edge) => {
    // Whole numbers up to the division: an edge that falls on a value is that value exactly.
    const place = Math.floor((edge * last) / bins);
    const fraction = ((edge * last) % bins) / bins;
    const below = sorted[place] as number;
    return fraction === 0 ? below : below + fraction * ((sorted[place + 1] as number) - below);
  });
}

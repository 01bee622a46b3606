/** Row gather and scatter-add in float64: an embedding's forward and backward. */
import { type Reference, requireShape, zeros } from './reference';

/**
 * Rows of `table` [V, C] by index → [N, C]; an index of −1 gives a zero row. Throws on any other index out of range.
 */
export function gatherRows(table: Reference, indices: ArrayLike<number>): Reference {
  requireShape(table, [-1, -1], 'gatherRows table');
  const [rows, columns] = table.shape as [number, number];
  const result = zeros([indices.length, columns]);
  for (let n = 0; n < indices.length; n++) {
    const index = requireRow(indices[n]!, rows, n);
    if (index >= 0) result.data.set(table.data.subarray(index * columns, (index + 1) * columns), n * columns);
  }
  return result;
}

/** Sums row n of `gradient` [N, C] into row indices[n] of a zero table [tableRows, C]; −1 is skipped. */
export function scatterAddRows(gradient: Reference, indices: ArrayLike<number>, tableRows: number): Reference {
  requireShape(gradient, [indices.length, -1], 'scatterAddRows gradient');
  const columns = gradient.shape[1]!;
  const table = zeros([tableRows, columns]);
  for (let n = 0; n < indices.length; n++) {
    const index = requireRow(indices[n]!, tableRows, n);
    if (index < 0) continue;
    for (let c = 0; c < columns; c++) table.data[index * columns + c]! += gradient.data[n * columns + c]!;
  }
  return table;
}

function requireRow(index: number, rows: number, position: number): number {
  if (!Number.isInteger(index) || index < -1 || index >= rows) {
    throw new RangeError(`index ${index} at position ${position} is outside a table of ${rows} rows`);
  }
  return index;
}

/** Sparse times dense in float64, and its transpose. */
import { type Reference, requireShape, zeros } from './reference';

/** A sparse matrix by compressed rows: row r has the entries offsets[r] … offsets[r + 1] − 1. */
export interface SparseRows {
  readonly offsets: ArrayLike<number>;
  /** Column of each entry. */
  readonly neighbors: ArrayLike<number>;
  readonly weights: ArrayLike<number>;
}

/** matrix [R, V] · x [V, C] → [R, C]. */
export function sparseMatmul({ offsets, neighbors, weights }: SparseRows, x: Reference): Reference {
  requireShape(x, [-1, -1], 'sparseMatmul x');
  const columns = x.shape[1]!;
  const rows = offsets.length - 1;
  const out = zeros([rows, columns]);
  for (let r = 0; r < rows; r++) {
    for (let j = offsets[r]!; j < offsets[r + 1]!; j++) {
      for (let c = 0; c < columns; c++) {
        out.data[r * columns + c]! += weights[j]! * x.data[neighbors[j]! * columns + c]!;
      }
    }
  }
  return out;
}

/** Gradient of `sparseMatmul` with respect to x [inputRows, C]: the transposed matrix times the gradient [R, C]. */
export function sparseMatmulBackward(matrix: SparseRows, gradient: Reference, inputRows: number): Reference {
  const { offsets, neighbors, weights } = matrix;
  const rows = offsets.length - 1;
  requireShape(gradient, [rows, -1], 'sparseMatmul gradient');
  const columns = gradient.shape[1]!;
  const out = zeros([inputRows, columns]);
  for (let r = 0; r < rows; r++) {
    for (let j = offsets[r]!; j < offsets[r + 1]!; j++) {
      for (let c = 0; c < columns; c++) {
        out.data[neighbors[j]! * columns + c]! += weights[j]! * gradient.data[r * columns + c]!;
      }
    }
  }
  return out;
}

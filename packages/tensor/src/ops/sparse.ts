// A constant sparse matrix times a tensor: propagation on a graph.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { sparsePropagation } from '@crossgate/kernels';
import { record } from '../tape';
import { empty, expectTensor, persistent, releasePersistent, type Tensor } from '../tensor';

/** Entries of a sparse matrix by compressed rows, on the device. */
interface CompressedRows {
  readonly offsets: Tensor;
  readonly neighbors: Tensor;
  readonly weights: Tensor;
}

/**
 * The entries of a sparse matrix, in three arrays of equal length: weight[e] at (row[e], column[e]). Entries at the
 * same place are added.
 */
export interface SparseEntries {
  /** Row of each entry, from 0. */
  readonly row: ArrayLike<number>;
  /** Column of each entry, from 0. */
  readonly column: ArrayLike<number>;
  /** Value of each entry, stored as f32. */
  readonly weight: ArrayLike<number>;
}

/** A constant sparse matrix [rows, columns] of f32 in device memory, with its transpose for gradients. */
export class SparseMatrix {
  private constructor(
    /** Number of rows. */
    readonly rows: number,
    /** Number of columns. */
    readonly columns: number,
    /** @internal */ readonly forward: CompressedRows,
    /** @internal */ readonly backward: CompressedRows,
  ) {}

  /**
   * Uploads a matrix into persistent memory; free it with {@link release}.
   *
   * @throws InputError for an entry outside the matrix; OutOfMemoryError with the sizes.
   */
  static create(device: Device, rows: number, columns: number, entries: SparseEntries): SparseMatrix {
    const { row, column } = entries;
    for (let e = 0; e < row.length; e++) {
      if (!(row[e]! >= 0 && row[e]! < rows && column[e]! >= 0 && column[e]! < columns)) {
        throw new InputError(`sparse entry ${e} at (${row[e]}, ${column[e]}) is outside [${rows}, ${columns}]`);
      }
    }
    return new SparseMatrix(
      rows,
      columns,
      compress(device, rows, entries),
      compress(device, columns, { ...entries, row: column, column: row }),
    );
  }

  /** The transposed matrix. It shares the memory of this one: release only one of the two. */
  get transposed(): SparseMatrix {
    return new SparseMatrix(this.columns, this.rows, this.backward, this.forward);
  }

  /** Frees the memory of the matrix and its transpose at once. */
  release(): void {
    for (const { offsets, neighbors, weights } of [this.forward, this.backward]) {
      for (const tensor of [offsets, neighbors, weights]) releasePersistent(tensor);
    }
  }
}

/** Sorts entries by row, keeping the order within one. */
function compress(device: Device, rows: number, { row, column, weight }: SparseEntries): CompressedRows {
  const offsets = new Uint32Array(rows + 1);
  for (let e = 0; e < row.length; e++) offsets[row[e]! + 1]!++;
  for (let r = 0; r < rows; r++) offsets[r + 1]! += offsets[r]!;
  const next = offsets.slice();
  // WebGPU has no empty buffers; the offsets keep the filler from being read.
  const neighbors = new Uint32Array(Math.max(1, row.length));
  const weights = new Float32Array(neighbors.length);
  for (let e = 0; e < row.length; e++) {
    const at = next[row[e]!]!++;
    neighbors[at] = column[e]!;
    weights[at] = weight[e]!;
  }
  return {
    offsets: persistent(device, [rows + 1], 'graph', offsets),
    neighbors: persistent(device, [neighbors.length], 'graph', neighbors),
    weights: persistent(device, [weights.length], 'graph', weights),
  };
}

/**
 * The product matrix · x. Gradients flow to `x`, not to the matrix.
 *
 * @param x f32 [matrix.columns, columns].
 * @returns f32 [matrix.rows, columns].
 * @throws InputError for another dtype or shape.
 */
export function sparseMatmul(matrix: SparseMatrix, x: Tensor): Tensor {
  expectTensor('sparseMatmul', 'x', x, 'f32', [matrix.columns, -1]);
  const { device, columns } = x;
  const out = empty(device, [matrix.rows, columns]);
  const launch = (compressed: CompressedRows, from: Tensor, to: Tensor['slice'], accumulate: boolean) =>
    sparsePropagation(device, {
      offsets: compressed.offsets.slice,
      neighbors: compressed.neighbors.slice,
      weights: compressed.weights.slice,
      x: from.slice,
      out: to,
      rows: compressed.offsets.size - 1,
      inputRows: from.rows,
      columns,
      accumulate,
    });
  launch(matrix.forward, x, out.slice, false);
  record('sparseMatmul', [x], [out], [], ([gradient], into) => {
    const { slice, accumulate } = into.target(x);
    launch(matrix.backward, gradient!, slice, accumulate);
  });
  return out;
}

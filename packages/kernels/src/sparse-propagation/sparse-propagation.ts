/** Sparse matrix (CSR) times dense matrix: one layer of propagation on a graph. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { planRows, rowConstants, spreadRows } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './sparse-propagation.wgsl';

const sparsePropagationKernel = defineKernel({
  name: 'sparse-propagation',
  source,
  includes,
  bindings: {
    offsets: { access: 'read', type: 'u32' },
    neighbors: { access: 'read', type: 'u32' },
    weights: { access: 'read', type: 'f32' },
    x: { access: 'read', type: 'Value' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: {
    rows: 'u32',
    firstRow: 'u32',
    valuesPerRow: 'u32',
    spansPerRow: 'u32',
    firstInputRow: 'u32',
    inputRows: 'u32',
  },
  constants: { ...rowConstants, ACCUMULATE: false },
});

/** Arguments of {@link sparsePropagation}. */
export interface SparsePropagationArguments {
  /** u32 [rows + 1]: entries of row r are offsets[r] … offsets[r + 1] − 1. */
  readonly offsets: BufferSlice;
  /** u32 [entries]: the row of `x` of each entry; rows of `inputRows` or more are skipped. */
  readonly neighbors: BufferSlice;
  /** f32 [entries] */
  readonly weights: BufferSlice;
  /** f32 [inputRows, columns]; larger than one binding is fine. */
  readonly x: BufferSlice;
  /** f32 [rows, columns]; another buffer than x. Rows without entries become zero. */
  readonly out: BufferSlice;
  /** Rows of the sparse matrix and of out, at least 1. */
  readonly rows: number;
  /** Rows of x, at least 1. */
  readonly inputRows: number;
  /** Columns of x and out, at least 1. */
  readonly columns: number;
  /** Add to `out` instead of replacing it. */
  readonly accumulate?: boolean;
}

/**
 * out[r, :] (+)= Σ over the entries of row r of weight · x[neighbor, :]. The order of every sum is fixed. The gradient
 * with respect to x is the same product with the transposed matrix.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function sparsePropagation(device: Device, args: SparsePropagationArguments): void {
  const { offsets, neighbors, weights, x, out, rows, inputRows, columns, accumulate = false } = args;
  const name = 'sparsePropagation';
  requireSizes(name, { rows, inputRows, columns });
  requireElements(name, 'offsets', offsets, rows + 1);
  requireElements(name, 'weights', weights, neighbors.size / 4);
  requireElements(name, 'x', x, inputRows * columns);
  requireElements(name, 'out', out, rows * columns);
  rowRanges(name, device, inputRows, [columns]).forEach((inputPart, index) => {
    for (const part of rowRanges(name, device, rows, [columns])) {
      const plan = planRows({ rows: part.count, columns }, device.capabilities);
      const { constants, workgroups } = spreadRows(plan);
      device.recorder.dispatch(sparsePropagationKernel, {
        bindings: {
          offsets,
          neighbors,
          weights,
          x: elements(x, inputPart.first * columns, inputPart.count * columns),
          out: elements(out, part.first * columns, part.count * columns),
        },
        parameters: {
          rows: part.count,
          firstRow: part.first,
          valuesPerRow: plan.valuesPerRow,
          spansPerRow: plan.spansPerRow,
          firstInputRow: inputPart.first,
          inputRows: inputPart.count,
        },
        // The first part of the input sets what the others add to.
        constants: { ...constants, ACCUMULATE: accumulate || index > 0 },
        workgroups,
      });
    }
  });
}

/** Embedding lookup: rows of a table by index, of f32 or of fewer bits. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import {
  type NarrowMatrix,
  operandBindings,
  operandConstants,
  operandIncludes,
  operandLayout,
  operandRows,
  requireOperand,
  storageConstants,
} from '../matmul/quantized-matrix';
import { planRows, rowConstants, spreadRows } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './gather.wgsl';

const gatherKernel = defineKernel({
  name: 'gather',
  source,
  includes: operandIncludes,
  bindings: {
    ...operandBindings,
    indices: { access: 'read', type: 'u32' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: {
    rows: 'u32',
    valuesPerRow: 'u32',
    sourceStride: 'u32',
    spansPerRow: 'u32',
    tableRows: 'u32',
    firstTableRow: 'u32',
    partRows: 'u32',
  },
  constants: { ...rowConstants, ...operandConstants, INTEGERS: false },
});

/** Arguments of {@link gather}. */
export interface GatherArguments {
  /** [tableRows, columns] of f32, or of fewer bits, and then widened as it is read; larger than one binding is fine. */
  readonly table: BufferSlice | NarrowMatrix;
  /** u32 [rows]. An index of tableRows or more, such as 0xffffffff, gives a zero row. */
  readonly indices: BufferSlice;
  /** f32 [rows, columns]. */
  readonly out: BufferSlice;
  /** Rows to look up; 0 does nothing. */
  readonly rows: number;
  /** Columns of the table, at least 1. */
  readonly columns: number;
  /** Rows of the table, at least 1. */
  readonly tableRows: number;
  /** The table holds u32 instead of f32, in one column. */
  readonly integers?: boolean;
}

/**
 * out[r, :] = table[indices[r], :].
 *
 * @throws InputError when a slice is smaller than its shape, and for integers in more than one column, or in fewer
 *   bits.
 */
export function gather(device: Device, args: GatherArguments): void {
  const { table, indices, out, rows, columns, tableRows, integers = false } = args;
  if (rows === 0) return;
  requireSizes('gather', { rows, columns, tableRows });
  if (integers && (columns !== 1 || 'bits' in table)) {
    throw new InputError(`gather: integers in ${columns} columns, only one of 32 bits can be`);
  }
  requireOperand('gather', 'table', table, tableRows, columns);
  requireElements('gather', 'indices', indices, rows);
  requireElements('gather', 'out', out, rows * columns);
  const layout = operandLayout(table, columns);
  const tableParts = rowRanges('gather', device, tableRows, layout.wordsPerRow);
  for (const range of rowRanges('gather', device, rows, [columns, 1])) {
    const plan = planRows({ rows: range.count, columns }, device.capabilities);
    const { constants, workgroups } = spreadRows(plan);
    for (const part of tableParts) {
      device.recorder.dispatch(gatherKernel, {
        bindings: {
          ...operandRows(table, columns, part.first, part.count),
          indices: elements(indices, range.first, range.count),
          out: elements(out, range.first * columns, range.count * columns),
        },
        parameters: {
          rows: range.count,
          valuesPerRow: plan.valuesPerRow,
          sourceStride: plan.vector ? layout.stride / 4 : layout.stride,
          spansPerRow: plan.spansPerRow,
          tableRows,
          firstTableRow: part.first,
          partRows: part.count,
        },
        // Floats may lose the bits of small integers on their way, so those are moved as what they are.
        constants: { ...constants, ...storageConstants(table), INTEGERS: integers },
        workgroups,
      });
    }
  }
}

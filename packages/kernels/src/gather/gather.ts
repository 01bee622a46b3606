/** Embedding lookup: rows of a table by index, of f32 or of fewer bits. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import {
  type NarrowMatrix,
  narrowConstants,
  narrowLayout,
  narrowRows,
  operandIncludes,
  requireNarrow,
  storageOf,
} from '../matmul/quantized-matrix';
import { planRows } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './gather.wgsl';

const parameters = {
  rows: 'u32',
  valuesPerRow: 'u32',
  sourceStride: 'u32',
  spansPerRow: 'u32',
  tableRows: 'u32',
  firstTableRow: 'u32',
  partRows: 'u32',
} as const;
const rowBindings = { indices: { access: 'read', type: 'u32' }, out: { access: 'read_write', type: 'Value' } } as const;
const constants = { INTEGERS: false, VECTOR: false, SPAN: 1, WORKGROUP_SIZE: 64 };

export const gatherKernel = defineKernel({
  name: 'gather',
  source,
  includes: { ...includes, ...operandIncludes },
  bindings: { table: { access: 'read', type: 'Value' }, ...rowBindings },
  parameters,
  constants: { ...constants, ...storageOf(false) },
});

const gatherNarrowKernel = defineKernel({
  name: 'gather-narrow',
  source,
  includes: { ...includes, ...operandIncludes },
  bindings: {
    b: { access: 'read', type: 'u32' },
    scales: { access: 'read', type: 'u32', when: 'SCALED' },
    ...rowBindings,
  },
  parameters,
  constants: { ...constants, ...storageOf(true) },
});

export interface GatherArguments {
  /** [tableRows, columns] of f32, or of fewer bits, and then widened as it is read; larger than one binding is fine. */
  readonly table: BufferSlice | NarrowMatrix;
  /** u32 [rows]. An index of tableRows or more, such as 0xffffffff, gives a zero row. */
  readonly indices: BufferSlice;
  /** f32 [rows, columns]. */
  readonly out: BufferSlice;
  readonly rows: number;
  readonly columns: number;
  readonly tableRows: number;
  /** The table holds u32 instead of f32, in one column. */
  readonly integers?: boolean;
}

/**
 * out[r, :] = table[indices[r], :].
 *
 * @throws InputError when a slice is smaller than its shape, and for integers in more than one column, or in fewer bits.
 */
export function gather(device: Device, args: GatherArguments): void {
  const { table, indices, out, rows, columns, tableRows, integers = false } = args;
  if (rows === 0) return;
  requireSizes('gather', { rows, columns, tableRows });
  if (integers && (columns !== 1 || 'bits' in table)) {
    throw new InputError(`gather: integers in ${columns} columns, only one of 32 bits can be`);
  }
  const layout = 'bits' in table ? narrowLayout(table, columns) : { stride: columns, wordsPerRow: [columns] };
  if ('bits' in table) requireNarrow('gather', 'table', table, tableRows, columns);
  else requireElements('gather', 'table', table, tableRows * columns);
  requireElements('gather', 'indices', indices, rows);
  requireElements('gather', 'out', out, rows * columns);
  const tableParts = rowRanges('gather', device, tableRows, layout.wordsPerRow);
  for (const range of rowRanges('gather', device, rows, [columns, 1])) {
    // Floats may lose the bits of small integers on their way, so those are moved as what they are.
    const plan = planRows(range.count, columns, device.capabilities.software);
    for (const tablePart of tableParts) {
      const dispatch = {
        parameters: {
          rows: range.count,
          valuesPerRow: plan.valuesPerRow,
          sourceStride: plan.vector ? layout.stride / 4 : layout.stride,
          spansPerRow: plan.spansPerRow,
          tableRows,
          firstTableRow: tablePart.first,
          partRows: tablePart.count,
        },
        workgroups: plan.workgroups,
      };
      const bindings = {
        indices: elements(indices, range.first, range.count),
        out: elements(out, range.first * columns, range.count * columns),
      };
      const spread = { VECTOR: plan.vector, SPAN: plan.span, WORKGROUP_SIZE: plan.workgroupSize };
      const { first, count } = tablePart;
      if ('bits' in table) {
        device.recorder.dispatch(gatherNarrowKernel, {
          ...dispatch,
          bindings: { ...narrowRows(table, columns, first, count), ...bindings },
          constants: { ...spread, ...narrowConstants(table) },
        });
      } else {
        device.recorder.dispatch(gatherKernel, {
          ...dispatch,
          bindings: { table: elements(table, first * columns, count * columns), ...bindings },
          constants: { ...spread, INTEGERS: integers },
        });
      }
    }
  }
}

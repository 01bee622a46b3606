/** Embedding lookup: rows of a table by index. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import { planRows } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './gather.wgsl';

export const gatherKernel = defineKernel({
  name: 'gather',
  source,
  includes,
  bindings: {
    table: { access: 'read', type: 'Value' },
    indices: { access: 'read', type: 'u32' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: {
    rows: 'u32',
    valuesPerRow: 'u32',
    spansPerRow: 'u32',
    tableRows: 'u32',
    firstTableRow: 'u32',
    partRows: 'u32',
  },
  constants: { INTEGERS: false, VECTOR: false, SPAN: 1, WORKGROUP_SIZE: 64 },
});

export interface GatherArguments {
  /** f32 [tableRows, columns]; larger than one binding is fine. */
  readonly table: BufferSlice;
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
 * @throws InputError when a slice is smaller than its shape, and for integers in more than one column.
 */
export function gather(device: Device, args: GatherArguments): void {
  const { table, indices, out, rows, columns, tableRows, integers = false } = args;
  if (rows === 0) return;
  requireSizes('gather', { rows, columns, tableRows });
  if (integers && columns !== 1) throw new InputError(`gather: integers in ${columns} columns, only one can be`);
  requireElements('gather', 'table', table, tableRows * columns);
  requireElements('gather', 'indices', indices, rows);
  requireElements('gather', 'out', out, rows * columns);
  const tableParts = rowRanges('gather', device, tableRows, [columns]);
  for (const range of rowRanges('gather', device, rows, [columns, 1])) {
    // Floats may lose the bits of small integers on their way, so those are moved as what they are.
    const plan = planRows(range.count, columns, device.capabilities.software);
    for (const tablePart of tableParts) {
      device.recorder.dispatch(gatherKernel, {
        bindings: {
          table: elements(table, tablePart.first * columns, tablePart.count * columns),
          indices: elements(indices, range.first, range.count),
          out: elements(out, range.first * columns, range.count * columns),
        },
        parameters: {
          rows: range.count,
          valuesPerRow: plan.valuesPerRow,
          spansPerRow: plan.spansPerRow,
          tableRows,
          firstTableRow: tablePart.first,
          partRows: tablePart.count,
        },
        constants: { INTEGERS: integers, VECTOR: plan.vector, SPAN: plan.span, WORKGROUP_SIZE: plan.workgroupSize },
        workgroups: plan.workgroups,
      });
    }
  }
}

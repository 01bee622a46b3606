// Sums a matrix over its rows, deterministically: the gradient of a bias.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import { type PlanCapabilities, softwareWorkgroupSize } from '../plan';
import { elements, requireElements, rowRanges } from '../slices';
import source from './column-sum.wgsl';

const columnSumKernel = defineKernel({
  name: 'column-sum',
  source,
  includes,
  bindings: { x: { access: 'read', type: 'Value' }, out: { access: 'read_write', type: 'Value' } },
  parameters: { rows: 'u32', columns: 'u32', columnTiles: 'u32', splits: 'u32', rowsPerSplit: 'u32' },
  constants: { VECTOR: false, ACCUMULATE: false, WORKGROUP_SIZE: 64 },
});

/** How {@link columnSum} divides its work. */
export interface ColumnSumPlan {
  /** True when four columns are added at once. */
  readonly vector: boolean;
  /** Invocations per workgroup, each with a column, or four. */
  readonly workgroupSize: number;
  /** Ranges of rows that are added side by side, then summed by a second dispatch. */
  readonly splits: number;
  /** Rows of a range. */
  readonly rowsPerSplit: number;
}

/** Chooses how {@link columnSum} divides its rows. Pure. */
export function planColumnSum(
  shape: Pick<ColumnSumArguments, 'rows' | 'columns'>,
  capabilities: PlanCapabilities,
): ColumnSumPlan {
  const { rows, columns } = shape;
  const { software } = capabilities;
  const vector = columns % 4 === 0;
  const workgroupSize = software ? softwareWorkgroupSize : 64;
  // A software adapter needs a few workgroups per core; hardware wants both stages about equally deep.
  const wanted = software ? Math.min(16, Math.floor(rows / 32)) : Math.floor(Math.sqrt(rows));
  const rowsPerSplit = Math.ceil(rows / Math.max(1, wanted));
  return { vector, workgroupSize, splits: Math.ceil(rows / rowsPerSplit), rowsPerSplit };
}

/** Arguments of {@link columnSum}. */
export interface ColumnSumArguments {
  /** f32 [rows, columns] */
  readonly x: BufferSlice;
  /** f32 [columns]; another buffer than x. */
  readonly out: BufferSlice;
  /** Rows of x; without any `out` becomes zero. */
  readonly rows: number;
  /** Columns of x, at least 1. */
  readonly columns: number;
  /** Adds to what `out` holds. Default false. */
  readonly accumulate?: boolean;
}

/**
 * out[column] = Σ over rows of x[row, column] (+ out). Rows are added in a fixed order. Without rows `out` becomes
 * zero. Needs step memory for many rows.
 *
 * @throws InputError when a slice is too small for its shape.
 */
export function columnSum(device: Device, args: ColumnSumArguments): void {
  const { x, out, rows, columns, accumulate = false } = args;
  if (!Number.isSafeInteger(rows) || rows < 0 || !Number.isSafeInteger(columns) || columns < 1) {
    throw new InputError(`column-sum: rows ${rows} and columns ${columns} must be a count and a positive one`);
  }
  requireElements('column-sum', 'x', x, rows * columns);
  requireElements('column-sum', 'out', out, columns);
  const target = elements(out, 0, columns);
  if (rows === 0) {
    if (!accumulate) device.recorder.clear(target);
    return;
  }
  for (const { first, count } of rowRanges('column-sum', device, rows, [columns])) {
    const part = elements(x, first * columns, count * columns);
    const plan = planColumnSum({ rows: count, columns }, device.capabilities);
    const continued = accumulate || first > 0;
    if (plan.splits === 1) {
      record(device, part, target, count, columns, plan, continued);
      continue;
    }
    const partial = device.memory.allocate(plan.splits * columns * 4);
    record(device, part, partial, count, columns, plan, false);
    record(device, partial, target, plan.splits, columns, { ...plan, splits: 1, rowsPerSplit: plan.splits }, continued);
    device.memory.releaseEarly(partial);
  }
}

function record(
  device: Device,
  x: BufferSlice,
  out: BufferSlice,
  rows: number,
  columns: number,
  plan: ColumnSumPlan,
  accumulate: boolean,
): void {
  const valueColumns = plan.vector ? columns / 4 : columns;
  const columnTiles = Math.ceil(valueColumns / plan.workgroupSize);
  device.recorder.dispatch(columnSumKernel, {
    bindings: { x, out },
    parameters: { rows, columns: valueColumns, columnTiles, splits: plan.splits, rowsPerSplit: plan.rowsPerSplit },
    constants: { VECTOR: plan.vector, WORKGROUP_SIZE: plan.workgroupSize, ACCUMULATE: accumulate },
    workgroups: columnTiles * plan.splits,
  });
}

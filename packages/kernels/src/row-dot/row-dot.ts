/** Dot products of pairs of rows. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { type PlanCapabilities, softwareWorkgroupSize } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './row-dot.wgsl';

const rowDotKernel = defineKernel({
  name: 'row-dot',
  source,
  includes,
  bindings: {
    a: { access: 'read', type: 'Value' },
    b: { access: 'read', type: 'Value' },
    out: { access: 'read_write', type: 'f32' },
  },
  parameters: { rows: 'u32', valuesPerRow: 'u32' },
  constants: { VECTOR: false, COOPERATIVE: false, WORKGROUP_SIZE: 64 },
});

/** How {@link rowDot} runs. */
export interface RowDotPlan {
  /** `workgroup`: one per row. `invocation`: one per row, no barriers. */
  readonly variant: 'workgroup' | 'invocation';
  /** True when four columns are read at once. */
  readonly vector: boolean;
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
}

/** Chooses the variant of rowDot. Pure. Short rows would leave most of a workgroup idle. */
export function planRowDot(shape: Pick<RowDotArguments, 'columns'>, capabilities: PlanCapabilities): RowDotPlan {
  const { columns } = shape;
  const { software } = capabilities;
  const vector = columns % 4 === 0;
  const variant = software || columns < 128 ? 'invocation' : 'workgroup';
  return { variant, vector, workgroupSize: software ? softwareWorkgroupSize : 64 };
}

/** Arguments of {@link rowDot}. */
export interface RowDotArguments {
  /** f32 [rows, columns] */
  readonly a: BufferSlice;
  /** f32 [rows, columns] */
  readonly b: BufferSlice;
  /** f32 [rows] */
  readonly out: BufferSlice;
  /** Rows of a and b; 0 does nothing. */
  readonly rows: number;
  /** Columns of a and b, at least 1. */
  readonly columns: number;
  /** For tests and measurements; default: {@link planRowDot}. */
  readonly plan?: RowDotPlan;
}

/**
 * out[r] = Σ_c a[r, c] · b[r, c].
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function rowDot(device: Device, args: RowDotArguments): void {
  const { a, b, out, rows, columns } = args;
  if (rows === 0) return;
  requireSizes('rowDot', { rows, columns });
  requireElements('rowDot', 'a', a, rows * columns);
  requireElements('rowDot', 'b', b, rows * columns);
  requireElements('rowDot', 'out', out, rows);
  const plan = args.plan ?? planRowDot({ columns }, device.capabilities);
  const cooperative = plan.variant === 'workgroup';
  for (const { first, count } of rowRanges('rowDot', device, rows, [columns, 1])) {
    device.recorder.dispatch(rowDotKernel, {
      bindings: {
        a: elements(a, first * columns, count * columns),
        b: elements(b, first * columns, count * columns),
        out: elements(out, first, count),
      },
      parameters: { rows: count, valuesPerRow: plan.vector ? columns / 4 : columns },
      constants: { VECTOR: plan.vector, COOPERATIVE: cooperative, WORKGROUP_SIZE: plan.workgroupSize },
      workgroups: cooperative ? count : Math.ceil(count / plan.workgroupSize),
    });
  }
}

/** Softmax over the rows of a matrix, forward and backward. */
import { type BufferSlice, type Device, defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import type { PlanCapabilities } from '../plan';
import { type RowWalkPlan, rowWalkConstants, walkRows, workgroupPerRow } from '../row-walk';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './softmax.wgsl';
import backwardSource from './softmax-backward.wgsl';

const forward = defineKernel({
  name: 'softmax',
  source,
  includes,
  constants: rowWalkConstants,
  bindings: { x: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'f32' } },
  parameters: { rows: 'u32', columns: 'u32' },
});

const backward = defineKernel({
  name: 'softmax-backward',
  source: backwardSource,
  includes,
  constants: rowWalkConstants,
  bindings: {
    out: { access: 'read', type: 'f32' },
    gradOut: { access: 'read', type: 'f32' },
    gradX: { access: 'read_write', type: 'f32' },
  },
  parameters: { rows: 'u32', columns: 'u32' },
});

/**
 * Chooses who works on a row. Pure. One invocation on software adapters, unless a few long rows would leave most of
 * them idle; a workgroup on hardware.
 */
export function planSoftmax(
  shape: Pick<SoftmaxArguments, 'rows' | 'columns'>,
  capabilities: PlanCapabilities,
): RowWalkPlan {
  const { rows, columns } = shape;
  if (capabilities.software && (rows >= 64 || columns <= 64)) return { variant: 'row', workgroupSize: 16 };
  return workgroupPerRow(columns);
}

/** Arguments of {@link softmax}. */
export interface SoftmaxArguments {
  /** f32 [rows, columns]; finite, or −∞ for elements that take no part (not all of a row). */
  readonly x: BufferSlice;
  /** f32 [rows, columns]; another buffer than x. */
  readonly out: BufferSlice;
  /** Rows of x, at least 1. */
  readonly rows: number;
  /** Columns of x, at least 1. */
  readonly columns: number;
  /** For tests and measurements; default: {@link planSoftmax}. */
  readonly plan?: RowWalkPlan;
}

/**
 * out[r, c] = exp(x[r, c]) / Σ_j exp(x[r, j]), without overflow.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function softmax(device: Device, args: SoftmaxArguments): void {
  const { x, out, rows, columns, plan = planSoftmax(args, device.capabilities) } = args;
  requireSizes('softmax', { rows, columns });
  requireElements('softmax', 'x', x, rows * columns);
  requireElements('softmax', 'out', out, rows * columns);
  for (const { first, count } of rowRanges('softmax', device, rows, [columns])) {
    const of = (slice: BufferSlice) => elements(slice, first * columns, count * columns);
    device.recorder.dispatch(forward, {
      bindings: { x: of(x), out: of(out) },
      parameters: { rows: count, columns },
      ...walkRows(plan, count),
    });
  }
}

/** Arguments of {@link softmaxBackward}. */
export interface SoftmaxBackwardArguments {
  /** The result of the forward pass, f32 [rows, columns]. */
  readonly out: BufferSlice;
  /** f32 [rows, columns] */
  readonly gradOut: BufferSlice;
  /** Gradient with respect to x, f32 [rows, columns], written. */
  readonly gradX: BufferSlice;
  /** Rows of out, at least 1. */
  readonly rows: number;
  /** Columns of out, at least 1. */
  readonly columns: number;
  /** For tests and measurements; default: {@link planSoftmax}. */
  readonly plan?: RowWalkPlan;
}

/**
 * Gradient of {@link softmax} from its output.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function softmaxBackward(device: Device, args: SoftmaxBackwardArguments): void {
  const { out, gradOut, gradX, rows, columns, plan = planSoftmax(args, device.capabilities) } = args;
  requireSizes('softmaxBackward', { rows, columns });
  for (const [name, slice] of Object.entries({ out, gradOut, gradX })) {
    requireElements('softmaxBackward', name, slice, rows * columns);
  }
  for (const { first, count } of rowRanges('softmaxBackward', device, rows, [columns])) {
    const of = (slice: BufferSlice) => elements(slice, first * columns, count * columns);
    device.recorder.dispatch(backward, {
      bindings: { out: of(out), gradOut: of(gradOut), gradX: of(gradX) },
      parameters: { rows: count, columns },
      ...walkRows(plan, count),
    });
  }
}

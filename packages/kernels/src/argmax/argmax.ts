/** Index of the largest element of each row. */
import { type BufferSlice, type Device, defineKernel } from '@crossgate/gpu';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './argmax.wgsl';

const kernel = defineKernel({
  name: 'argmax',
  source,
  constants: { WORKGROUP_SIZE: 64 },
  bindings: { x: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'u32' } },
  parameters: { rows: 'u32', columns: 'u32' },
});

/** Arguments of {@link argmax}. */
export interface ArgmaxArguments {
  /** f32 [rows, columns] */
  readonly x: BufferSlice;
  /** u32 [rows] */
  readonly out: BufferSlice;
  /** Rows of x, at least 1. */
  readonly rows: number;
  /** Columns of x, at least 1. */
  readonly columns: number;
}

/**
 * Index of each row's largest element; the lowest index wins ties. NaN never wins; a row without any finite element or
 * +∞ gives 0.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function argmax(device: Device, { x, out, rows, columns }: ArgmaxArguments): void {
  requireSizes('argmax', { rows, columns });
  requireElements('argmax', 'x', x, rows * columns);
  requireElements('argmax', 'out', out, rows);
  for (const { first, count } of rowRanges('argmax', device, rows, [columns, 1])) {
    device.recorder.dispatch(kernel, {
      bindings: { x: elements(x, first * columns, count * columns), out: elements(out, first, count) },
      parameters: { rows: count, columns },
      workgroups: count,
    });
  }
}

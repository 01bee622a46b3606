// The index of the greatest value of each row.
import { argmax as launch } from '@crossgate/kernels';
import type { Tensor } from '../tensor';
import { empty, expectTensor } from '../tensor';

/**
 * The column of the greatest value of each row, the lowest such column where several values are equal. No gradient.
 *
 * @param x f32 [..., columns].
 * @returns u32 [rows].
 * @throws InputError for another dtype.
 */
export function argmax(x: Tensor): Tensor {
  const { device, rows, columns } = x;
  expectTensor('argmax', 'x', x, 'f32');
  const out = empty(device, [rows], 'u32');
  launch(device, { x: x.slice, out: out.slice, rows, columns });
  return out;
}

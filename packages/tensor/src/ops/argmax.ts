// The index of the greatest value of each row.
import { argmax as launch } from '@crossgate/kernels';
import type { Tensor } from '../tensor';
import { empty, expectTensor } from '../tensor';

/** u32 [rows]: the column of the greatest value, the lowest where several are equal. No gradient. x [..., columns]. */
export function argmax(x: Tensor): Tensor {
  const { device, rows, columns } = x;
  expectTensor('argmax', 'x', x, 'f32');
  const out = empty(device, [rows], 'u32');
  launch(device, { x: x.slice, out: out.slice, rows, columns });
  return out;
}

// The sum of all elements.
import { sum as launch } from '@crossgate/kernels';
import type { Tensor } from '../tensor';
import { empty, expectTensor } from '../tensor';

/** f32 [1]: the sum of all elements; not a number where one of them is not. No gradient. x of any shape. */
export function sum(x: Tensor): Tensor {
  const { device, size } = x;
  expectTensor('sum', 'x', x, 'f32');
  const out = empty(device, [1]);
  launch(device, { x: x.slice, out: out.slice, count: size });
  return out;
}

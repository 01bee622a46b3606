// The sum of all elements.
import { sum as launch } from '@crossgate/kernels';
import type { Tensor } from '../tensor';
import { empty, expectTensor } from '../tensor';

/**
 * The sum of all elements, NaN where one of them is NaN. No gradient.
 *
 * @param x f32 of any shape.
 * @returns f32 [1].
 * @throws InputError for another dtype.
 */
export function sum(x: Tensor): Tensor {
  const { device, size } = x;
  expectTensor('sum', 'x', x, 'f32');
  const out = empty(device, [1]);
  launch(device, { x: x.slice, out: out.slice, count: size });
  return out;
}

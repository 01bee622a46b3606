// Rows of two matrices one below the other.
import type { BufferSlice } from '@crossgate/gpu';
import { record } from '../tape';
import type { Tensor } from '../tensor';
import { empty, expectTensor } from '../tensor';

/**
 * The rows of `a` followed by those of `b`.
 *
 * @param a f32 [m, columns]; @param b f32 [n, columns].
 * @returns f32 [m + n, columns].
 * @throws InputError for another dtype or shape.
 */
export function concatRows(a: Tensor, b: Tensor): Tensor {
  const { device, columns } = a;
  expectTensor('concatRows', 'a', a, 'f32', [-1, columns]);
  expectTensor('concatRows', 'b', b, 'f32', [-1, columns]);
  const out = empty(device, [a.rows + b.rows, columns]);
  const parts = (whole: BufferSlice): [BufferSlice, BufferSlice] => [
    { storage: whole.storage, offset: whole.offset, size: 4 * a.size },
    { storage: whole.storage, offset: whole.offset + 4 * a.size, size: 4 * b.size },
  ];
  const [top, bottom] = parts(out.slice);
  device.recorder.copy(a.slice, top);
  device.recorder.copy(b.slice, bottom);
  record('concatRows', [a, b], [out], [], ([gradient], into) => {
    parts(gradient!.slice).forEach((part, i) => {
      const input = i === 0 ? a : b;
      if (!into.needs(input)) return;
      // Copied, since a part may begin where no binding may.
      const copy = empty(device, input.shape);
      device.recorder.copy(part, copy.slice);
      into.give(input, copy);
    });
  });
  return out;
}

/** Benchmarks of kernels that treat every value or row alike, on the hidden states of a batch. */
import { addScaled, binary, fill, scaleRows, unary, unaryBackward } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, hidden } = sizes;
const count = tokens * hidden;

/** A benchmark over `count` values that reads and writes `arrays` arrays. */
function elementwise(launcher: string, arrays: number, note: string, prepare: LauncherBench['prepare']): LauncherBench {
  return { launcher, shape: `${tokens}x${hidden}${note && ` ${note}`}`, work: bytesOf(arrays * count), prepare };
}

export const benches: readonly LauncherBench[] = [
  ...(['relu', 'silu', 'tanh'] as const).map((operation) =>
    elementwise('unary', 2, operation, (context) => {
      const [x, out] = [context.floats(count), context.empty(count)];
      return () => unary(context.device, { operation, x, out, count });
    }),
  ),
  elementwise('unaryBackward', 3, 'relu', (context) => {
    const [x, gradOut, gradX] = [context.floats(count), context.floats(count), context.empty(count)];
    return () => unaryBackward(context.device, { operation: 'relu', x, gradOut, gradX, count });
  }),
  elementwise('binary', 3, 'add', (context) => {
    const [a, b, out] = [context.floats(count), context.floats(count), context.empty(count)];
    return () => binary(context.device, { operation: 'add', a, b, out, count });
  }),
  elementwise('addScaled', 3, '', (context) => {
    const [x, out] = [context.floats(count), context.empty(count)];
    return () => addScaled(context.device, { x, out, count, alpha: 1e-6 });
  }),
  elementwise('fill', 1, '', (context) => {
    const out = context.empty(count);
    return () => fill(context.device, { out, count, value: 1 });
  }),
  elementwise('scaleRows', 2, '', (context) => {
    const [x, scale, out] = [context.floats(count), context.floats(tokens), context.empty(count)];
    return () => scaleRows(context.device, { x, scale, out, rows: tokens, columns: hidden });
  }),
];

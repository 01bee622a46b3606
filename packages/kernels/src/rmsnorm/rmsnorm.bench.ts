/** Benchmarks of RMSNorm over the hidden states of a batch. */
import { addRmsNorm, planNorm, rmsNorm, rmsNormBackward } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, hidden } = sizes;
const count = tokens * hidden;
const shape = { rows: tokens, columns: hidden, epsilon: 1e-5 };
const variant: LauncherBench['variant'] = (capabilities) => planNorm(shape, capabilities).variant;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'rmsNorm',
    shape: `${tokens}x${hidden}`,
    work: bytesOf(count, hidden, count),
    variant,
    prepare: (context) => {
      const [x, weight, out] = [context.floats(count), context.floats(hidden), context.empty(count)];
      return () => rmsNorm(context.device, { x, weight, out, ...shape });
    },
  },
  {
    launcher: 'addRmsNorm',
    shape: `${tokens}x${hidden}`,
    work: bytesOf(count, count, hidden, count, count),
    variant,
    prepare: (context) => {
      const [x, y, weight] = [context.floats(count), context.floats(count), context.floats(hidden)];
      const [sum, out] = [context.empty(count), context.empty(count)];
      return () => addRmsNorm(context.device, { x, y, weight, sum, out, ...shape });
    },
  },
  ...[false, true].map(
    (withWeight): LauncherBench => ({
      launcher: 'rmsNormBackward',
      shape: `${tokens}x${hidden}${withWeight ? ' with weight gradient' : ''}`,
      work: bytesOf(count, hidden, count, count, withWeight ? hidden : 0),
      variant,
      prepare: (context) => {
        const [x, weight, gradOut] = [context.floats(count), context.floats(hidden), context.floats(count)];
        const gradX = context.empty(count);
        const gradWeight = withWeight ? { gradWeight: context.empty(hidden) } : {};
        return () => rmsNormBackward(context.device, { x, weight, gradOut, gradX, ...gradWeight, ...shape });
      },
    }),
  ),
];

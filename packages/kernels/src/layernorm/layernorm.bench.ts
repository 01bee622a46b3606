/** Benchmarks of LayerNorm over the hidden states of a batch. */
import { layerNorm, layerNormBackward, planNorm } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, hidden } = sizes;
const count = tokens * hidden;
const shape = { rows: tokens, columns: hidden, epsilon: 1e-5 };
const variant: LauncherBench['variant'] = (capabilities) => planNorm(shape, capabilities).variant;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'layerNorm',
    shape: `${tokens}x${hidden}`,
    work: bytesOf(count, 2 * hidden, count),
    variant,
    prepare: (context) => {
      const [x, weight, bias] = [context.floats(count), context.floats(hidden), context.floats(hidden)];
      const out = context.empty(count);
      return () => layerNorm(context.device, { x, weight, bias, out, ...shape });
    },
  },
  {
    launcher: 'layerNormBackward',
    shape: `${tokens}x${hidden} with weight and bias gradient`,
    work: bytesOf(count, hidden, count, count, 2 * hidden),
    variant,
    prepare: (context) => {
      const [x, weight, gradOut] = [context.floats(count), context.floats(hidden), context.floats(count)];
      const [gradX, gradWeight, gradBias] = [context.empty(count), context.empty(hidden), context.empty(hidden)];
      const args = { x, weight, gradOut, gradX, gradWeight, gradBias, ...shape };
      return () => layerNormBackward(context.device, args);
    },
  },
];

/** Benchmark of the gradient of a norm's weight. */
import { normWeightGradient } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, hidden } = sizes;
const count = tokens * hidden;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'normWeightGradient',
    shape: `${tokens}x${hidden} of RMSNorm`,
    work: bytesOf(2 * count, tokens, hidden),
    prepare: (context) => {
      const [x, gradOut] = [context.floats(count), context.floats(count)];
      const [statistics, gradWeight] = [context.floats(tokens), context.empty(hidden)];
      const args = { x, gradOut, statistics, centered: false, gradWeight, rows: tokens, columns: hidden };
      return () => normWeightGradient(context.device, args);
    },
  },
];

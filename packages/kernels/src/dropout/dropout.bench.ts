/** Benchmark of dropout on the hidden states of a batch. */
import { dropout } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, hidden } = sizes;
const count = tokens * hidden;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'dropout',
    shape: `${tokens}x${hidden}`,
    work: bytesOf(2 * count),
    prepare: (context) => {
      const [x, out] = [context.floats(count), context.empty(count)];
      const options = { probability: 0.05, seed: 1, stream: 2, counter: 3 };
      return () => dropout(context.device, { x, out, count, ...options });
    },
  },
];

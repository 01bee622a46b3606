/** Benchmark of rounding the hidden states of a batch to halves. */
import { narrow } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, hidden } = sizes;
const count = tokens * hidden;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'narrow',
    shape: `${tokens}x${hidden}`,
    work: bytesOf(count, count / 2),
    prepare: (context) => {
      const [x, out] = [context.floats(count), context.empty(count / 2)];
      return () => narrow(context.device, { x, out, count });
    },
  },
];

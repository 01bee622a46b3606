/** Benchmark of the scores of a batch of user-item pairs. */
import { planRowDot, rowDot } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { cfBatch, cfDim } = sizes;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'rowDot',
    shape: `${cfBatch}x${cfDim}`,
    work: bytesOf(2 * cfBatch * cfDim, cfBatch),
    variant: (capabilities) => planRowDot({ columns: cfDim }, capabilities).variant,
    prepare: (context) => {
      const [a, b] = [context.floats(cfBatch * cfDim), context.floats(cfBatch * cfDim)];
      const out = context.empty(cfBatch);
      return () => rowDot(context.device, { a, b, out, rows: cfBatch, columns: cfDim });
    },
  },
];

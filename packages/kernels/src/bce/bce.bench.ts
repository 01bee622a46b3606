/** Benchmark of the loss of matrix factorization. */
import { bceWithLogits } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { cfBatch } = sizes;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'bceWithLogits',
    shape: `${cfBatch}`,
    work: bytesOf(4 * cfBatch),
    prepare: (context) => {
      const logits = context.floats(cfBatch, 3);
      const labels = context.upload(Float32Array.from({ length: cfBatch }, (_, i) => i % 2));
      const [loss, gradLogits] = [context.empty(cfBatch), context.empty(cfBatch)];
      return () => bceWithLogits(context.device, { logits, labels, loss, gradLogits, rows: cfBatch });
    },
  },
];

/** Benchmark of the loss of a batch of answers. */
import { yesNoLoss } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { vocab } = sizes;
const rows = 16;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'yesNoLoss',
    shape: `${rows}x${vocab} eq5`,
    work: bytesOf(2 * rows * vocab, 2 * rows),
    prepare: (context) => {
      const logits = context.floats(rows * vocab, 5);
      const labels = context.upload(Float32Array.from({ length: rows }, (_, i) => i % 2));
      const [loss, score] = [context.empty(rows), context.empty(rows)];
      const gradLogits = context.empty(rows * vocab);
      const options = { rows, vocab, yesToken: 7, noToken: 9, kind: 'eq5', k: 2, bprOn: 'probability' } as const;
      return () => yesNoLoss(context.device, { logits, labels, loss, score, gradLogits, ...options });
    },
  },
];

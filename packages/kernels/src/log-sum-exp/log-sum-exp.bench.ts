/** Benchmark of the normalizer of a batch of logits. */
import { logSumExp } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, vocab } = sizes;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'logSumExp',
    shape: `${tokens}x${vocab}`,
    work: bytesOf(tokens * vocab, tokens),
    prepare: (context) => {
      const [x, out] = [context.floats(tokens * vocab, 5), context.empty(tokens)];
      return () => logSumExp(context.device, { x, out, rows: tokens, columns: vocab });
    },
  },
];

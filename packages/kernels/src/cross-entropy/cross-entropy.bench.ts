/** Benchmark of the loss of a language model. */
import { crossEntropy } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, vocab } = sizes;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'crossEntropy',
    shape: `${tokens}x${vocab}`,
    work: bytesOf(2 * tokens * vocab, 2 * tokens),
    prepare: (context) => {
      const [logits, targets] = [context.floats(tokens * vocab, 5), context.integers(tokens, vocab)];
      const [loss, gradLogits] = [context.empty(tokens), context.empty(tokens * vocab)];
      return () => crossEntropy(context.device, { logits, targets, loss, gradLogits, rows: tokens, vocab });
    },
  },
];

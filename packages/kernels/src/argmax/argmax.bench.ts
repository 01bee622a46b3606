/** Benchmark of greedy choice over a vocabulary. */
import { argmax } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { sequences, vocab } = sizes;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'argmax',
    shape: `${sequences}x${vocab}`,
    work: bytesOf(sequences * vocab, sequences),
    prepare: (context) => {
      const [x, out] = [context.floats(sequences * vocab), context.empty(sequences)];
      return () => argmax(context.device, { x, out, rows: sequences, columns: vocab });
    },
  },
];

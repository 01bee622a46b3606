/** Benchmark of the rotation of a batch of queries. */
import { rope, ropeTable } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, sequences, heads, headDim } = sizes;
const count = tokens * heads * headDim;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'rope',
    shape: `${tokens} tokens, ${heads} heads of ${headDim}`,
    work: bytesOf(count, count, tokens),
    prepare: (context) => {
      const table = context.upload(ropeTable(512, headDim, 10_000));
      const positions = context.upload(Uint32Array.from({ length: tokens }, (_, i) => i % (tokens / sequences)));
      const [x, out] = [context.floats(count), context.empty(count)];
      return () => rope(context.device, { x, positions, table, out, tokens, heads, headDim });
    },
  },
];

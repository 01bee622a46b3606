/** Benchmark of one layer of propagation on the graph of positives. */
import { sparsePropagation } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { cfDim, items } = sizes;
/** Entries of MovieLens-1M's graph of train positives. */
const graphEntries = 18_192;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'sparsePropagation',
    shape: `${graphEntries} entries, ${items} rows of ${cfDim}`,
    work: bytesOf(graphEntries * cfDim, items * cfDim, 2 * graphEntries),
    prepare: (context) => {
      const offsets = Uint32Array.from({ length: items + 1 }, (_, r) => Math.floor((r * graphEntries) / items));
      const args = {
        offsets: context.upload(offsets),
        neighbors: context.integers(graphEntries, items),
        weights: context.floats(graphEntries),
        x: context.floats(items * cfDim),
        out: context.empty(items * cfDim),
      };
      return () => sparsePropagation(context.device, { ...args, rows: items, inputRows: items, columns: cfDim });
    },
  },
];

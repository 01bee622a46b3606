/** Benchmark of the lookup of a batch of embeddings. */
import { gather } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { cfBatch, cfDim, items } = sizes;
const values = cfBatch * cfDim;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'gather',
    shape: `${cfBatch} rows of ${cfDim} from ${items}`,
    work: bytesOf(2 * values, cfBatch),
    prepare: (context) => {
      const [table, indices] = [context.floats(items * cfDim), context.integers(cfBatch, items)];
      const out = context.empty(values);
      const shape = { rows: cfBatch, columns: cfDim, tableRows: items };
      return () => gather(context.device, { table, indices, out, ...shape });
    },
  },
];

/** Benchmark of the order of an epoch of 32 batches. */
import { batchStride, shuffle } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { cfBatch } = sizes;
const batches = 32;
const rows = batches * cfBatch;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'shuffle',
    shape: `${rows} rows`,
    work: bytesOf(rows),
    prepare: (context) => {
      const layout = { batches, batchSize: cfBatch, stride: batchStride(context.device, cfBatch) };
      const out = context.empty(batches * layout.stride);
      const keys = [...context.hostIntegers(8, 2 ** 32)];
      return () => shuffle(context.device, { out, first: 0, rows, keys, ...layout });
    },
  },
];

/** Benchmark of the sorted rows of 32 batches. */
import { batchStride, sortedSegments } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { cfBatch, items } = sizes;
const batches = 32;
const rows = batches * cfBatch;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'sortedSegments',
    shape: `${batches} batches of ${cfBatch} keys below ${items}`,
    work: bytesOf(4 * rows),
    prepare: (context) => {
      const layout = { batches, batchSize: cfBatch, stride: batchStride(context.device, cfBatch) };
      const count = batches * layout.stride;
      const keys = context.integers(count, items);
      const [positions, offsets, targets] = [context.empty(count), context.empty(count), context.empty(count)];
      return () => sortedSegments(context.device, { keys, positions, offsets, targets, count: rows, ...layout });
    },
  },
];

/** Benchmark of the gradient of a table of embeddings. */
import { buildSegments, segmentSum } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { cfBatch, cfDim, items } = sizes;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'segmentSum',
    shape: `${cfBatch} rows of ${cfDim} into ${items}`,
    work: bytesOf(2 * cfBatch * cfDim, 3 * cfBatch),
    prepare: (context) => {
      const { offsets, positions, targets } = buildSegments(context.hostIntegers(cfBatch, items));
      const [values, out] = [context.floats(cfBatch * cfDim), context.empty(items * cfDim)];
      const segmentOffsets = context.upload(offsets);
      const segmentPositions = context.upload(positions);
      const args = { values, segmentOffsets, segmentPositions, targets: context.upload(targets), out };
      return () => segmentSum(context.device, { ...args, segments: targets.length, columns: cfDim });
    },
  },
];

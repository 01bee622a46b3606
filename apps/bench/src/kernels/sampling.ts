/** Benchmarks of what CF training does to its batches on the device, and of ranking. */
import { batchStride, sampleNegatives, shuffle, sortedSegments, topK } from '@crossgate/kernels';
import { type BenchContext, bytesOf, type KernelBench, sizes } from './bench';

const { cfBatch, cfDim, items, users } = sizes;
const batches = 32;
const rows = batches * cfBatch;
const layoutOf = ({ device }: BenchContext) => ({ batches, batchSize: cfBatch, stride: batchStride(device, cfBatch) });

export const samplingBenches: readonly KernelBench[] = [
  {
    kernel: 'shuffle',
    launcher: 'shuffle',
    shape: `${rows} rows`,
    work: bytesOf(rows),
    prepare: (context) => {
      const layout = layoutOf(context);
      const out = context.empty(batches * layout.stride);
      const keys = [...context.hostIntegers(8, 2 ** 32)];
      return () => shuffle(context.device, { out, first: 0, rows, keys, ...layout });
    },
  },
  {
    kernel: 'sorted-segments',
    launcher: 'sortedSegments',
    shape: `${batches} batches of ${cfBatch} keys below ${items}`,
    work: bytesOf(4 * rows),
    prepare: (context) => {
      const layout = layoutOf(context);
      const count = batches * layout.stride;
      const keys = context.integers(count, items);
      const [positions, offsets, targets] = [context.empty(count), context.empty(count), context.empty(count)];
      return () => sortedSegments(context.device, { keys, positions, offsets, targets, count: rows, ...layout });
    },
  },
  {
    kernel: 'sample-negatives',
    launcher: 'sampleNegatives',
    shape: `${rows} rows, ${users} users with 20 of ${items} items`,
    work: bytesOf(2 * rows),
    prepare: (context) => {
      const layout = layoutOf(context);
      const count = batches * layout.stride;
      const args = {
        users: context.integers(count, users),
        candidates: context.upload(Uint32Array.from({ length: items }, (_, item) => item)),
        candidateCount: items,
        positiveOffsets: context.upload(Uint32Array.from({ length: users + 1 }, (_, user) => 20 * user)),
        positives: context.upload(Uint32Array.from({ length: 20 * users }, (_, i) => (i % 20) * 160)),
        out: context.empty(count),
      };
      return () => sampleNegatives(context.device, { ...args, count: rows, first: 0, epoch: 0, seed: 1, ...layout });
    },
  },
  {
    kernel: 'top-k',
    launcher: 'topK',
    shape: `10 of ${items} items, ${users} users, width ${cfDim}`,
    work: { flops: 2 * users * items * cfDim },
    prepare: (context) => {
      const args = {
        users: context.floats(users * cfDim),
        items: context.floats(items * cfDim),
        bias: context.floats(items),
        excludedOffsets: context.empty(users + 1),
        excluded: context.empty(1),
        scores: context.empty(users * 10),
        ids: context.empty(users * 10),
        counts: context.empty(users),
      };
      return () => topK(context.device, { ...args, userRows: users, itemRows: items, columns: cfDim, k: 10 });
    },
  },
];

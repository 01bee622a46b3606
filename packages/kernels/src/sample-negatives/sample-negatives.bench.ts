/** Benchmark of the negatives of 32 batches. */
import { batchStride, sampleNegatives } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { cfBatch, items, users } = sizes;
const batches = 32;
const rows = batches * cfBatch;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'sampleNegatives',
    shape: `${rows} rows, ${users} users with 20 of ${items} items`,
    work: bytesOf(2 * rows),
    prepare: (context) => {
      const layout = { batches, batchSize: cfBatch, stride: batchStride(context.device, cfBatch) };
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
];

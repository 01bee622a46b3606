/** Benchmark of the lists of all users. */
import { topK } from '@crossgate/kernels';
import { type LauncherBench, sizes } from '../../test/bench';

const { cfDim, items, users } = sizes;

export const benches: readonly LauncherBench[] = [
  {
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

// Three ranks in one process share ten rows and sum what they have.
import { inProcess, shareOf } from '@crossgate/collective';

const sums = await Promise.all(
  inProcess(3).map(async (ranks) => {
    const { start, end } = shareOf(10, ranks);
    const values = Float32Array.of(end - start, ranks.rank);
    await ranks.allReduce(values);
    return [...values];
  }),
);
console.log(sums);

/** Benchmarks of sums over the tables of matrix factorization, and of the factor of clipping. */
import { clipFactor, sum, sumOfSquares } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { users, items, cfDim } = sizes;
const count = (users + items) * cfDim;

export const benches: readonly LauncherBench[] = [
  ...[sum, sumOfSquares].map(
    (launch): LauncherBench => ({
      launcher: launch.name,
      shape: `${count}`,
      work: bytesOf(count),
      prepare: (context) => {
        const [x, out] = [context.floats(count), context.empty(1)];
        return () => launch(context.device, { x, out, count });
      },
    }),
  ),
  {
    launcher: 'clipFactor',
    shape: '1',
    work: bytesOf(2),
    prepare: (context) => {
      const [squares, out] = [context.upload(Float32Array.of(4)), context.empty(1)];
      return () => clipFactor(context.device, { sumOfSquares: squares, out, maxNorm: 1 });
    },
  },
];

/** Benchmarks of the gradients of biases. */
import { columnSum, planColumnSum } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, hidden, cfDim } = sizes;

function columnSumBench(rows: number, columns: number): LauncherBench {
  return {
    launcher: 'columnSum',
    shape: `${rows}x${columns}`,
    work: bytesOf(rows * columns, columns),
    variant: (capabilities) => {
      const { vector, splits } = planColumnSum({ rows, columns }, capabilities);
      return `${vector ? 'vector' : 'scalar'} split ${splits}`;
    },
    prepare: (context) => {
      const x = context.floats(rows * columns);
      const out = context.empty(columns);
      return () => columnSum(context.device, { x, out, rows, columns });
    },
  };
}

export const benches: readonly LauncherBench[] = [columnSumBench(tokens, hidden), columnSumBench(300, 10 * cfDim)];

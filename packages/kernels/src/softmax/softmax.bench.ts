/** Benchmarks of softmax over a batch of logits. */
import { planSoftmax, softmax, softmaxBackward } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, vocab } = sizes;
const count = tokens * vocab;
const shape = { rows: tokens, columns: vocab };
const variant: LauncherBench['variant'] = (capabilities) => planSoftmax(shape, capabilities).variant;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'softmax',
    shape: `${tokens}x${vocab}`,
    work: bytesOf(2 * count),
    variant,
    prepare: (context) => {
      const [x, out] = [context.floats(count, 5), context.empty(count)];
      return () => softmax(context.device, { x, out, ...shape });
    },
  },
  {
    launcher: 'softmaxBackward',
    shape: `${tokens}x${vocab}`,
    work: bytesOf(3 * count),
    variant,
    prepare: (context) => {
      const [out, gradOut, gradX] = [context.floats(count), context.floats(count), context.empty(count)];
      return () => softmaxBackward(context.device, { out, gradOut, gradX, ...shape });
    },
  },
];

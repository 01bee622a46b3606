/** Benchmarks of the gated activation of a feed-forward layer. */
import { swiglu, swigluBackward } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, feedForward } = sizes;
const count = tokens * feedForward;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'swiglu',
    shape: `${tokens}x${feedForward}`,
    work: bytesOf(3 * count),
    prepare: (context) => {
      const [gate, up, out] = [context.floats(count), context.floats(count), context.empty(count)];
      return () => swiglu(context.device, { gate, up, out, count });
    },
  },
  {
    launcher: 'swigluBackward',
    shape: `${tokens}x${feedForward}`,
    work: bytesOf(5 * count),
    prepare: (context) => {
      const [gate, up, gradOut] = [context.floats(count), context.floats(count), context.floats(count)];
      const [gradGate, gradUp] = [context.empty(count), context.empty(count)];
      return () => swigluBackward(context.device, { gate, up, gradOut, gradGate, gradUp, count });
    },
  },
];

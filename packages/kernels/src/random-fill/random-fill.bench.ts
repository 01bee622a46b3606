/** Benchmark of random contents, in halves as weights have them. */
import { randomFill } from '@crossgate/kernels';
import { bytesOf, type LauncherBench } from '../../test/bench';

const words = 2 ** 18;

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'randomFill',
    shape: `${2 * words} halves`,
    work: bytesOf(words),
    prepare: (context) => {
      const out = context.empty(words);
      return () => randomFill(context.device, { out, kind: 'f16', seed: 1, stream: 2 });
    },
  },
];

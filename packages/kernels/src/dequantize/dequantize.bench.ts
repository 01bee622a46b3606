/** Benchmarks of the stored types that model files use most. */
import { dequantize, storedFormats } from '@crossgate/kernels';
import { bytesOf, type LauncherBench } from '../../test/bench';

const count = 2 ** 20;

export const benches: readonly LauncherBench[] = (['F16', 'Q8_0', 'Q4_1', 'Q4_K', 'Q6_K'] as const).map((type) => {
  const { blockSize, blockBytes } = storedFormats[type];
  const words = ((count / blockSize) * blockBytes) / 4;
  return {
    launcher: 'dequantize',
    shape: `${count} ${type}`,
    work: bytesOf(count, words),
    prepare: (context) => {
      const [blocks, out] = [context.integers(words, 2 ** 32), context.empty(count)];
      return () => dequantize(context.device, { type, blocks, out, count });
    },
  };
});

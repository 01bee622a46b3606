/** Benchmark of one decision about the loss scale. */
import { lossScaleStateSize, updateControlSize, updateLossScale } from '@crossgate/kernels';
import { bytesOf, type LauncherBench } from '../../test/bench';

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'updateLossScale',
    shape: '1',
    work: bytesOf(1 + 2 * lossScaleStateSize + updateControlSize),
    prepare: (context) => {
      const sumOfSquares = context.upload(Float32Array.of(1));
      const [state, control] = [context.upload(Float32Array.of(2, 0, 0, 0, 0)), context.empty(updateControlSize)];
      const rules = { maxNorm: 1, growthInterval: 2000, minScale: 1, maxScale: 2 ** 24 };
      const args = { sumOfSquares, state, control, beta1: 0.9, beta2: 0.999, ...rules };
      return () => updateLossScale(context.device, args);
    },
  },
];

/** LayerNorm against the float64 reference, both variants, vectors and scalars, on ragged shapes. */
import * as reference from '@crossgate/testing';
import { expectClose, randomNormal } from '@crossgate/testing';
import { download, upload, uploadFilled } from '../../test/harness';
import { describeNorm } from '../../test/norms';
import { layerNorm, layerNormBackward } from './layernorm';

describeNorm({
  name: 'layerNorm',
  forward: layerNorm,
  backward: layerNormBackward,
  reference: ({ x, weight, bias, epsilon }) => reference.layerNorm(x, weight, bias, epsilon),
  gradients: ({ x, weight, gradient, epsilon }) => reference.layerNormBackward(x, weight, gradient, epsilon),
  // Far from zero mean: a variance by mean(x²) − mean(x)² would lose digits.
  offset: 100,
  tolerance: { out: 2e-4, input: 2e-4, weight: 1e-4 },
  more: async (device, args, { x, weight, gradient, epsilon }, { label, absolute }) => {
    const { bias } = reference.layerNormBackward(x, weight, gradient, epsilon);
    const before = randomNormal([args.columns], 4);
    const [gradBias, accumulated] = [uploadFilled(device, args.columns), upload(device, before)];
    layerNormBackward(device, { ...args, gradBias });
    expectClose(await download(device, gradBias), bias, { label: `gradBias ${label}`, absolute });
    layerNormBackward(device, { ...args, gradBias: accumulated, accumulateBias: true });
    const sums = bias.data.map((value, c) => value + before.data[c]!);
    expectClose(await download(device, accumulated), sums, { label: `bias ${label}`, absolute });
  },
});

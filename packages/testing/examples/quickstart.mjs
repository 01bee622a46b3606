// Holds a closed-form gradient against finite differences, and a result in f32 against the float64 reference.
import { checkGradient, expectClose, innerProduct, randomNormal, rmsNorm, rmsNormBackward } from '@crossgate/testing';

const x = randomNormal([3, 8], 1); // repeatable by seed, already rounded to f32
const weight = randomNormal([8], 2);
const upstream = randomNormal([3, 8], 3);

checkGradient({
  value: (data) => innerProduct(upstream, rmsNorm({ shape: x.shape, data }, weight)),
  gradient: rmsNormBackward(x, weight, upstream).input.data,
  at: x.data,
});

// In a test, this comes from the GPU.
const result = Float32Array.from(rmsNorm(x, weight).data);
expectClose(result, rmsNorm(x, weight), { relative: 1e-5, absolute: 1e-6, label: 'rmsNorm' });
console.log('the gradient and the result hold');

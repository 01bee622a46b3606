/** Benchmarks of the fused optimizer step over the tables of matrix factorization. */
import { adam } from '@crossgate/kernels';
import { bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { users, items, cfDim } = sizes;
const count = (users + items) * cfDim;

export const benches: readonly LauncherBench[] = [false, true].map((decoupled) => ({
  launcher: 'adam',
  shape: `${count} ${decoupled ? 'AdamW' : 'Adam, coupled decay'}`,
  // Value and both moments are read and written, the gradient is read.
  work: bytesOf(7 * count),
  prepare: (context) => {
    const [value, gradient] = [context.floats(count), context.floats(count)];
    const [firstMoment, secondMoment] = [context.empty(count), context.empty(count)];
    const options = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4, decoupled };
    const args = { value, gradient, firstMoment, secondMoment, count, step: 1, ...options };
    return () => adam(context.device, args);
  },
}));

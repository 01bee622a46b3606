/** Benchmarks of kernels that treat every value or row alike, and of reductions. */
import {
  adam,
  addScaled,
  binary,
  clipFactor,
  dequantize,
  dropout,
  fill,
  lossScaleStateSize,
  narrow,
  planRowDot,
  rowDot,
  scaleRows,
  storedFormats,
  sum,
  sumOfSquares,
  unary,
  unaryBackward,
  updateControlSize,
  updateLossScale,
} from '@crossgate/kernels';
import { type BenchContext, bytesOf, type KernelBench, sizes } from './bench';

const { tokens, hidden, cfBatch, cfDim, users, items } = sizes;
const count = tokens * hidden;
/** Values of matrix factorization's tables: one fused optimizer step. */
const parameters = (users + items) * cfDim;

/** An elementwise benchmark over `count` values that reads and writes `arrays` arrays. */
function elementwise(
  launcher: string,
  arrays: number,
  note: string,
  prepare: (context: BenchContext) => () => void,
): KernelBench {
  const shape = `${tokens}x${hidden}${note && ` ${note}`}`;
  return { kernel: 'elementwise', launcher, shape, work: bytesOf(arrays * count), prepare };
}

export const elementwiseBenches: readonly KernelBench[] = [
  ...(['relu', 'silu', 'tanh'] as const).map((operation) =>
    elementwise('unary', 2, operation, (context) => {
      const [x, out] = [context.floats(count), context.empty(count)];
      return () => unary(context.device, { operation, x, out, count });
    }),
  ),
  elementwise('unaryBackward', 3, 'relu', (context) => {
    const [x, gradOut, gradX] = [context.floats(count), context.floats(count), context.empty(count)];
    return () => unaryBackward(context.device, { operation: 'relu', x, gradOut, gradX, count });
  }),
  elementwise('binary', 3, 'add', (context) => {
    const [a, b, out] = [context.floats(count), context.floats(count), context.empty(count)];
    return () => binary(context.device, { operation: 'add', a, b, out, count });
  }),
  elementwise('addScaled', 3, '', (context) => {
    const [x, out] = [context.floats(count), context.empty(count)];
    return () => addScaled(context.device, { x, out, count, alpha: 1e-6 });
  }),
  elementwise('fill', 1, '', (context) => {
    const out = context.empty(count);
    return () => fill(context.device, { out, count, value: 1 });
  }),
  elementwise('scaleRows', 2, '', (context) => {
    const [x, scale, out] = [context.floats(count), context.floats(tokens), context.empty(count)];
    return () => scaleRows(context.device, { x, scale, out, rows: tokens, columns: hidden });
  }),
  {
    kernel: 'dropout',
    launcher: 'dropout',
    shape: `${tokens}x${hidden}`,
    work: bytesOf(2 * count),
    prepare: (context) => {
      const [x, out] = [context.floats(count), context.empty(count)];
      const options = { probability: 0.05, seed: 1, stream: 2, counter: 3 };
      return () => dropout(context.device, { x, out, count, ...options });
    },
  },
  {
    kernel: 'row-dot',
    launcher: 'rowDot',
    shape: `${cfBatch}x${cfDim}`,
    work: bytesOf(2 * cfBatch * cfDim, cfBatch),
    variant: (capabilities) => planRowDot({ columns: cfDim }, capabilities).variant,
    prepare: (context) => {
      const [a, b] = [context.floats(cfBatch * cfDim), context.floats(cfBatch * cfDim)];
      const out = context.empty(cfBatch);
      return () => rowDot(context.device, { a, b, out, rows: cfBatch, columns: cfDim });
    },
  },
  ...[sum, sumOfSquares].map(
    (launch): KernelBench => ({
      kernel: 'reduce',
      launcher: launch.name,
      shape: `${parameters}`,
      work: bytesOf(parameters),
      prepare: (context) => {
        const [x, out] = [context.floats(parameters), context.empty(1)];
        return () => launch(context.device, { x, out, count: parameters });
      },
    }),
  ),
  {
    kernel: 'reduce',
    launcher: 'clipFactor',
    shape: '1',
    work: bytesOf(2),
    prepare: (context) => {
      const [squares, out] = [context.upload(Float32Array.of(4)), context.empty(1)];
      return () => clipFactor(context.device, { sumOfSquares: squares, out, maxNorm: 1 });
    },
  },
  {
    kernel: 'narrow',
    launcher: 'narrow',
    shape: `${tokens}x${hidden}`,
    work: bytesOf(count, count / 2),
    prepare: (context) => {
      const [x, out] = [context.floats(count), context.empty(count / 2)];
      return () => narrow(context.device, { x, out, count });
    },
  },
  {
    kernel: 'loss-scale',
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
  ...(['F16', 'Q8_0', 'Q4_1', 'Q4_K', 'Q6_K'] as const).map((type): KernelBench => {
    const values = 2 ** 20;
    const { blockSize, blockBytes } = storedFormats[type];
    const words = ((values / blockSize) * blockBytes) / 4;
    return {
      kernel: 'dequantize',
      launcher: 'dequantize',
      shape: `${values} ${type}`,
      work: bytesOf(values, words),
      prepare: (context) => {
        const [blocks, out] = [context.integers(words, 2 ** 32), context.empty(values)];
        return () => dequantize(context.device, { type, blocks, out, count: values });
      },
    };
  }),
  ...[false, true].map(
    (decoupled): KernelBench => ({
      kernel: 'adam',
      launcher: 'adam',
      shape: `${parameters} ${decoupled ? 'AdamW' : 'Adam, coupled decay'}`,
      // Value and both moments are read and written, the gradient is read.
      work: bytesOf(7 * parameters),
      prepare: (context) => {
        const [value, gradient] = [context.floats(parameters), context.floats(parameters)];
        const [firstMoment, secondMoment] = [context.empty(parameters), context.empty(parameters)];
        const options = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4, decoupled };
        const args = { value, gradient, firstMoment, secondMoment, count: parameters, step: 1, ...options };
        return () => adam(context.device, args);
      },
    }),
  ),
];

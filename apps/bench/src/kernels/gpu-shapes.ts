/**
 * Benchmarks at the sizes of large models: every product, and the kernels that take most time beside them, of a training
 * step of LLaMA-7B and SmolLM2-135M. Their data are made on the device, which the host would take minutes for.
 */
import type { BufferSlice } from '@crossgate/gpu';
import {
  adam,
  addRmsNorm,
  dropout,
  halfPaddedColumns,
  type MatmulPrecision,
  matmul,
  matrixObstacle,
  type NarrowMatrix,
  planMatmul,
  quantizedLayout,
  randomFill,
  rmsNormBackward,
  rope,
  ropeTable,
  swiglu,
  swigluBackward,
} from '@crossgate/kernels';
import { attentionOf } from '../probe/cases';
import type { ModelSizes } from '../random-model';
import { loraSettings } from '../training/model-steps';
import { stepCases } from '../training/step-cases';
import type { BenchContext, KernelBench } from '.';

/** Types of a weight that a product is measured with. */
const dtypes = ['f32', 'f16', 'int4'] as const;
/** Types in which it multiplies. */
const precisions = ['f32', 'f16'] as const satisfies readonly MatmulPrecision[];
const { rank } = loraSettings;

/** Memory for `count` elements of 32 bits, in whole blocks of four. */
const empty = ({ device }: BenchContext, count: number) => device.memory.allocate(16 * Math.ceil(count / 4));

/** Values in [−1, 1), made on the device. */
function floats(context: BenchContext, count: number): BufferSlice {
  const out = empty(context, count);
  randomFill(context.device, { out, kind: 'f32', seed: Math.floor(2 ** 32 * context.random()), stream: 0 });
  return out;
}

/** A weight of a type with values around those of {@link floats}. */
function weightOf(
  context: BenchContext,
  rows: number,
  columns: number,
  dtype: (typeof dtypes)[number],
): BufferSlice | NarrowMatrix {
  if (dtype === 'f32') return floats(context, rows * columns);
  const random = { seed: Math.floor(2 ** 32 * context.random()), stream: 1 };
  if (dtype === 'f16') {
    const values = empty(context, (rows * halfPaddedColumns(columns)) / 2);
    randomFill(context.device, { ...random, out: values, kind: 'f16' });
    return { bits: 16, bfloat: false, values };
  }
  const { quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, 4);
  const [quants, scales] = [empty(context, rows * quantWordsPerRow), empty(context, rows * scaleWordsPerRow)];
  randomFill(context.device, { ...random, out: quants, kind: 'words' });
  randomFill(context.device, { ...random, out: scales, kind: 'f16', low: 1 / 16, high: 1 / 8 });
  return { bits: 4, scaling: 'scale', quants, scales };
}

interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly note: string;
}

function productOf(
  model: string,
  product: Product,
  dtype: (typeof dtypes)[number],
  precision: MatmulPrecision,
): KernelBench {
  const { m, n, k, transposeA = false, transposeB = false } = product;
  const note = precision === 'f16' ? `${product.note}; matrix units` : product.note;
  const layout = `${transposeA ? 'Aᵀ' : 'A'}·${transposeB ? 'Bᵀ' : 'B'}`;
  return {
    ...{ kernel: 'matmul', launcher: 'matmul', shape: `${model} ${m}x${n}x${k} ${layout} (${note})` },
    ...(dtype !== 'f32' && { dtype }),
    work: { flops: 2 * m * n * k },
    variant: (capabilities) => {
      const plan = planMatmul({ ...product, precision }, capabilities);
      return `${plan.variant} ${plan.rows}x${plan.columns}${plan.splits > 1 ? ` split ${plan.splits}` : ''}`;
    },
    ...(precision === 'f16' && { when: (capabilities) => matrixObstacle(capabilities) === null }),
    prepare: (context) => {
      const a = floats(context, m * k);
      const b = weightOf(context, ...(transposeB ? ([n, k] as const) : ([k, n] as const)), dtype);
      const out = empty(context, m * n);
      return () => matmul(context.device, { a, b, out, m, n, k, transposeA, transposeB, precision });
    },
  };
}

/** Products with frozen weights: forward, and the gradient of the input. */
function frozenProducts({ hiddenSize, intermediateSize, heads, keyValueHeads }: ModelSizes, m: number): Product[] {
  const keyWidth = (hiddenSize / heads) * keyValueHeads;
  const layers = [
    { outputs: hiddenSize, inputs: hiddenSize, note: 'queries, output' },
    ...(keyWidth === hiddenSize ? [] : [{ outputs: keyWidth, inputs: hiddenSize, note: 'keys, values' }]),
    { outputs: intermediateSize, inputs: hiddenSize, note: 'gate, up' },
    { outputs: hiddenSize, inputs: intermediateSize, note: 'down' },
  ];
  return layers.flatMap(({ outputs, inputs, note }) => [
    { m, n: outputs, k: inputs, transposeB: true, note },
    { m, n: inputs, k: outputs, note: `${note}: input gradient` },
  ]);
}

/** Products of adapters on queries and values that a step dispatches: the others are updates of products with weights. */
function loraProducts({ hiddenSize: hidden, heads, keyValueHeads }: ModelSizes, tokens: number): Product[] {
  const widths = [...new Set([hidden, (hidden / heads) * keyValueHeads])];
  return [
    { m: tokens, n: rank, k: hidden, transposeB: true, note: 'LoRA down' },
    { m: rank, n: hidden, k: tokens, transposeA: true, note: 'LoRA gradient of down' },
    ...widths.flatMap((outputs) => [
      { m: tokens, n: rank, k: outputs, note: 'LoRA gradient through up' },
      { m: outputs, n: rank, k: tokens, transposeA: true, note: 'LoRA gradient of up' },
    ]),
  ];
}

/** A kernel that memory limits: so many elements of 32 bits are read and written once. */
function streaming(
  kernel: string,
  launcher: string,
  shape: string,
  elements: number,
  prepare: KernelBench['prepare'],
): KernelBench {
  return { kernel, launcher, shape, work: { bytes: 4 * elements }, prepare };
}

/** What stands between the products of a layer. */
function elementwiseOf(model: string, sizes: ModelSizes, tokens: number, length: number): KernelBench[] {
  const { hiddenSize: columns, intermediateSize, heads } = sizes;
  const [count, inner, headDim] = [tokens * columns, tokens * intermediateSize, columns / heads];
  const shape = `${model} ${tokens}x${columns}`;
  const norm = { rows: tokens, columns, epsilon: 1e-5 };
  return [
    streaming('swiglu', 'swiglu', `${model} ${tokens}x${intermediateSize}`, 3 * inner, (context) => {
      const [gate, up, out] = [floats(context, inner), floats(context, inner), empty(context, inner)];
      return () => swiglu(context.device, { gate, up, out, count: inner });
    }),
    streaming('swiglu', 'swigluBackward', `${model} ${tokens}x${intermediateSize}`, 5 * inner, (context) => {
      const [gate, up, gradOut] = [floats(context, inner), floats(context, inner), floats(context, inner)];
      const [gradGate, gradUp] = [empty(context, inner), empty(context, inner)];
      return () => swigluBackward(context.device, { gate, up, gradOut, gradGate, gradUp, count: inner });
    }),
    streaming('rmsnorm', 'addRmsNorm', shape, 4 * count + columns, (context) => {
      const [x, y, weight] = [floats(context, count), floats(context, count), floats(context, columns)];
      const [sum, out] = [empty(context, count), empty(context, count)];
      return () => addRmsNorm(context.device, { x, y, weight, sum, out, ...norm });
    }),
    streaming('rmsnorm', 'rmsNormBackward', shape, 3 * count + columns, (context) => {
      const [x, weight, gradOut] = [floats(context, count), floats(context, columns), floats(context, count)];
      const gradX = empty(context, count);
      return () => rmsNormBackward(context.device, { x, weight, gradOut, gradX, ...norm });
    }),
    streaming('rope', 'rope', `${model} ${tokens} tokens, ${heads} heads of ${headDim}`, 2 * count, (context) => {
      const table = context.upload(ropeTable(length, headDim, 10_000));
      const positions = context.upload(Uint32Array.from({ length: tokens }, (_, i) => i % length));
      const [x, out] = [floats(context, count), empty(context, count)];
      return () => rope(context.device, { x, positions, table, out, tokens, heads, headDim });
    }),
    streaming('dropout', 'dropout', shape, 2 * count, (context) => {
      const [x, out] = [floats(context, count), empty(context, count)];
      const options = { probability: loraSettings.dropout, seed: 1, stream: 2, counter: 3 };
      return () => dropout(context.device, { x, out, count, ...options });
    }),
  ];
}

/** AdamW on the adapters of a whole model. */
function adamOf(model: string, { hiddenSize, heads, keyValueHeads, layers }: ModelSizes): KernelBench {
  const values = (hiddenSize / heads) * keyValueHeads;
  const count = layers * rank * (3 * hiddenSize + values);
  return streaming('adam', 'adam', `${model} ${count} AdamW`, 7 * count, (context) => {
    const [value, gradient] = [floats(context, count), floats(context, count)];
    const [firstMoment, secondMoment] = [context.empty(count), context.empty(count)];
    const options = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, decoupled: true };
    return () => adam(context.device, { value, gradient, firstMoment, secondMoment, count, step: 1, ...options });
  });
}

function stepShapesOf(model: '7b' | 'smollm2'): KernelBench[] {
  const { sizes, sequences, tokens: length } = stepCases[model];
  const { hiddenSize, heads, keyValueHeads, vocabSize } = sizes;
  const tokens = sequences * length;
  const head = { m: sequences, n: vocabSize, k: hiddenSize, transposeB: true, note: 'head' };
  const one = { ...frozenProducts(sizes, 1)[0]!, note: 'one token' };
  return [
    ...frozenProducts(sizes, tokens).flatMap((each) =>
      precisions.flatMap((precision) => dtypes.map((dtype) => productOf(model, each, dtype, precision))),
    ),
    // Of few rows or columns, which matrix units do not multiply.
    ...[head, one].flatMap((each) => dtypes.map((dtype) => productOf(model, each, dtype, 'f32'))),
    ...loraProducts(sizes, tokens).map((each) => productOf(model, each, 'f32', 'f32')),
    ...attentionOf(tokens, sequences, [heads, keyValueHeads, hiddenSize / heads], floats).map((each) => ({
      ...each,
      shape: `${model} ${each.shape}`,
    })),
    ...elementwiseOf(model, sizes, tokens, length),
    adamOf(model, sizes),
  ];
}

/** Products of the step `inferena`: few tokens, and gradients of all weights. The last layer leaves the last token out. */
function wholeProducts(): KernelBench[] {
  const { sizes, tokens } = stepCases.inferena;
  const { hiddenSize, vocabSize } = sizes;
  const forward = frozenProducts(sizes, tokens);
  const gradients = forward
    .filter(({ transposeB }) => transposeB)
    .map(({ n, k, note }) => ({ m: n, n: k, k: tokens, transposeA: true, note: `${note}: weight gradient` }));
  const products: Product[] = [
    ...forward,
    ...gradients,
    { m: tokens - 1, n: vocabSize, k: hiddenSize, transposeB: true, note: 'head' },
    { m: tokens - 1, n: hiddenSize, k: vocabSize, note: 'head: input gradient' },
    { m: vocabSize, n: hiddenSize, k: tokens - 1, transposeA: true, note: 'head: weight gradient' },
  ];
  return products.map((each) => productOf('inferena', each, 'f32', 'f32'));
}

/** All of them. */
export const gpuBenches: readonly KernelBench[] = [
  ...stepShapesOf('7b'),
  ...stepShapesOf('smollm2'),
  ...wholeProducts(),
];

/** Benchmarks of the kernels of a LLaMA layer. */
import {
  argmax,
  attention,
  attentionBackward,
  attentionCached,
  layerNorm,
  layerNormBackward,
  normWeightGradient,
  planNorm,
  planSoftmax,
  rmsNorm,
  rmsNormBackward,
  rope,
  ropeTable,
  softmax,
  softmaxBackward,
  swiglu,
  swigluBackward,
} from '@crossgate/kernels';
import { type BenchContext, bytesOf, type KernelBench, sizes } from './bench';

const { tokens, sequences, hidden, heads, keyValueHeads, headDim, feedForward, vocab } = sizes;
const epsilon = 1e-5;
const variantOfRows = (capabilities: Parameters<typeof planNorm>[1]) =>
  planNorm({ columns: hidden }, capabilities).variant;

/** Multiply-adds of the causal scores of packed sequences of equal length: half of each square, diagonal included. */
function attentionPairs(total: number, count: number): number {
  const length = total / count;
  return (count * length * (length + 1)) / 2;
}

function attentionInputs(context: BenchContext, total: number, count: number) {
  const length = total / count;
  const offsets = context.upload(Uint32Array.from({ length: count + 1 }, (_, i) => i * length));
  const sequenceOfToken = context.upload(Uint32Array.from({ length: total }, (_, i) => Math.floor(i / length)));
  return {
    query: context.floats(total * heads * headDim),
    key: context.floats(total * keyValueHeads * headDim),
    value: context.floats(total * keyValueHeads * headDim),
    out: context.empty(total * heads * headDim),
    logSumExp: context.empty(total * heads),
    offsets,
    sequenceOfToken,
    ...{ tokens: total, heads, keyValueHeads, headDim, scale: 1 / Math.sqrt(headDim) },
  };
}

function attentionBenches(total: number, count: number): KernelBench[] {
  const shape = `${total} tokens in ${count}, ${heads}/${keyValueHeads} heads of ${headDim}`;
  // Two products per pair forward; five backward, where the scores are computed again.
  const flops = 4 * heads * headDim * attentionPairs(total, count);
  return [
    {
      kernel: 'attention',
      launcher: 'attention',
      shape,
      work: { flops },
      prepare: (context) => {
        const args = attentionInputs(context, total, count);
        return () => attention(context.device, args);
      },
    },
    {
      kernel: 'attention',
      launcher: 'attentionBackward',
      shape,
      work: { flops: 2.5 * flops },
      prepare: (context) => {
        const args = attentionInputs(context, total, count);
        attention(context.device, args);
        const gradients = {
          gradOut: context.floats(total * heads * headDim),
          gradQuery: context.empty(total * heads * headDim),
          gradKey: context.empty(total * keyValueHeads * headDim),
          gradValue: context.empty(total * keyValueHeads * headDim),
        };
        return () => attentionBackward(context.device, { ...args, ...gradients });
      },
    },
  ];
}

/** Candidates of a recommendation: short sequences behind the same prefix. */
function cachedBench(cacheLength: number, total: number, count: number, spread = true): KernelBench {
  const pairs = total * cacheLength + attentionPairs(total, count);
  return {
    kernel: 'attention',
    launcher: 'attentionCached',
    shape: `${total} tokens in ${count} behind ${cacheLength}, ${heads}/${keyValueHeads} heads of ${headDim}${spread ? '' : ', in blocks of tokens'}`,
    work: { flops: 4 * heads * headDim * pairs },
    prepare: (context) => {
      const args = attentionInputs(context, total, count);
      const cached = () => context.floats(cacheLength * keyValueHeads * headDim);
      const cache = { cachedKey: cached(), cachedValue: cached(), cacheLength };
      const plan = spread ? {} : { decode: null };
      return () => attentionCached(context.device, { ...args, ...cache, ...plan });
    },
  };
}

const rowShape = `${tokens}x${hidden}`;
const rowCount = tokens * hidden;
const gateCount = tokens * feedForward;

export const transformerBenches: readonly KernelBench[] = [
  ...attentionBenches(tokens, sequences),
  ...attentionBenches(4 * tokens, 4 * sequences),
  cachedBench(tokens / sequences, tokens, tokens / 30),
  // The new token of a generation, beside the plan for many.
  cachedBench(1000, 1, 1),
  cachedBench(1000, 1, 1, false),
  {
    kernel: 'layernorm',
    launcher: 'layerNorm',
    shape: rowShape,
    work: bytesOf(rowCount, 2 * hidden, rowCount),
    variant: variantOfRows,
    prepare: (context) => {
      const [x, weight, bias] = [context.floats(rowCount), context.floats(hidden), context.floats(hidden)];
      const out = context.empty(rowCount);
      return () => layerNorm(context.device, { x, weight, bias, out, rows: tokens, columns: hidden, epsilon });
    },
  },
  {
    kernel: 'layernorm',
    launcher: 'layerNormBackward',
    shape: `${rowShape} with weight and bias gradient`,
    work: bytesOf(rowCount, hidden, rowCount, rowCount, 2 * hidden),
    variant: variantOfRows,
    prepare: (context) => {
      const [x, weight, gradOut] = [context.floats(rowCount), context.floats(hidden), context.floats(rowCount)];
      const gradX = context.empty(rowCount);
      const [gradWeight, gradBias] = [context.empty(hidden), context.empty(hidden)];
      const args = { x, weight, gradOut, gradX, gradWeight, gradBias, rows: tokens, columns: hidden, epsilon };
      return () => layerNormBackward(context.device, args);
    },
  },
  {
    kernel: 'rmsnorm',
    launcher: 'rmsNorm',
    shape: rowShape,
    work: bytesOf(rowCount, hidden, rowCount),
    variant: variantOfRows,
    prepare: (context) => {
      const [x, weight, out] = [context.floats(rowCount), context.floats(hidden), context.empty(rowCount)];
      return () => rmsNorm(context.device, { x, weight, out, rows: tokens, columns: hidden, epsilon });
    },
  },
  {
    kernel: 'norm-weight',
    launcher: 'normWeightGradient',
    shape: `${rowShape} of RMSNorm`,
    work: bytesOf(2 * rowCount, tokens, hidden),
    prepare: (context) => {
      const [x, gradOut] = [context.floats(rowCount), context.floats(rowCount)];
      const [statistics, gradWeight] = [context.floats(tokens), context.empty(hidden)];
      const args = { x, gradOut, statistics, centered: false, gradWeight, rows: tokens, columns: hidden };
      return () => normWeightGradient(context.device, args);
    },
  },
  ...[false, true].map(
    (withWeight): KernelBench => ({
      kernel: 'rmsnorm',
      launcher: 'rmsNormBackward',
      shape: `${rowShape}${withWeight ? ' with weight gradient' : ''}`,
      work: bytesOf(rowCount, hidden, rowCount, rowCount, withWeight ? hidden : 0),
      variant: variantOfRows,
      prepare: (context) => {
        const [x, weight, gradOut] = [context.floats(rowCount), context.floats(hidden), context.floats(rowCount)];
        const gradX = context.empty(rowCount);
        const gradWeight = withWeight ? { gradWeight: context.empty(hidden) } : {};
        const shape = { rows: tokens, columns: hidden, epsilon };
        return () => rmsNormBackward(context.device, { x, weight, gradOut, gradX, ...gradWeight, ...shape });
      },
    }),
  ),
  {
    kernel: 'rope',
    launcher: 'rope',
    shape: `${tokens} tokens, ${heads} heads of ${headDim}`,
    work: bytesOf(rowCount, rowCount, tokens),
    prepare: (context) => {
      const table = context.upload(ropeTable(512, headDim, 10_000));
      const positions = context.upload(Uint32Array.from({ length: tokens }, (_, i) => i % (tokens / sequences)));
      const [x, out] = [context.floats(rowCount), context.empty(rowCount)];
      return () => rope(context.device, { x, positions, table, out, tokens, heads, headDim });
    },
  },
  {
    kernel: 'swiglu',
    launcher: 'swiglu',
    shape: `${tokens}x${feedForward}`,
    work: bytesOf(3 * gateCount),
    prepare: (context) => {
      const [gate, up, out] = [context.floats(gateCount), context.floats(gateCount), context.empty(gateCount)];
      return () => swiglu(context.device, { gate, up, out, count: gateCount });
    },
  },
  {
    kernel: 'swiglu',
    launcher: 'swigluBackward',
    shape: `${tokens}x${feedForward}`,
    work: bytesOf(5 * gateCount),
    prepare: (context) => {
      const [gate, up, gradOut] = [context.floats(gateCount), context.floats(gateCount), context.floats(gateCount)];
      const [gradGate, gradUp] = [context.empty(gateCount), context.empty(gateCount)];
      return () => swigluBackward(context.device, { gate, up, gradOut, gradGate, gradUp, count: gateCount });
    },
  },
  {
    kernel: 'softmax',
    launcher: 'softmax',
    shape: `${tokens}x${vocab}`,
    work: bytesOf(2 * tokens * vocab),
    variant: (capabilities) => planSoftmax({ rows: tokens, columns: vocab }, capabilities).variant,
    prepare: (context) => {
      const [x, out] = [context.floats(tokens * vocab, 5), context.empty(tokens * vocab)];
      return () => softmax(context.device, { x, out, rows: tokens, columns: vocab });
    },
  },
  {
    kernel: 'softmax',
    launcher: 'softmaxBackward',
    shape: `${tokens}x${vocab}`,
    work: bytesOf(3 * tokens * vocab),
    variant: (capabilities) => planSoftmax({ rows: tokens, columns: vocab }, capabilities).variant,
    prepare: (context) => {
      const out = context.floats(tokens * vocab);
      const [gradOut, gradX] = [context.floats(tokens * vocab), context.empty(tokens * vocab)];
      return () => softmaxBackward(context.device, { out, gradOut, gradX, rows: tokens, columns: vocab });
    },
  },
  {
    kernel: 'argmax',
    launcher: 'argmax',
    shape: `${sequences}x${vocab}`,
    work: bytesOf(sequences * vocab, sequences),
    prepare: (context) => {
      const [x, out] = [context.floats(sequences * vocab), context.empty(sequences)];
      return () => argmax(context.device, { x, out, rows: sequences, columns: vocab });
    },
  },
];

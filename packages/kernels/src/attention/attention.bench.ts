/** Benchmarks of attention over packed sequences, forward and backward, and over a cache. */
import { attention, attentionBackward, attentionCached } from '@crossgate/kernels';
import { type BenchContext, type LauncherBench, sizes } from '../../test/bench';

const { tokens, sequences, heads, keyValueHeads, headDim } = sizes;

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

function attentionBenches(total: number, count: number): LauncherBench[] {
  const shape = `${total} tokens in ${count}, ${heads}/${keyValueHeads} heads of ${headDim}`;
  // Two products per pair forward; five backward, where the scores are computed again.
  const flops = 4 * heads * headDim * attentionPairs(total, count);
  return [
    {
      launcher: 'attention',
      shape,
      work: { flops },
      prepare: (context) => {
        const args = attentionInputs(context, total, count);
        return () => attention(context.device, args);
      },
    },
    {
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
function cachedBench(cacheLength: number, total: number, count: number, spread = true): LauncherBench {
  const pairs = total * cacheLength + attentionPairs(total, count);
  return {
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

export const benches: readonly LauncherBench[] = [
  ...attentionBenches(tokens, sequences),
  ...attentionBenches(4 * tokens, 4 * sequences),
  cachedBench(tokens / sequences, tokens, tokens / 30),
  // The new token of a generation, beside the plan for many.
  cachedBench(1000, 1, 1),
  cachedBench(1000, 1, 1, false),
];

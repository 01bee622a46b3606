/** What the first minutes on an unknown card should tell: products and attention at the sizes of models, or small ones. */
import type { BufferSlice, Capabilities } from '@crossgate/gpu';
import {
  attention,
  attentionBackward,
  attentionMatrixObstacle,
  canClimb,
  LADDER_STEPS,
  type MatmulPrecision,
  matmul,
  matmulLadder,
  planMatmul,
} from '@crossgate/kernels';
import type { BenchContext, KernelBench } from '../kernels';

/** Sizes of the cases. */
export interface ProbeSizes {
  /** Side of square matrices, a multiple of 4. */
  readonly square: number;
  /** Tokens of all sequences together. */
  readonly tokens: number;
  readonly sequences: number;
  /** Heads, heads of keys and values, and their width. */
  readonly attention: readonly (readonly [number, number, number])[];
}

/** Prompts and heads of a model of 7 billion parameters and of SmolLM2-135M. */
export const wholeSizes: ProbeSizes = {
  square: 4096,
  tokens: 2100,
  sequences: 3,
  attention: [
    [9, 3, 64],
    [32, 32, 128],
  ],
};

/** The same kernels on next to nothing. */
export const smokeSizes: ProbeSizes = {
  square: 64,
  tokens: 64,
  sequences: 2,
  attention: [
    [2, 1, 64],
    [1, 1, 128],
  ],
};

/** Products in f32 and with the matrix units, and attention forward and backward. */
export function probeCases({ square, tokens, sequences, attention: heads }: ProbeSizes): KernelBench[] {
  return [
    productOf(square),
    ...matrixProducts(square),
    ...heads.flatMap((each) => attentionOf(tokens, sequences, each)),
  ];
}

function productOf(size: number): KernelBench {
  const shape = { m: size, n: size, k: size, transposeB: true };
  return {
    ...{ kernel: 'matmul', launcher: 'matmul', shape: `${size}x${size}x${size} A·Bᵀ`, work: { flops: 2 * size ** 3 } },
    variant: (capabilities) => {
      const { variant, rows, columns } = planMatmul(shape, capabilities);
      return `${variant} ${rows}x${columns}`;
    },
    prepare: (context) => {
      const [a, b] = [context.floats(size * size), context.floats(size * size)];
      const out = context.empty(size * size);
      return () => matmul(context.device, { ...shape, a, b, out });
    },
  };
}

/** Steps of the ladder that take halves and sum in f32, where the adapter shows such units. */
function matrixProducts(size: number): KernelBench[] {
  return LADDER_STEPS.filter((step) => step === 'matrix' || step === 'prefetch').map((step) => ({
    ...{ kernel: 'matmul-ladder', launcher: 'matmulLadder', shape: `${size}x${size}x${size} f16 to f32` },
    work: { flops: 2 * size ** 3 },
    variant: () => step,
    when: (capabilities) => canClimb(step, capabilities),
    prepare: (context) => {
      const [a, b] = [context.floats(size * size), context.floats(size * size)];
      const out = context.empty(size * size);
      return () => matmulLadder(context.device, { step, a, b, out, m: size, n: size, k: size });
    },
  }));
}

/**
 * Attention forward and backward over sequences of equal lengths, and where the adapter can by matrix units as well.
 *
 * @param floats where inputs come from. Default: from the host.
 */
export function attentionOf(
  tokens: number,
  sequences: number,
  [heads, keyValueHeads, headDim]: readonly [number, number, number],
  floats = (context: BenchContext, count: number) => context.floats(count),
): KernelBench[] {
  const sizes = [heads, keyValueHeads, headDim] as const;
  return (['f32', 'f16'] as const).flatMap((precision) => attentionIn(precision, tokens, sequences, sizes, floats));
}

/** {@link attentionOf} in one type. */
function attentionIn(
  precision: MatmulPrecision,
  tokens: number,
  sequences: number,
  [heads, keyValueHeads, headDim]: readonly [number, number, number],
  floats: (context: BenchContext, count: number) => BufferSlice,
): KernelBench[] {
  const length = tokens / sequences;
  const units = precision === 'f16' ? '; matrix units' : '';
  const shape = `${tokens} tokens in ${sequences}, ${heads}/${keyValueHeads} heads of ${headDim}${units}`;
  const when = (capabilities: Capabilities) =>
    precision === 'f32' || attentionMatrixObstacle(headDim, capabilities) === null;
  // Half of each square of scores, the diagonal included; two products forward, five backward.
  const flops = 4 * heads * headDim * sequences * ((length * (length + 1)) / 2);
  const prepare = (context: BenchContext) => ({
    query: floats(context, tokens * heads * headDim),
    key: floats(context, tokens * keyValueHeads * headDim),
    value: floats(context, tokens * keyValueHeads * headDim),
    out: context.empty(tokens * heads * headDim),
    logSumExp: context.empty(tokens * heads),
    offsets: context.upload(Uint32Array.from({ length: sequences + 1 }, (_, i) => i * length)),
    sequenceOfToken: context.upload(Uint32Array.from({ length: tokens }, (_, i) => Math.floor(i / length))),
    ...{ tokens, heads, keyValueHeads, headDim, scale: 1 / Math.sqrt(headDim), precision },
  });
  return [
    {
      ...{ kernel: 'attention', launcher: 'attention', shape, when, work: { flops } },
      prepare: (context) => {
        const args = prepare(context);
        return () => attention(context.device, args);
      },
    },
    {
      ...{ kernel: 'attention', launcher: 'attentionBackward', shape, when, work: { flops: 2.5 * flops } },
      prepare: (context) => {
        const args = prepare(context);
        attention(context.device, args);
        const gradients = {
          gradOut: floats(context, tokens * heads * headDim),
          gradQuery: context.empty(tokens * heads * headDim),
          gradKey: context.empty(tokens * keyValueHeads * headDim),
          gradValue: context.empty(tokens * keyValueHeads * headDim),
        };
        return () => attentionBackward(context.device, { ...args, ...gradients });
      },
    },
  ];
}

/** Benchmarks of the products of a training step: forward, to the input and to the weight, and of stored weights. */
import {
  halfPaddedColumns,
  matmul,
  matrixObstacle,
  type NarrowMatrix,
  planMatmul,
  type QuantizedMatrixFormat,
  quantizedLayout,
} from '@crossgate/kernels';
import { type BenchContext, type LauncherBench, sizes } from '../../test/bench';

interface MatmulSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** B is stored so: halves, or quantized. */
  readonly format?: QuantizedMatrixFormat | 'f16';
  /** Multiplied in halves, by matrix units. */
  readonly precision?: 'f16';
  readonly note: string;
}

const { tokens, hidden, feedForward, loraRank, vocab, cfDim } = sizes;

/** Weights of fewer bits: those that are made at load time, and, of stored ones, two of two levels of scales. */
const formats = {
  f16: 'f16',
  int8: { bits: 8, scaling: 'scale' },
  int4: { bits: 4, scaling: 'scale' },
  Q4_K: { bits: 4, scaling: 'super-line' },
  Q6_K: { bits: 6, scaling: 'super-scale' },
} as const;

/** x·Wᵀ forward, dy·W backward to the input, xᵀ·dy backward to the weight. */
const matmulSizes: readonly MatmulSize[] = [
  { m: 512, n: 512, k: 512, note: 'square' },
  { m: 512, n: 512, k: 512, transposeB: true, note: 'square' },
  { m: tokens, n: hidden, k: hidden, transposeB: true, note: 'attention projection' },
  { m: tokens, n: feedForward, k: hidden, transposeB: true, note: 'feed-forward up' },
  { m: tokens, n: hidden, k: feedForward, transposeB: true, note: 'feed-forward down' },
  { m: tokens, n: hidden, k: hidden, note: 'input gradient' },
  { m: tokens, n: hidden, k: feedForward, note: 'input gradient' },
  { m: tokens, n: loraRank, k: hidden, transposeB: true, note: 'LoRA down' },
  { m: tokens, n: hidden, k: loraRank, transposeB: true, note: 'LoRA up' },
  { m: loraRank, n: hidden, k: tokens, transposeA: true, note: 'LoRA weight gradient' },
  { m: hidden, n: hidden, k: 4 * tokens, transposeA: true, note: 'weight gradient' },
  { m: sizes.sequences, n: vocab, k: hidden, transposeB: true, note: 'LM head' },
  { m: 300, n: 10 * cfDim, k: cfDim, transposeB: true, note: 'ALG first layer' },
  { m: 300, n: hidden, k: 10 * cfDim, transposeB: true, note: 'ALG second layer' },
  { m: 10 * cfDim, n: cfDim, k: 300, transposeA: true, note: 'ALG weight gradient' },
  { m: 1, n: vocab, k: hidden, transposeB: true, note: 'one token' },
  ...Object.entries(formats).flatMap(([name, format]) => [
    { m: 512, n: 512, k: 512, transposeB: true, format, note: `${name} weight` },
    { m: 512, n: 512, k: 512, format, note: `${name} weight, input gradient` },
  ]),
];

/** Sizes that only hardware works off in reasonable time. */
const largeMatmulSizes: readonly MatmulSize[] = [
  { m: 2048, n: 2048, k: 2048, transposeB: true, note: 'square' },
  { m: 4096, n: 4096, k: 4096, transposeB: true, note: 'square' },
  { m: 4096, n: 4096, k: 4096, transposeB: true, format: formats.int4, note: 'int4 weight' },
  ...([undefined, 'f16', formats.int4] as const).flatMap((format) =>
    [true, false].map((transposeB) => ({
      ...{ m: 4096, n: 4096, k: 4096, transposeB, precision: 'f16' as const, ...(format && { format }) },
      note: `matrix units, ${format === 'f16' ? 'f16' : format ? 'int4' : 'f32'} weight`,
    })),
  ),
];

function matmulBench(size: MatmulSize, hardwareOnly: boolean): LauncherBench {
  const { m, n, k, transposeA = false, transposeB = false, format, precision = 'f32', note } = size;
  const layout = `${transposeA ? 'Aᵀ' : 'A'}·${transposeB ? 'Bᵀ' : 'B'}`;
  return {
    launcher: 'matmul',
    shape: `${m}x${n}x${k} ${layout} (${note})`,
    work: { flops: 2 * m * n * k },
    variant: (capabilities) => {
      const plan = planMatmul(size, capabilities);
      return `${plan.variant} ${plan.rows}x${plan.columns}${plan.splits > 1 ? ` split ${plan.splits}` : ''}`;
    },
    when: (capabilities) =>
      !(hardwareOnly && capabilities.software) && (precision === 'f32' || matrixObstacle(capabilities) === null),
    prepare: (context) => {
      const a = context.floats(m * k);
      const b = format ? narrowWeight(context, transposeB ? [n, k] : [k, n], format) : context.floats(k * n);
      const out = context.empty(m * n);
      return () => matmul(context.device, { a, b, out, m, n, k, transposeA, transposeB, precision });
    },
  };
}

/** Random halves, or random quants with scales of 1/64; both levels are finite numbers of some size. */
function narrowWeight(
  context: BenchContext,
  [rows, columns]: readonly [number, number],
  format: QuantizedMatrixFormat | 'f16',
): NarrowMatrix {
  if (format === 'f16') {
    // Of every exponent but that of infinity.
    const values = new Uint32Array((rows * halfPaddedColumns(columns)) / 2).map(
      (_, i) => (i * 0x9e37_79b1) & 0xbbff_bbff,
    );
    return { bits: 16, bfloat: false, values: context.upload(values) };
  }
  const { quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, format.bits, format.scaling);
  const scales = new Uint32Array(Math.ceil(rows * scaleWordsPerRow)).fill(0x2400_2400);
  return { ...format, quants: context.integers(rows * quantWordsPerRow, 2 ** 32), scales: context.upload(scales) };
}

export const benches: readonly LauncherBench[] = [
  ...matmulSizes.map((size) => matmulBench(size, false)),
  ...largeMatmulSizes.map((size) => matmulBench(size, true)),
];

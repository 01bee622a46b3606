/** Work that other implementations do as well: what goes in, what must come out, and how one call is recorded here. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import {
  adam,
  attention,
  attentionBackward,
  halfPaddedColumns,
  layerNorm,
  matmul,
  matrixObstacle,
  type NarrowMatrix,
  narrow,
  planMatmul,
  planNorm,
  planSoftmax,
  rmsNorm,
  softmax,
} from '@crossgate/kernels';
import { BenchContext } from '../kernels';
import { prepareLoraStep } from './lora-step';
import type { HostArray, LoraSizes, PeerCase, PreparedCase } from './work';

const both = ['f32', 'f16'] as const;
const only = () => 'only';

/** Uploads host arrays and reads slices back, in the memory of one step. */
class Workbench {
  readonly inputs: Record<string, HostArray> = {};
  readonly #context: BenchContext;
  readonly #step: { end(): void };

  constructor(
    readonly device: Device,
    seed: number,
  ) {
    this.#step = device.step();
    this.#context = new BenchContext(device, seed);
  }

  /** An input in [−1, 1). */
  floats(name: string, shape: readonly number[]): BufferSlice {
    const count = shape.reduce((product, length) => product * length, 1);
    const data = Float32Array.from({ length: count }, () => 2 * this.#context.random() - 1);
    this.inputs[name] = { shape, data };
    return this.#context.upload(data);
  }

  upload(data: Uint32Array): BufferSlice {
    return this.#context.upload(data);
  }

  empty(count: number): BufferSlice {
    return this.#context.empty(count);
  }

  /** The values of an array [rows, columns], as weights are kept in f16. Columns are a multiple of four. */
  halvesOf(values: BufferSlice, rows: number, columns: number): NarrowMatrix {
    if (halfPaddedColumns(columns) !== columns) throw new Error(`${columns} columns of halves need filling`);
    const out = this.empty((rows * columns) / 2);
    narrow(this.device, { x: values, out, count: rows * columns });
    return { bits: 16, bfloat: false, values: out };
  }

  async read(slice: BufferSlice, shape: readonly number[]): Promise<HostArray> {
    return { shape, data: new Float32Array(await this.device.recorder.read(slice)) };
  }

  release(): void {
    this.#step.end();
  }
}

/**
 * A case in the memory of one step, which ends when the case is released, or at once when it cannot be prepared.
 * @throws what `build` throws
 */
function onWorkbench(
  device: Device,
  seed: number,
  build: (bench: Workbench) => Omit<PreparedCase, 'inputs' | 'release'>,
): PreparedCase {
  const bench = new Workbench(device, seed);
  try {
    return { inputs: bench.inputs, ...build(bench), release: () => bench.release() };
  } catch (error) {
    bench.release();
    throw error;
  }
}

function matmulCase(m: number, n: number, k: number, transposeB: boolean, note = ''): PeerCase {
  const layout = transposeB ? 'A·Bᵀ' : 'A·B';
  return {
    ...{
      id: `matmul-${m}x${n}x${k}${transposeB ? '-t' : ''}`,
      name: 'matmul',
      kernel: 'matmul',
      op: 'matmul',
      dtypes: both,
    },
    shape: `${m}x${n}x${k} ${layout}${note}`,
    settings: { transposeB: Number(transposeB) },
    work: { flops: 2 * m * n * k },
    variant: (capabilities, precision) => planMatmul({ m, n, k, transposeB, precision }, capabilities).variant,
    prepare: (device, seed) =>
      onWorkbench(device, seed, (bench) => {
        const shape = transposeB ? ([n, k] as const) : ([k, n] as const);
        const b = bench.floats('b', shape);
        const args = { a: bench.floats('a', [m, k]), out: bench.empty(m * n), m, n, k, transposeB };
        const recorded = (record: () => void) => ({
          record,
          check: async () => {
            record();
            return { out: await bench.read(args.out, [m, n]) };
          },
        });
        const inHalves = () => {
          const weight = bench.halvesOf(b, ...shape);
          return recorded(() => matmul(device, { ...args, b: weight, precision: 'f16' }));
        };
        return {
          ...recorded(() => matmul(device, { ...args, b })),
          halves: matrixObstacle(device.capabilities) === null ? inHalves() : undefined,
        };
      }),
  };
}

function softmaxCase(rows: number, columns: number): PeerCase {
  const shape = { rows, columns };
  return {
    ...{ id: `softmax-${rows}x${columns}`, name: 'softmax', kernel: 'softmax', op: 'softmax', dtypes: ['f32'] },
    ...{ shape: `${rows}x${columns}`, settings: {}, work: { bytes: 8 * rows * columns } },
    variant: (capabilities) => planSoftmax(shape, capabilities).variant,
    prepare: (device, seed) =>
      onWorkbench(device, seed, (bench) => {
        const args = { x: bench.floats('x', [rows, columns]), out: bench.empty(rows * columns), ...shape };
        const record = () => softmax(device, args);
        return {
          record,
          check: async () => {
            record();
            return { out: await bench.read(args.out, [rows, columns]) };
          },
        };
      }),
  };
}

/** LayerNorm with weight and bias, or RMSNorm with weight. */
function normCase(op: 'layerNorm' | 'rmsNorm', rows: number, columns: number): PeerCase {
  const shape = { rows, columns, epsilon: 1e-5 };
  const kernel = op.toLowerCase();
  const perRow = op === 'layerNorm' ? 2 : 1;
  return {
    ...{ id: `${kernel}-${rows}x${columns}`, name: op, kernel, op, dtypes: ['f32'], shape: `${rows}x${columns}` },
    ...{ settings: { epsilon: shape.epsilon }, work: { bytes: 4 * (2 * rows * columns + perRow * columns) } },
    variant: (capabilities) => planNorm(shape, capabilities).variant,
    prepare: (device, seed) =>
      onWorkbench(device, seed, (bench) => {
        const x = bench.floats('x', [rows, columns]);
        const args = { x, weight: bench.floats('weight', [columns]), out: bench.empty(rows * columns), ...shape };
        const bias = op === 'layerNorm' ? bench.floats('bias', [columns]) : undefined;
        const record = () => (bias ? layerNorm(device, { ...args, bias }) : rmsNorm(device, args));
        return {
          record,
          check: async () => {
            record();
            return { out: await bench.read(args.out, [rows, columns]) };
          },
        };
      }),
  };
}

function attentionCase(sequences: number, length: number, heads: number, headDim: number, backward: boolean): PeerCase {
  const op = backward ? 'attentionBackward' : 'attention';
  const flops = 4 * heads * headDim * ((sequences * length * (length + 1)) / 2);
  const shape = [sequences, length, heads, headDim];
  const tokens = sequences * length;
  const count = tokens * heads * headDim;
  return {
    ...{ id: `${op}-${shape.join('x')}`, name: op, kernel: 'attention', op, dtypes: both, settings: {}, variant: only },
    shape: `${sequences} x ${length} tokens, ${heads} heads of ${headDim}${backward ? ', forward and backward' : ''}`,
    // Two products per pair of tokens forward; five backward, where the scores are computed again.
    work: { flops: backward ? 3.5 * flops : flops },
    prepare: (device, seed) =>
      onWorkbench(device, seed, (bench) => {
        const args = {
          ...{
            query: bench.floats('query', shape),
            key: bench.floats('key', shape),
            value: bench.floats('value', shape),
          },
          ...{ out: bench.empty(count), logSumExp: bench.empty(tokens * heads) },
          offsets: bench.upload(Uint32Array.from({ length: sequences + 1 }, (_, i) => i * length)),
          sequenceOfToken: bench.upload(Uint32Array.from({ length: tokens }, (_, i) => Math.floor(i / length))),
          ...{ tokens, heads, keyValueHeads: heads, headDim, scale: 1 / Math.sqrt(headDim) },
        };
        const gradients = backward && {
          gradOut: bench.floats('gradOut', shape),
          ...{ gradQuery: bench.empty(count), gradKey: bench.empty(count), gradValue: bench.empty(count) },
        };
        const record = () => {
          attention(device, args);
          if (gradients) attentionBackward(device, { ...args, ...gradients });
        };
        return {
          record,
          check: async () => {
            record();
            const out = await bench.read(args.out, shape);
            if (!gradients) return { out };
            return {
              out,
              gradQuery: await bench.read(gradients.gradQuery, shape),
              gradKey: await bench.read(gradients.gradKey, shape),
              gradValue: await bench.read(gradients.gradValue, shape),
            };
          },
        };
      }),
  };
}

/** Options of AdamW, in torch's sense. */
export const adamSettings = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 } as const;

function adamCase(count: number): PeerCase {
  return {
    ...{ id: `adamw-${count}`, name: 'adam', kernel: 'adam', op: 'adamw', dtypes: ['f32'], variant: only },
    shape: `AdamW, ${count} parameters`,
    settings: adamSettings,
    // Value and both moments are read and written, the gradient is read.
    work: { bytes: 4 * 7 * count },
    prepare: (device, seed) =>
      onWorkbench(device, seed, (bench) => {
        const args = {
          ...{ value: bench.floats('value', [count]), gradient: bench.floats('gradient', [count]) },
          ...{ firstMoment: bench.empty(count), secondMoment: bench.empty(count), count, decoupled: true },
        };
        let step = 0;
        const record = () => adam(device, { ...adamSettings, ...args, step: ++step });
        return {
          record,
          check: async () => {
            record();
            return { value: await bench.read(args.value, [count]) };
          },
        };
      }),
  };
}

function loraCase(sizes: LoraSizes): PeerCase {
  const { hiddenSize, feedForward, layers, heads, vocabSize, rank, sequences, length } = sizes;
  const tokens = sequences * length;
  const weights = layers * (4 * hiddenSize * hiddenSize + 3 * hiddenSize * feedForward) + vocabSize * hiddenSize;
  const pairs = (layers * 4 * hiddenSize * sequences * length * (length + 1)) / 2;
  return {
    ...{ id: `lora-${hiddenSize}x${layers}`, name: 'loraStep', kernel: 'lora-step', op: 'loraStep', dtypes: both },
    shape: `LLaMA ${layers} x ${hiddenSize}, ${sequences} x ${length} tokens, rank ${rank} on q and v`,
    settings: { ...adamSettings, layers, heads, hiddenSize, rmsNormEpsilon: 1e-5, ropeTheta: 10_000, loraScale: 2 },
    // Frozen weights: one product forward and one backward, two flops each; attention as in its own case.
    work: { flops: 4 * weights * tokens + 3.5 * pairs },
    variant: only,
    prepare: (device, seed) => prepareLoraStep(device, seed, sizes, adamSettings),
  };
}

/** The cases at the adapter's size: a large GPU is not busy with what a processor can do. */
export function peerCases(software: boolean): PeerCase[] {
  if (software) {
    return [
      matmulCase(512, 512, 512, false),
      matmulCase(512, 512, 512, true),
      matmulCase(1024, 1024, 1024, false),
      softmaxCase(1200, 512),
      normCase('layerNorm', 1200, 64),
      normCase('rmsNorm', 1200, 64),
      attentionCase(1, 512, 8, 64, false),
      attentionCase(1, 512, 8, 64, true),
      adamCase(100_000),
      loraCase({
        ...{ hiddenSize: 64, feedForward: 172, layers: 2, heads: 4 },
        ...{ vocabSize: 256, rank: 8, sequences: 2, length: 32 },
      }),
    ];
  }
  return [
    matmulCase(2048, 2048, 2048, false),
    matmulCase(4096, 4096, 4096, false),
    matmulCase(4096, 4096, 4096, true),
    matmulCase(2100, 11_008, 4096, true, ', feed-forward of 7B'),
    matmulCase(4096, 16, 4096, true, ', LoRA'),
    softmaxCase(8192, 4096),
    normCase('layerNorm', 8192, 4096),
    normCase('rmsNorm', 8192, 4096),
    attentionCase(8, 512, 16, 64, false),
    attentionCase(8, 512, 16, 64, true),
    adamCase(16_000_000),
    loraCase({
      ...{ hiddenSize: 1024, feedForward: 2816, layers: 4, heads: 16 },
      ...{ vocabSize: 4096, rank: 8, sequences: 8, length: 256 },
    }),
  ];
}

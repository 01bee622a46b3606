/**
 * What a kernel benchmark is, and the device data it works on. Benchmarks are no part of the package: apps/bench takes
 * them from `benches.ts`.
 */
import type { BufferSlice, Capabilities, Device } from '@crossgate/gpu';

/** One launcher at one shape. `NAME.bench.ts` beside a kernel exports a list of these as `benches`. */
export interface LauncherBench {
  /** Exported function that is measured. */
  readonly launcher: string;
  /** Shape and options, as people read them. */
  readonly shape: string;
  /** Type of the weights of a product; f32 where it is absent, and of everything else. */
  readonly dtype?: 'f16' | 'int4';
  /**
   * Which ceiling limits it, with the useful work of one call: floating-point operations, or bytes read and written.
   */
  readonly work: { readonly flops: number } | { readonly bytes: number };
  /** Variant that the launcher chooses on this adapter. */
  readonly variant?: (capabilities: Capabilities) => string;
  /** False where the shape makes no sense, e.g. takes seconds on software adapters. */
  readonly when?: (capabilities: Capabilities) => boolean;
  /** Uploads the data and returns what records one call. */
  readonly prepare: (context: BenchContext) => () => void;
}

/** A benchmark and the kernel that it belongs to. */
export interface KernelBench extends LauncherBench {
  /** Folder of packages/kernels/src. */
  readonly kernel: string;
}

/** Data for one benchmark, in the memory of the open step. */
export class BenchContext {
  #state: number;

  /** @param seed of the random data; the same seed gives the same data. */
  constructor(
    /** Has a step open. */
    readonly device: Device,
    seed: number,
  ) {
    this.#state = seed >>> 0;
  }

  /** The next number of a linear congruential generator (Numerical Recipes), in [0, 1). */
  random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }

  /** f32 values in [−1, 1), times `scale`. */
  floats(count: number, scale = 1): BufferSlice {
    return this.upload(Float32Array.from({ length: count }, () => scale * (2 * this.random() - 1)));
  }

  /** u32 values below `bound`. */
  integers(count: number, bound: number): BufferSlice {
    return this.upload(this.hostIntegers(count, bound));
  }

  /** Whole numbers below `bound`, on the host. */
  hostIntegers(count: number, bound: number): Uint32Array<ArrayBuffer> {
    return Uint32Array.from({ length: count }, () => Math.floor(bound * this.random()));
  }

  /** Zeros for `count` elements of 32 bits. */
  empty(count: number): BufferSlice {
    const slice = this.device.memory.allocate(4 * count);
    this.device.recorder.clear(slice);
    return slice;
  }

  /** A copy of host data. */
  upload(data: Float32Array | Uint32Array | Int32Array): BufferSlice {
    const slice = this.device.memory.allocate(data.byteLength);
    this.device.recorder.write(slice, data);
    return slice;
  }
}

/** Bytes of 32-bit elements. */
export const bytesOf = (...counts: readonly number[]): { readonly bytes: number } => ({
  bytes: 4 * counts.reduce((sum, count) => sum + count, 0),
});

/**
 * Sizes that the benchmarks share: a batch of the project's main experiment (stories260K on MovieLens-1M, three prompts
 * of about 400 tokens) and its matrix factorization.
 */
export const sizes = {
  tokens: 1200,
  sequences: 3,
  hidden: 64,
  heads: 8,
  keyValueHeads: 4,
  headDim: 8,
  feedForward: 172,
  vocab: 512,
  loraRank: 8,
  cfDim: 128,
  cfBatch: 1024,
  items: 3256,
  users: 839,
} as const;

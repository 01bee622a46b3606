/** What a case for peers is: work on a device, its inputs, and how peers call it. */
import type { Capabilities, Device } from '@crossgate/gpu';

/** An array as peers get it: raw, row by row. */
export interface HostArray {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
}

/** Work on a device. */
export interface PreparedWork {
  readonly inputs: Readonly<Record<string, HostArray>>;
  /**
   * Does the work once, from the inputs as given, and reads what peers must reproduce. Called before anything is timed.
   */
  check(): Promise<Record<string, HostArray>>;
  /** The same in halves, where we have it on this device. */
  readonly halves?: Pick<PreparedWork, 'check'> | undefined;
  release(): void;
}

/** A case on a device. */
export interface PreparedCase extends PreparedWork {
  /** Records one call, to be timed. */
  record(): void;
  readonly halves?: Pick<PreparedCase, 'check' | 'record'> | undefined;
}

/** Work that peers do as well. */
export interface PeerWork<Prepared extends PreparedWork = PreparedWork> {
  readonly id: string;
  readonly name: string;
  readonly shape: string;
  /** How peers call it. */
  readonly op:
    | 'matmul'
    | 'softmax'
    | 'layerNorm'
    | 'rmsNorm'
    | 'attention'
    | 'attentionBackward'
    | 'adamw'
    | 'loraStep'
    | 'mfStep'
    | 'lightgcnStep'
    | 'sasrecStep';
  readonly settings: Readonly<Record<string, number>>;
  /** Types in which peers run it. Ours is f32, and f16 where the prepared case has `halves`. */
  readonly dtypes: readonly ('f32' | 'f16')[];
  readonly prepare: (device: Device, seed: number) => Prepared;
}

/** Kernels and what is made of them, beside the adapter's ceilings too. */
export interface PeerCase extends PeerWork<PreparedCase> {
  readonly kernel: string;
  readonly work: { readonly flops: number } | { readonly bytes: number };
  /** Variant that we choose for a type that we have. */
  readonly variant: (capabilities: Capabilities, dtype: 'f32' | 'f16') => string;
}

/** Shape of the LLaMA whose LoRA is trained. */
export interface LoraSizes {
  readonly hiddenSize: number;
  readonly feedForward: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabSize: number;
  readonly rank: number;
  readonly sequences: number;
  readonly length: number;
}

// By which angles each token of a batch is rotated.
import type { Device } from '@crossgate/gpu';
import {
  fromHost,
  type PackedSequences,
  persistent,
  releasePersistent,
  ropeTableOf,
  type Tensor,
} from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import { rotaryFrequencies, rotaryScale, stretchedPositions } from '../rotary';
import type { PackedBatch } from './packing';

/** What the context of a model depends on. */
type ContextConfig = Pick<LlamaConfig, 'maxPositions' | 'ropeScaling'>;

/** Tokens of the longest sequence that a model takes. */
export function contextOf(config: ContextConfig): number {
  return stretchedPositions(config);
}

/** The same in words, for messages: "the model's context of 4096". */
export function contextWords(config: ContextConfig): string {
  return `the model's context of ${contextOf(config)}`;
}

/** Rows of a rotary table at first: few prompts are longer, and rows for a whole long context would only cost memory. */
const firstRows = 8192;

/** Rows of a model's rotary table for sequences of at most `length` tokens. Default: those that it is loaded with. */
export function rotaryRows(config: ContextConfig, length = 0): number {
  let rows = firstRows;
  while (rows < length) rows *= 2;
  return Math.min(rows, contextOf(config));
}

/** Cosines and sines of every position that a model's sequences had so far; it grows when one is longer. */
export class RotaryTable {
  readonly #tables: Tensor[] = [];

  /** Allocates `rotaryRows(config)` rows. @throws OutOfMemoryError */
  constructor(
    private readonly device: Device,
    private readonly config: LlamaConfig,
  ) {
    this.for(0);
  }

  /** [at least length, headDim]. @throws OutOfMemoryError when it must grow and cannot */
  for(length: number): Tensor {
    const { device, config } = this;
    const last = this.#tables.at(-1);
    if (last !== undefined && last.rows >= length) return last;
    const rows = rotaryRows(config, length);
    const angles = ropeTableOf(rows, rotaryFrequencies(config), rotaryScale(config));
    const table = persistent(device, [rows, config.headDim], 'weights', angles);
    // Work that was recorded may still read the smaller ones; all of them together are smaller than this.
    this.#tables.push(table);
    return table;
  }

  /** Frees it. */
  release(): void {
    for (const table of this.#tables.splice(0)) releasePersistent(table);
  }
}

/** What rotates the queries and keys of a batch. */
export interface Rotation {
  /** The batch, its positions being rows of the table. */
  readonly sequences: PackedSequences;
  /** [rows, headDim] */
  readonly table: Tensor;
  /** Tensors of the step that a second run of a layer reads, too. */
  readonly kept: readonly Tensor[];
}

/** Whether the angles of a sequence depend on its length: beyond the context that a model with `dynamic` scaling was made for. */
export function rotatesByLength({ ropeScaling, maxPositions }: LlamaConfig, length: number): boolean {
  return ropeScaling?.type === 'dynamic' && length > maxPositions;
}

/**
 * The rotation of a batch: by the model's table, or where the length of a sequence decides, by a table with a row per token.
 * As with Hugging Face, tokens that are in a cache keep the angles that they had when they came.
 *
 * @param rotary of the model
 */
export function rotationOf(device: Device, config: LlamaConfig, batch: PackedBatch, rotary: RotaryTable): Rotation {
  const { hostOffsets, firstPosition, tokens } = batch;
  const lengths = Array.from(hostOffsets.subarray(1), (end, i) => firstPosition + end - hostOffsets[i]!);
  if (!lengths.some((length) => rotatesByLength(config, length))) {
    return { sequences: batch, table: rotary.for(Math.max(0, ...lengths)), kept: [batch.positions] };
  }
  const rows = new Float32Array(tokens * config.headDim);
  for (const [i, length] of lengths.entries()) {
    const angles = ropeTableOf(length, rotaryFrequencies(config, length));
    rows.set(angles.subarray(firstPosition * config.headDim), hostOffsets[i]! * config.headDim);
  }
  const own = fromHost(device, [tokens, config.headDim], rows);
  const positions = fromHost(
    device,
    [tokens],
    Uint32Array.from({ length: tokens }, (_, token) => token),
  );
  return { sequences: { ...batch, positions }, table: own, kept: [own, positions] };
}

// By which angles each token of a batch is rotated.
import type { Device } from '@crossgate/gpu';
import { fromHost, type PackedSequences, ropeTableOf, type Tensor } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import { rotaryFrequencies } from '../rotary';
import type { PackedBatch } from './packing';

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
 * @param table of the model: cosines and sines of every position
 */
export function rotationOf(device: Device, config: LlamaConfig, batch: PackedBatch, table: Tensor): Rotation {
  const { hostOffsets, firstPosition, tokens } = batch;
  const lengths = Array.from(hostOffsets.subarray(1), (end, i) => firstPosition + end - hostOffsets[i]!);
  if (!lengths.some((length) => rotatesByLength(config, length))) {
    return { sequences: batch, table, kept: [batch.positions] };
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

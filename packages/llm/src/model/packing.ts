// Batches without padding: sequences lie one behind the other, and small index tensors say which is which.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { PackedSequences } from '@crossgate/tensor';
import { fromHost } from '@crossgate/tensor';

/** Packed sequences, with the host's copy of their offsets. */
export interface PackedBatch extends PackedSequences {
  /** First token of each sequence, and the total: [sequences + 1]. */
  readonly hostOffsets: Uint32Array;
}

/**
 * Uploads the layout of a packed batch into the current step.
 *
 * @param lengths tokens of each sequence, at least 1 each.
 * @throws InputError for an empty batch or sequence.
 */
export function packSequences(device: Device, lengths: readonly number[]): PackedBatch {
  if (lengths.length === 0) throw new InputError('a packed batch needs at least one sequence');
  const hostOffsets = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, i) => {
    if (!(length >= 1)) throw new InputError(`sequence ${i} of the batch has ${length} tokens; at least 1 is needed`);
    hostOffsets[i + 1] = hostOffsets[i]! + length;
  });
  const tokens = hostOffsets.at(-1)!;
  const positions = new Uint32Array(tokens);
  const sequenceOfToken = new Uint32Array(tokens);
  lengths.forEach((length, i) => {
    const start = hostOffsets[i]!;
    for (let j = 0; j < length; j++) positions[start + j] = j;
    sequenceOfToken.fill(i, start, start + length);
  });
  return {
    hostOffsets,
    tokens,
    offsets: fromHost(device, [hostOffsets.length], hostOffsets),
    positions: fromHost(device, [tokens], positions),
    sequenceOfToken: fromHost(device, [tokens], sequenceOfToken),
  };
}

/** Row of the last token of each sequence. */
export function lastTokens({ hostOffsets }: PackedBatch): Uint32Array {
  return hostOffsets.slice(1).map((end) => end - 1);
}

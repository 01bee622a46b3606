// Batches without padding: sequences follow each other, and small index tensors say which token belongs to which.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { PackedSequences, Upload } from '@crossgate/tensor';
import { fromHost, uploadTo } from '@crossgate/tensor';

/** Packed sequences, with the host's copy of their offsets. */
export interface PackedBatch extends PackedSequences {
  /** [sequences + 1]: the first token of each sequence, and the number of all tokens. */
  readonly hostOffsets: Uint32Array;
  /** Position of the first token of every sequence: 0, or the length of the cache that they continue. */
  readonly firstPosition: number;
}

/**
 * Uploads the layout of a packed batch, inside a step.
 *
 * @param lengths number of tokens of each sequence, at least 1.
 * @param firstPosition position at which every sequence begins, if it continues cached tokens. Default 0.
 * @param upload brings it to the device. Default: for one step.
 * @throws InputError for an empty batch or sequence.
 */
export function packSequences(
  device: Device,
  lengths: readonly number[],
  firstPosition = 0,
  upload: Upload = uploadTo(device),
): PackedBatch {
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
    for (let j = 0; j < length; j++) positions[start + j] = firstPosition + j;
    sequenceOfToken.fill(i, start, start + length);
  });
  return {
    hostOffsets,
    firstPosition,
    tokens,
    offsets: upload([hostOffsets.length], hostOffsets),
    positions: upload([tokens], positions),
    sequenceOfToken: upload([tokens], sequenceOfToken),
  };
}

/** [sequences] row of the last token of each sequence. */
export function lastTokens({ hostOffsets }: PackedBatch): Uint32Array {
  return hostOffsets.slice(1).map((end) => end - 1);
}

/**
 * The same batch for attention with a window: token t sees tokens t − window + 1 … t of its sequence. The attention
 * kernels know no windows, but they look up the bounds of a token's sequence by one index per token. Here each token
 * gets its own index and bounds: the first key that it sees, and one past the last query that sees it.
 *
 * @param window in tokens. If it is undefined, or at least as long as every sequence, the batch is returned as it is.
 */
export function windowed(device: Device, batch: PackedBatch, window: number | undefined): PackedSequences {
  const { hostOffsets, tokens } = batch;
  const longest = hostOffsets.reduce((most, end, i) => Math.max(most, i === 0 ? 0 : end - hostOffsets[i - 1]!), 0);
  if (window === undefined || longest <= window) return batch;
  const bounds = new Uint32Array(2 * tokens);
  for (let i = 1; i < hostOffsets.length; i++) {
    const [start, end] = [hostOffsets[i - 1]!, hostOffsets[i]!];
    for (let token = start; token < end; token++) {
      bounds[2 * token] = Math.max(start, token - window + 1);
      bounds[2 * token + 1] = Math.min(end, token + window);
    }
  }
  return {
    tokens,
    positions: batch.positions,
    offsets: fromHost(device, [2 * tokens], bounds),
    sequenceOfToken: fromHost(
      device,
      [tokens],
      Uint32Array.from({ length: tokens }, (_, token) => 2 * token),
    ),
  };
}

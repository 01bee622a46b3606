/** A random order of rows, made on the device batch by batch without a table. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { type BatchLayout, requireBatches } from '../batches';
import { includes } from '../include';
import { planInvocations } from '../plan';
import { shuffleBits, shuffleRounds } from './permutation';
import source from './shuffle.wgsl';

const shuffleKernel = defineKernel({
  name: 'shuffle',
  source,
  includes,
  bindings: { out: { access: 'read_write', type: 'u32' } },
  parameters: {
    ...{
      first: 'u32',
      rows: 'u32',
      batches: 'u32',
      batchSize: 'u32',
      stride: 'u32',
      leftBits: 'u32',
      rightBits: 'u32',
    },
    ...{ key0: 'u32', key1: 'u32', key2: 'u32', key3: 'u32', key4: 'u32', key5: 'u32', key6: 'u32', key7: 'u32' },
  },
  constants: { WORKGROUP_SIZE: 64 },
});

/** Arguments of {@link shuffle}. */
export interface ShuffleArguments extends BatchLayout {
  /** u32 [batches, stride]: rows; 0xffffffff beyond a batch's end. */
  readonly out: BufferSlice;
  /** Position in the order at which the first batch starts. */
  readonly first: number;
  /** Rows of the whole order. */
  readonly rows: number;
  /** `shuffleRounds` random 32-bit numbers: those of one order. */
  readonly keys: readonly number[];
}

/**
 * out[b, j] = the row at position first + b · batchSize + j of a random order of 0 … rows − 1. See `shuffledRow`.
 *
 * @throws InputError for a slice that is too small, no rows, or another number of keys.
 */
export function shuffle(device: Device, args: ShuffleArguments): void {
  const { out, first, rows, keys, batches, batchSize, stride } = args;
  requireBatches('shuffle', args, { out });
  if (keys.length !== shuffleRounds) throw new InputError(`shuffle: ${keys.length} keys, ${shuffleRounds} are needed`);
  const [key0, key1, key2, key3, key4, key5, key6, key7] = keys as [
    ...[number, number, number, number],
    ...[number, number, number, number],
  ];
  const { left, right } = shuffleBits(rows);
  const { workgroupSize, workgroups } = planInvocations({ invocations: batches * stride }, device.capabilities);
  device.recorder.dispatch(shuffleKernel, {
    bindings: { out },
    parameters: {
      ...{ first, rows, batches, batchSize, stride, leftBits: left, rightBits: right },
      ...{ key0, key1, key2, key3, key4, key5, key6, key7 },
    },
    constants: { WORKGROUP_SIZE: workgroupSize },
    workgroups,
  });
}

/** Negative sampling on the device: items that a row's user has no positive with. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { type BatchLayout, requireBatches } from '../batches';
import philox from '../dropout/philox.wgsl';
import { includes } from '../include';
import { planInvocations } from '../plan';
import { requireElements, requireSizes } from '../slices';
import source from './sample-negatives.wgsl';

/** Draws for one row before it is chosen among the candidates that are left. */
export const negativeAttempts = 100;

const sampleNegativesKernel = defineKernel({
  name: 'sample-negatives',
  source,
  includes: { ...includes, philox },
  bindings: {
    users: { access: 'read', type: 'u32' },
    candidates: { access: 'read', type: 'u32' },
    positiveOffsets: { access: 'read', type: 'u32' },
    positives: { access: 'read', type: 'u32' },
    out: { access: 'read_write', type: 'u32' },
  },
  parameters: {
    ...{ count: 'u32', batchSize: 'u32', stride: 'u32' },
    ...{ first: 'u32', candidateCount: 'u32', epoch: 'u32', seed: 'u32' },
  },
  constants: { ATTEMPTS: negativeAttempts, WORKGROUP_SIZE: 64 },
});

/** Arguments of {@link sampleNegatives}. */
export interface SampleNegativesArguments extends BatchLayout {
  /** u32 [batches, stride]: the user of each row. */
  readonly users: BufferSlice;
  /** u32 [candidateCount]: the items to draw from, ascending. */
  readonly candidates: BufferSlice;
  /** Items to draw from, at least 1. */
  readonly candidateCount: number;
  /** u32 [users + 1]: where each user's positives begin and end. */
  readonly positiveOffsets: BufferSlice;
  /** u32: items that are candidates too, ascending for each user, each once. */
  readonly positives: BufferSlice;
  /** u32 [batches, stride], written. */
  readonly out: BufferSlice;
  /** Rows of all batches: all full but perhaps the last. */
  readonly count: number;
  /** Position in the epoch at which the first batch starts. */
  readonly first: number;
  /** u32, one per pass over the data. Draws of a row depend on its position, the epoch and the seed alone. */
  readonly epoch: number;
  /** u32, one per run. */
  readonly seed: number;
}

/**
 * out[b, j] = an item drawn uniformly from the candidates that are no positives of users[b, j]. A user to whom all
 * candidates are positives has none: out[b, j] is then one of the positives, so leave such rows out.
 *
 * @throws InputError for a slice that is too small.
 */
export function sampleNegatives(device: Device, args: SampleNegativesArguments): void {
  const { users, candidates, candidateCount, positiveOffsets, positives, out } = args;
  const { count, batchSize, stride, first, epoch, seed } = args;
  requireBatches('sampleNegatives', args, { users, out });
  requireSizes('sampleNegatives', { count, candidateCount });
  requireElements('sampleNegatives', 'candidates', candidates, candidateCount);
  const { workgroupSize, workgroups } = planInvocations({ invocations: count }, device.capabilities);
  device.recorder.dispatch(sampleNegativesKernel, {
    bindings: { users, candidates, positiveOffsets, positives, out },
    parameters: { count, batchSize, stride, first, candidateCount, epoch, seed: seed >>> 0 },
    constants: { WORKGROUP_SIZE: workgroupSize },
    workgroups,
  });
}

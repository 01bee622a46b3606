/** Sorts row numbers on the device, batch by batch, into the segments that a deterministic scatter-add needs. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { type BatchLayout, requireBatches } from '../batches';
import { includes } from '../include';
import { planInvocations } from '../plan';
import markSource from './mark-segments.wgsl';
import mergeSource from './merge-runs.wgsl';

const mergeRunsKernel = defineKernel({
  name: 'merge-runs',
  source: mergeSource,
  includes,
  bindings: {
    keys: { access: 'read', type: 'u32' },
    source: { access: 'read', type: 'u32', when: 'LATER' },
    sorted: { access: 'read_write', type: 'u32' },
  },
  parameters: { count: 'u32', batchSize: 'u32', stride: 'u32', width: 'u32' },
  constants: { FIRST: false, LATER: true, WORKGROUP_SIZE: 64 },
});

const markSegmentsKernel = defineKernel({
  name: 'mark-segments',
  source: markSource,
  includes,
  bindings: {
    keys: { access: 'read', type: 'u32' },
    positions: { access: 'read', type: 'u32' },
    offsets: { access: 'read_write', type: 'u32' },
    targets: { access: 'read_write', type: 'u32' },
  },
  parameters: { count: 'u32', batchSize: 'u32', stride: 'u32' },
  constants: { WORKGROUP_SIZE: 64 },
});

/** Arguments of {@link sortedSegments}. */
export interface SortedSegmentsArguments extends BatchLayout {
  /** u32 [batches, stride]: row numbers; 0xffffffff is none. */
  readonly keys: BufferSlice;
  /** u32 [batches, stride], written: places within the batch in order of (key, place). */
  readonly positions: BufferSlice;
  /** u32 [batches, stride], written: bounds of the segments, one more than a batch has rows. */
  readonly offsets: BufferSlice;
  /** u32 [batches, stride], written: the key where a segment begins, 0xffffffff elsewhere. */
  readonly targets: BufferSlice;
  /** Rows of all batches: all full but perhaps the last. */
  readonly count: number;
}

/**
 * Sorts the keys of each batch, stably, and marks where a new one begins. A batch's parts are what `segmentSum` takes
 * as
 * `segmentPositions`, `segmentOffsets` and `targets`, with as many segments as the batch has rows: those in which no
 * key begins have a target that it drops.
 *
 * @throws InputError for a slice that is too small or a count that does not fit the batches.
 */
export function sortedSegments(device: Device, args: SortedSegmentsArguments): void {
  const { keys, positions, offsets, targets, count, batches, batchSize, stride } = args;
  requireBatches('sortedSegments', args, { keys, positions, offsets, targets });
  if (!(count > (batches - 1) * batchSize && count <= batches * batchSize)) {
    throw new InputError(`sortedSegments: ${count} rows do not make ${batches} batches of ${batchSize}`);
  }
  const { workgroupSize, workgroups } = planInvocations({ invocations: count }, device.capabilities);
  const constants = { WORKGROUP_SIZE: workgroupSize };
  const longest = Math.min(batchSize, count);
  const passes = Math.max(1, Math.ceil(Math.log2(longest)));
  const workspace = passes > 1 ? device.memory.allocate(4 * batches * stride) : positions;
  for (let pass = 0; pass < passes; pass++) {
    const isFirst = pass === 0;
    // The last pass writes the result, those before it take turns.
    const [source, sorted] = (passes - pass) % 2 === 1 ? [workspace, positions] : [positions, workspace];
    device.recorder.dispatch(mergeRunsKernel, {
      bindings: { keys, source: isFirst ? undefined : source, sorted },
      parameters: { count, batchSize, stride, width: 2 ** pass },
      constants: { ...constants, FIRST: isFirst, LATER: !isFirst },
      workgroups,
    });
  }
  if (workspace !== positions) device.memory.releaseEarly(workspace);
  device.recorder.dispatch(markSegmentsKernel, {
    bindings: { keys, positions, offsets, targets },
    parameters: { count, batchSize, stride },
    constants,
    workgroups,
  });
}

/** The best items of each user by dot product, without the matrix of scores. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { type PlanCapabilities, planInvocations } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import heap from './heap.wgsl';
import mergeSource from './merge.wgsl';
import source from './top-k.wgsl';

const topKKernel = defineKernel({
  name: 'top-k',
  source,
  includes: { ...includes, heap },
  bindings: {
    users: { access: 'read', type: 'Value' },
    items: { access: 'read', type: 'Value' },
    bias: { access: 'read', type: 'f32' },
    excludedOffsets: { access: 'read', type: 'u32' },
    excluded: { access: 'read', type: 'u32' },
    scores: { access: 'read_write', type: 'f32' },
    ids: { access: 'read_write', type: 'u32' },
    counts: { access: 'read_write', type: 'u32' },
  },
  parameters: {
    ...{ users: 'u32', valuesPerRow: 'u32', k: 'u32', itemRows: 'u32', firstItem: 'u32' },
    ...{ parts: 'u32', firstPart: 'u32', ownParts: 'u32', partItems: 'u32' },
  },
  constants: { VECTOR: false, TILE: 4, WORKGROUP_SIZE: 64 },
});

const topKMergeKernel = defineKernel({
  name: 'top-k-merge',
  source: mergeSource,
  includes: { ...includes, heap },
  bindings: {
    partScores: { access: 'read', type: 'f32' },
    partIds: { access: 'read', type: 'u32' },
    partCounts: { access: 'read', type: 'u32' },
    scores: { access: 'read_write', type: 'f32' },
    ids: { access: 'read_write', type: 'u32' },
    counts: { access: 'read_write', type: 'u32' },
  },
  parameters: { users: 'u32', parts: 'u32', k: 'u32' },
  constants: { WORKGROUP_SIZE: 64 },
});

/** Arguments of {@link topK}. */
export interface TopKArguments {
  /** f32 [userRows, columns] */
  readonly users: BufferSlice;
  /** f32 [itemRows, columns]; larger than one binding is fine. */
  readonly items: BufferSlice;
  /** f32 [itemRows], added to the products; −1e30 keeps an item from being given. */
  readonly bias: BufferSlice;
  /** u32 [userRows + 1]: where the items of each user begin and end in `excluded`. */
  readonly excludedOffsets: BufferSlice;
  /** u32: items that the user is not given, ascending for each user; at least one element. */
  readonly excluded: BufferSlice;
  /** f32 [userRows, k], written: best first. */
  readonly scores: BufferSlice;
  /** u32 [userRows, k], written: the items that have these scores. */
  readonly ids: BufferSlice;
  /**
   * u32 [userRows], written: items given, fewer than k where not as many may be. What lies behind them is undefined.
   */
  readonly counts: BufferSlice;
  /** Users, at least 1. */
  readonly userRows: number;
  /** Items, at least 1. */
  readonly itemRows: number;
  /** Columns of users and items, at least 1. */
  readonly columns: number;
  /** Items that each user is given at most, at least 1. */
  readonly k: number;
  /** For tests and measurements; default: {@link planTopK}. */
  readonly plan?: TopKPlan;
}

/** How {@link topK} divides the items. */
export interface TopKPlan {
  /** Parts of the items that are searched side by side for each user, at least 1. */
  readonly parts: number;
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
}

/**
 * Chooses into how many parts the items are divided. Pure. Enough that users times parts fill the device, and each part
 * long enough that its k best are far fewer than its items.
 */
export function planTopK(
  shape: Pick<TopKArguments, 'userRows' | 'itemRows' | 'k'>,
  capabilities: PlanCapabilities,
): TopKPlan {
  const { userRows, itemRows, k } = shape;
  const wanted = capabilities.software ? 256 : 16_384;
  const most = Math.max(1, Math.floor(itemRows / Math.max(64, 4 * k)));
  const parts = Math.min(most, Math.ceil(wanted / userRows));
  return { parts, workgroupSize: planInvocations({ invocations: userRows * parts }, capabilities).workgroupSize };
}

/**
 * For each user the k items with the highest users[u] · items[i] + bias[i]; the lower item number wins ties. Memory
 * beyond the arguments: userRows · parts · (8 k + 4) bytes.
 *
 * @throws InputError for a slice that is too small.
 */
export function topK(device: Device, args: TopKArguments): void {
  const { users, items, bias, excludedOffsets, excluded, scores, ids, counts } = args;
  const { userRows, itemRows, columns, k } = args;
  requireSizes('topK', { userRows, itemRows, columns, k });
  for (const [name, slice, count] of [
    ['users', users, userRows * columns],
    ['items', items, itemRows * columns],
    ['bias', bias, itemRows],
    ['excludedOffsets', excludedOffsets, userRows + 1],
    ['scores', scores, userRows * k],
    ['ids', ids, userRows * k],
    ['counts', counts, userRows],
  ] as const) {
    requireElements('topK', name, slice, count);
  }
  const { parts: wanted, workgroupSize } = args.plan ?? planTopK(args, device.capabilities);
  const vector = columns % 4 === 0;
  // Each range of the table that can be bound takes its share of the parts, at least one.
  let parts = 0;
  const ranges = rowRanges('topK', device, itemRows, [columns, 1]).map(({ first, count }) => {
    const partItems = Math.ceil(count / Math.max(1, Math.round((wanted * count) / itemRows)));
    const ownParts = Math.ceil(count / partItems);
    const range = { first, count, partItems, ownParts, firstPart: parts };
    parts += ownParts;
    return range;
  });
  for (const own of rowRanges('topK', device, userRows, [columns, parts * k, parts, k, 1])) {
    const partScores = device.memory.allocate(4 * own.count * parts * k);
    const partIds = device.memory.allocate(4 * own.count * parts * k);
    const partCounts = device.memory.allocate(4 * own.count * parts);
    for (const { first, count, partItems, ownParts, firstPart } of ranges) {
      device.recorder.dispatch(topKKernel, {
        bindings: {
          users: elements(users, own.first * columns, own.count * columns),
          items: elements(items, first * columns, count * columns),
          bias: elements(bias, first, count),
          excludedOffsets: elements(excludedOffsets, own.first, own.count + 1),
          excluded,
          ...{ scores: partScores, ids: partIds, counts: partCounts },
        },
        parameters: {
          ...{ users: own.count, valuesPerRow: vector ? columns / 4 : columns, k, itemRows: count, firstItem: first },
          ...{ parts, firstPart, ownParts, partItems },
        },
        constants: { VECTOR: vector, WORKGROUP_SIZE: workgroupSize },
        workgroups: Math.ceil((own.count * ownParts) / workgroupSize),
      });
    }
    device.recorder.dispatch(topKMergeKernel, {
      bindings: {
        ...{ partScores, partIds, partCounts },
        scores: elements(scores, own.first * k, own.count * k),
        ids: elements(ids, own.first * k, own.count * k),
        counts: elements(counts, own.first, own.count),
      },
      parameters: { users: own.count, parts, k },
      constants: { WORKGROUP_SIZE: workgroupSize },
      workgroups: Math.ceil(own.count / workgroupSize),
    });
    for (const slice of [partScores, partIds, partCounts]) device.memory.releaseEarly(slice);
  }
}

/** Deterministic scatter-add of rows, as sums over sorted segments. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { planRows, rowConstants, spreadRows } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './segment-sum.wgsl';

const segmentSumKernel = defineKernel({
  name: 'segment-sum',
  source,
  includes,
  bindings: {
    values: { access: 'read', type: 'Value' },
    segmentOffsets: { access: 'read', type: 'u32' },
    segmentPositions: { access: 'read', type: 'u32' },
    targets: { access: 'read', type: 'u32' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: {
    segments: 'u32',
    valuesPerRow: 'u32',
    spansPerRow: 'u32',
    firstValueRow: 'u32',
    valueRows: 'u32',
    firstTargetRow: 'u32',
    targetRows: 'u32',
  },
  constants: { ...rowConstants, ACCUMULATE: false },
});

/** Arguments of {@link segmentSum}. */
export interface SegmentSumArguments {
  /** f32 [n, columns] */
  readonly values: BufferSlice;
  /** u32 [segments + 1]: bounds of each segment in `segmentPositions`. */
  readonly segmentOffsets: BufferSlice;
  /** u32 [n], rows of `values` by segment. */
  readonly segmentPositions: BufferSlice;
  /** u32 [segments], distinct rows of `out`; rows beyond it are dropped. */
  readonly targets: BufferSlice;
  /** f32 [tableRows, columns]; its size gives the number of rows. Rows that are no target keep their contents. */
  readonly out: BufferSlice;
  /** Number of segments; 0 does nothing. */
  readonly segments: number;
  /** Columns of values and out, at least 1. */
  readonly columns: number;
  /** Add to `out` instead of replacing the target rows. */
  readonly accumulate?: boolean;
}

/**
 * out[targets[s], :] (+)= the sum of the rows of `values` that segment s lists (see `buildSegments`). The order of
 * every sum is fixed, so the result is the same bits each time.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function segmentSum(device: Device, args: SegmentSumArguments): void {
  const { values, segmentOffsets, segmentPositions, targets, out, segments, columns, accumulate = false } = args;
  if (segments === 0) return;
  requireSizes('segmentSum', { segments, columns });
  requireElements('segmentSum', 'segmentOffsets', segmentOffsets, segments + 1);
  requireElements('segmentSum', 'segmentPositions', segmentPositions, segments);
  requireElements('segmentSum', 'targets', targets, segments);
  const valueRows = Math.floor(values.size / 4 / columns);
  const targetRows = Math.floor(out.size / 4 / columns);
  requireSizes('segmentSum', { 'rows of values': valueRows, 'rows of out': targetRows });
  const plan = planRows({ rows: segments, columns }, device.capabilities);
  const { constants, workgroups } = spreadRows(plan);
  const targetParts = rowRanges('segmentSum', device, targetRows, [columns]);
  rowRanges('segmentSum', device, valueRows, [columns]).forEach((valuePart, index) => {
    for (const targetPart of targetParts) {
      device.recorder.dispatch(segmentSumKernel, {
        bindings: {
          values: elements(values, valuePart.first * columns, valuePart.count * columns),
          segmentOffsets,
          segmentPositions,
          targets,
          out: elements(out, targetPart.first * columns, targetPart.count * columns),
        },
        parameters: {
          segments,
          valuesPerRow: plan.valuesPerRow,
          spansPerRow: plan.spansPerRow,
          firstValueRow: valuePart.first,
          valueRows: valuePart.count,
          firstTargetRow: targetPart.first,
          targetRows: targetPart.count,
        },
        // The first part of the values sets what the others add to.
        constants: { ...constants, ACCUMULATE: accumulate || index > 0 },
        workgroups,
      });
    }
  });
}

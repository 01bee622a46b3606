/** Gradient of the weight of RMSNorm and LayerNorm: a sum over rows, in two stages of fixed order. */
import { type BufferSlice, type Device, defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import partialSource from './norm-weight-partial.wgsl';
import sumSource from './norm-weight-sum.wgsl';

const partialKernel = defineKernel({
  name: 'norm-weight-partial',
  source: partialSource,
  includes,
  constants: { VECTOR: false, CENTERED: false, WORKGROUP_SIZE: 64 },
  bindings: {
    x: { access: 'read', type: 'Value' },
    gradOut: { access: 'read', type: 'Value' },
    statistics: { access: 'read', type: 'Statistic' },
    partial: { access: 'read_write', type: 'Value' },
  },
  parameters: { rows: 'u32', width: 'u32', chunks: 'u32', chunkRows: 'u32' },
});

const sumKernel = defineKernel({
  name: 'norm-weight-sum',
  source: sumSource,
  includes,
  constants: { ACCUMULATE: false, WORKGROUP_SIZE: 64 },
  bindings: { partial: { access: 'read', type: 'f32' }, gradWeight: { access: 'read_write', type: 'f32' } },
  parameters: { columns: 'u32', chunks: 'u32' },
});

/** Arguments of {@link normWeightGradient}. */
export interface NormWeightArguments {
  /** The norm's input, f32 [rows, columns]. */
  readonly x: BufferSlice;
  /** Gradient of its output, f32 [rows, columns]. */
  readonly gradOut: BufferSlice;
  /** f32, of every row: 1 / root, [rows]; where `centered`, mean and 1 / root, [rows, 2]. */
  readonly statistics: BufferSlice;
  /** Whether the norm subtracts the mean, as LayerNorm does. */
  readonly centered: boolean;
  /** f32 [columns], written. */
  readonly gradWeight: BufferSlice;
  /** Adds to gradWeight instead of replacing it. */
  readonly accumulate?: boolean;
  /** Rows of x, at least 1. */
  readonly rows: number;
  /** Columns of x, at least 1. */
  readonly columns: number;
  /** Whether columns are read in fours; default: where they come in fours. */
  readonly vector?: boolean;
}

/**
 * gradWeight[c] (+)= Σ_r gradOut[r, c] · normalized[r, c].
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function normWeightGradient(device: Device, args: NormWeightArguments): void {
  const { x, gradOut, statistics, centered, gradWeight, rows, columns, vector = columns % 4 === 0 } = args;
  const perRow = centered ? 2 : 1;
  requireSizes('normWeightGradient', { rows, columns });
  requireElements('normWeightGradient', 'x', x, rows * columns);
  requireElements('normWeightGradient', 'gradOut', gradOut, rows * columns);
  requireElements('normWeightGradient', 'statistics', statistics, rows * perRow);
  requireElements('normWeightGradient', 'gradWeight', gradWeight, columns);
  const width = vector ? columns / 4 : columns;
  let accumulate = args.accumulate ?? false;
  for (const { first, count } of rowRanges('normWeightGradient', device, rows, [columns, perRow])) {
    // About as many chunks as rows in each, so that neither stage has a long serial sum.
    const chunkRows = Math.max(8, Math.ceil(Math.sqrt(count)));
    const chunks = Math.ceil(count / chunkRows);
    const partial = device.memory.allocate(4 * chunks * columns);
    const rowsOf = (slice: BufferSlice, values: number) => elements(slice, first * values, count * values);
    device.recorder.dispatch(partialKernel, {
      bindings: {
        x: rowsOf(x, columns),
        gradOut: rowsOf(gradOut, columns),
        statistics: rowsOf(statistics, perRow),
        partial,
      },
      parameters: { rows: count, width, chunks, chunkRows },
      constants: { VECTOR: vector, CENTERED: centered, WORKGROUP_SIZE: 64 },
      workgroups: Math.ceil((chunks * width) / 64),
    });
    device.recorder.dispatch(sumKernel, {
      bindings: { partial, gradWeight: elements(gradWeight, 0, columns) },
      parameters: { columns, chunks },
      constants: { ACCUMULATE: accumulate, WORKGROUP_SIZE: 64 },
      workgroups: Math.ceil(columns / 64),
    });
    accumulate = true;
    device.memory.releaseEarly(partial);
  }
}

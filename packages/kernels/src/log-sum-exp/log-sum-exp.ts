/** log Σ exp of every row, with up to two columns left out. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { type PlanCapabilities, planInvocations } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import combineSource from './combine.wgsl';
import partialSource from './partial.wgsl';

/** A column number that no row has. */
const noColumn = 0xffffffff;

const logSumExpPartialKernel = defineKernel({
  name: 'log-sum-exp-partial',
  source: partialSource,
  includes,
  bindings: { x: { access: 'read', type: 'f32' }, partials: { access: 'read_write', type: 'vec2<f32>' } },
  parameters: { rows: 'u32', columns: 'u32', parts: 'u32', skipFirst: 'u32', skipSecond: 'u32' },
  constants: { WORKGROUP_SIZE: 64 },
});

const logSumExpCombineKernel = defineKernel({
  name: 'log-sum-exp-combine',
  source: combineSource,
  includes,
  bindings: { partials: { access: 'read', type: 'vec2<f32>' }, out: { access: 'read_write', type: 'f32' } },
  parameters: { rows: 'u32', parts: 'u32' },
  constants: { WORKGROUP_SIZE: 64 },
});

/** How {@link logSumExp} divides rows. */
export interface LogSumExpPlan {
  /** Invocations per row, a power of two; each leaves a partial sum. */
  readonly parts: number;
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
}

/**
 * Chooses the parts of a row. Pure. About √columns balances the two stages and keeps every sum short, which is also
 * what makes it precise; a power of two, so a row of many columns starts at a cache line's edge.
 */
export function planLogSumExp(
  shape: Pick<LogSumExpArguments, 'columns'>,
  capabilities: PlanCapabilities,
): LogSumExpPlan {
  const parts = Math.min(256, 2 ** Math.round(Math.log2(Math.sqrt(shape.columns))));
  const { workgroupSize } = planInvocations({ invocations: parts }, capabilities);
  return { parts, workgroupSize };
}

/** Arguments of {@link logSumExp}. */
export interface LogSumExpArguments {
  /** f32 [rows, columns] */
  readonly x: BufferSlice;
  /** f32 [rows]; −3.4e38 where no column is left. */
  readonly out: BufferSlice;
  /** Rows of x; 0 does nothing. */
  readonly rows: number;
  /** Columns of x, at least 1. */
  readonly columns: number;
  /** At most two columns that are left out of every row. */
  readonly skip?: readonly [number?, number?];
}

/**
 * out[r] = log Σ_c exp(x[r, c]), without overflow.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function logSumExp(device: Device, args: LogSumExpArguments): void {
  const { x, out, rows, columns, skip = [] } = args;
  if (rows === 0) return;
  requireSizes('logSumExp', { rows, columns });
  requireElements('logSumExp', 'x', x, rows * columns);
  requireElements('logSumExp', 'out', out, rows);
  const { parts, workgroupSize } = planLogSumExp({ columns }, device.capabilities);
  for (const { first, count } of rowRanges('logSumExp', device, rows, [columns, 2 * parts, 1])) {
    const partials = device.memory.allocate(8 * count * parts);
    device.recorder.dispatch(logSumExpPartialKernel, {
      bindings: { x: elements(x, first * columns, count * columns), partials },
      parameters: { rows: count, columns, parts, skipFirst: skip[0] ?? noColumn, skipSecond: skip[1] ?? noColumn },
      constants: { WORKGROUP_SIZE: workgroupSize },
      workgroups: Math.ceil((count * parts) / workgroupSize),
    });
    device.recorder.dispatch(logSumExpCombineKernel, {
      bindings: { partials, out: elements(out, first, count) },
      parameters: { rows: count, parts },
      constants: { WORKGROUP_SIZE: workgroupSize },
      workgroups: Math.ceil(count / workgroupSize),
    });
    device.memory.releaseEarly(partials);
  }
}

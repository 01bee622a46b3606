/** RMSNorm over the rows of a matrix, forward and backward. */
import { type BufferSlice, type Capabilities, type Device, defineKernel, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import { softwareWorkgroupSize } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './rmsnorm.wgsl';
import backwardSource from './rmsnorm-backward.wgsl';
import partialSource from './rmsnorm-weight-partial.wgsl';
import sumSource from './rmsnorm-weight-sum.wgsl';

const constants = { VECTOR: false, ROW_PER_INVOCATION: true, WORKGROUP_SIZE: 64 };
const rowParameters = { rows: 'u32', width: 'u32', columns: 'f32', epsilon: 'f32' } as const;

const forwardKernel = (name: string, type: string) =>
  defineKernel({
    name,
    source,
    includes,
    constants,
    bindings: { x: { access: 'read', type }, weight: { access: 'read', type }, out: { access: 'read_write', type } },
    parameters: rowParameters,
  });

const backwardKernel = (name: string, type: string) =>
  defineKernel({
    name,
    source: backwardSource,
    includes,
    constants: { ...constants, KEEP_INVERSE: false },
    bindings: {
      x: { access: 'read', type },
      weight: { access: 'read', type },
      gradOut: { access: 'read', type },
      gradX: { access: 'read_write', type },
      inverse: { access: 'read_write', type: 'f32', when: 'KEEP_INVERSE' },
    },
    parameters: rowParameters,
  });

const partialKernel = (name: string, type: string) =>
  defineKernel({
    name,
    source: partialSource,
    includes,
    constants: { VECTOR: false, WORKGROUP_SIZE: 64 },
    bindings: {
      x: { access: 'read', type },
      gradOut: { access: 'read', type },
      inverse: { access: 'read', type: 'f32' },
      partial: { access: 'read_write', type },
    },
    parameters: { rows: 'u32', width: 'u32', chunks: 'u32', chunkRows: 'u32' },
  });

// The element type of a binding is part of a kernel, so scalars and vectors are two kernels of one text.
const forward = { scalar: forwardKernel('rmsnorm', 'f32'), vector: forwardKernel('rmsnorm-vec4', 'vec4<f32>') };
const backward = {
  scalar: backwardKernel('rmsnorm-backward', 'f32'),
  vector: backwardKernel('rmsnorm-backward-vec4', 'vec4<f32>'),
};
const weightPartial = {
  scalar: partialKernel('rmsnorm-weight-partial', 'f32'),
  vector: partialKernel('rmsnorm-weight-partial-vec4', 'vec4<f32>'),
};
const weightSum = defineKernel({
  name: 'rmsnorm-weight-sum',
  source: sumSource,
  constants: { ACCUMULATE: false, WORKGROUP_SIZE: 64 },
  bindings: { partial: { access: 'read', type: 'f32' }, gradWeight: { access: 'read_write', type: 'f32' } },
  parameters: { columns: 'u32', chunks: 'u32' },
});

/** How a row-wise kernel runs: a row per invocation or per workgroup, and columns one by one or in fours. */
export interface RmsNormPlan {
  readonly variant: 'row' | 'workgroup';
  readonly vector: boolean;
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
}

/** Chooses the variant of RMSNorm. Pure: same arguments, same plan. */
export function planRmsNorm(columns: number, capabilities: Pick<Capabilities, 'software'>): RmsNormPlan {
  const vector = columns % 4 === 0;
  if (capabilities.software) return { variant: 'row', vector, workgroupSize: softwareWorkgroupSize };
  const width = vector ? columns / 4 : columns;
  return { variant: 'workgroup', vector, workgroupSize: Math.min(256, Math.max(32, 2 ** Math.ceil(Math.log2(width)))) };
}

export interface RmsNormArguments {
  /** [rows, columns] */
  readonly x: BufferSlice;
  /** [columns] */
  readonly weight: BufferSlice;
  /** [rows, columns]; another buffer than x. */
  readonly out: BufferSlice;
  readonly rows: number;
  readonly columns: number;
  /** Added to the mean square, > 0. */
  readonly epsilon: number;
  /** For tests and measurements; default: {@link planRmsNorm}. */
  readonly plan?: RmsNormPlan;
}

function dispatchShape(plan: RmsNormPlan, columns: number) {
  const lanes = plan.vector ? 4 : 1;
  if (columns % lanes !== 0) throw new InputError(`rmsNorm: ${columns} columns are no multiple of 4, as vectors need`);
  const rowPerInvocation = plan.variant === 'row';
  return {
    width: columns / lanes,
    workgroups: (rows: number) => (rowPerInvocation ? Math.ceil(rows / plan.workgroupSize) : rows),
    constants: { VECTOR: plan.vector, ROW_PER_INVOCATION: rowPerInvocation, WORKGROUP_SIZE: plan.workgroupSize },
  };
}

/**
 * out = x / sqrt(mean(x²) + epsilon) ⊙ weight over each row (Zhang & Sennrich, 2019).
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function rmsNorm(device: Device, args: RmsNormArguments): void {
  const { x, weight, out, rows, columns, epsilon, plan = planRmsNorm(columns, device.capabilities) } = args;
  requireSizes('rmsNorm', { rows, columns });
  requireElements('rmsNorm', 'x', x, rows * columns);
  requireElements('rmsNorm', 'weight', weight, columns);
  requireElements('rmsNorm', 'out', out, rows * columns);
  const shape = dispatchShape(plan, columns);
  for (const { first, count } of rowRanges('rmsNorm', device, rows, [columns])) {
    const rowsOf = (slice: BufferSlice) => elements(slice, first * columns, count * columns);
    device.recorder.dispatch(plan.vector ? forward.vector : forward.scalar, {
      bindings: { x: rowsOf(x), weight: elements(weight, 0, columns), out: rowsOf(out) },
      parameters: { rows: count, width: shape.width, columns, epsilon },
      constants: shape.constants,
      workgroups: shape.workgroups(count),
    });
  }
}

export interface RmsNormBackwardArguments {
  /** The input of the forward pass, [rows, columns]. */
  readonly x: BufferSlice;
  /** [columns] */
  readonly weight: BufferSlice;
  /** [rows, columns] */
  readonly gradOut: BufferSlice;
  /** Gradient with respect to x, [rows, columns]. */
  readonly gradX: BufferSlice;
  /** Gradient with respect to weight, [columns]; not computed when absent. */
  readonly gradWeight?: BufferSlice;
  /** Adds to gradWeight instead of replacing it. */
  readonly accumulateWeight?: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly epsilon: number;
  readonly plan?: RmsNormPlan;
}

/**
 * Gradients of {@link rmsNorm}. Nothing but x is needed from the forward pass. The weight's gradient is summed in two
 * stages of fixed order, so it is repeatable.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function rmsNormBackward(device: Device, args: RmsNormBackwardArguments): void {
  const { x, weight, gradOut, gradX, gradWeight, rows, columns, epsilon } = args;
  const plan = args.plan ?? planRmsNorm(columns, device.capabilities);
  requireSizes('rmsNormBackward', { rows, columns });
  requireElements('rmsNormBackward', 'x', x, rows * columns);
  requireElements('rmsNormBackward', 'gradOut', gradOut, rows * columns);
  requireElements('rmsNormBackward', 'gradX', gradX, rows * columns);
  requireElements('rmsNormBackward', 'weight', weight, columns);
  if (gradWeight) requireElements('rmsNormBackward', 'gradWeight', gradWeight, columns);
  const shape = dispatchShape(plan, columns);
  let accumulate = args.accumulateWeight ?? false;
  for (const { first, count } of rowRanges('rmsNormBackward', device, rows, [columns])) {
    const rowsOf = (slice: BufferSlice) => elements(slice, first * columns, count * columns);
    const inverse = gradWeight ? device.memory.allocate(4 * count) : undefined;
    device.recorder.dispatch(plan.vector ? backward.vector : backward.scalar, {
      bindings: {
        x: rowsOf(x),
        weight: elements(weight, 0, columns),
        gradOut: rowsOf(gradOut),
        gradX: rowsOf(gradX),
        inverse,
      },
      parameters: { rows: count, width: shape.width, columns, epsilon },
      constants: { ...shape.constants, KEEP_INVERSE: inverse !== undefined },
      workgroups: shape.workgroups(count),
    });
    if (gradWeight === undefined || inverse === undefined) continue;
    // About as many chunks as rows in each, so that neither stage has a long serial sum.
    const chunkRows = Math.max(8, Math.ceil(Math.sqrt(count)));
    const chunks = Math.ceil(count / chunkRows);
    const partial = device.memory.allocate(4 * chunks * columns);
    device.recorder.dispatch(plan.vector ? weightPartial.vector : weightPartial.scalar, {
      bindings: { x: rowsOf(x), gradOut: rowsOf(gradOut), inverse, partial },
      parameters: { rows: count, width: shape.width, chunks, chunkRows },
      constants: { VECTOR: plan.vector, WORKGROUP_SIZE: 64 },
      workgroups: Math.ceil((chunks * shape.width) / 64),
    });
    device.recorder.dispatch(weightSum, {
      bindings: { partial, gradWeight: elements(gradWeight, 0, columns) },
      parameters: { columns, chunks },
      constants: { ACCUMULATE: accumulate, WORKGROUP_SIZE: 64 },
      workgroups: Math.ceil(columns / 64),
    });
    accumulate = true;
    device.memory.releaseEarly(partial);
    device.memory.releaseEarly(inverse);
  }
}

/** LayerNorm over the rows of a matrix, forward and backward. */
import { type BufferSlice, type Device, defineKernel, InputError } from '@crossgate/gpu';
import { columnSum } from '../column-sum/column-sum';
import { includes as shared } from '../include';
import { planRmsNorm, type RmsNormPlan } from '../rmsnorm/rmsnorm';
import sumSource from '../rmsnorm/rmsnorm-weight-sum.wgsl';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './layernorm.wgsl';
import backwardSource from './layernorm-backward.wgsl';
import moments from './layernorm-moments.wgsl';
import partialSource from './layernorm-weight-partial.wgsl';

const includes = { ...shared, 'layernorm-moments': moments };

const constants = { VECTOR: false, ROW_PER_INVOCATION: true, WORKGROUP_SIZE: 64 };
const rowParameters = { rows: 'u32', width: 'u32', columns: 'f32', epsilon: 'f32' } as const;

const forwardKernel = (name: string, type: string) =>
  defineKernel({
    name,
    source,
    includes,
    constants,
    bindings: {
      x: { access: 'read', type },
      weight: { access: 'read', type },
      bias: { access: 'read', type },
      out: { access: 'read_write', type },
    },
    parameters: rowParameters,
  });

const backwardKernel = (name: string, type: string) =>
  defineKernel({
    name,
    source: backwardSource,
    includes,
    constants: { ...constants, KEEP_MOMENTS: false },
    bindings: {
      x: { access: 'read', type },
      weight: { access: 'read', type },
      gradOut: { access: 'read', type },
      gradX: { access: 'read_write', type },
      moments: { access: 'read_write', type: 'vec2<f32>', when: 'KEEP_MOMENTS' },
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
      moments: { access: 'read', type: 'vec2<f32>' },
      partial: { access: 'read_write', type },
    },
    parameters: { rows: 'u32', width: 'u32', chunks: 'u32', chunkRows: 'u32' },
  });

// The element type of a binding is part of a kernel, so scalars and vectors are two kernels of one text.
const forward = { scalar: forwardKernel('layernorm', 'f32'), vector: forwardKernel('layernorm-vec4', 'vec4<f32>') };
const backward = {
  scalar: backwardKernel('layernorm-backward', 'f32'),
  vector: backwardKernel('layernorm-backward-vec4', 'vec4<f32>'),
};
const weightPartial = {
  scalar: partialKernel('layernorm-weight-partial', 'f32'),
  vector: partialKernel('layernorm-weight-partial-vec4', 'vec4<f32>'),
};
const weightSum = defineKernel({
  name: 'layernorm-weight-sum',
  source: sumSource,
  constants: { ACCUMULATE: false, WORKGROUP_SIZE: 64 },
  bindings: { partial: { access: 'read', type: 'f32' }, gradWeight: { access: 'read_write', type: 'f32' } },
  parameters: { columns: 'u32', chunks: 'u32' },
});

/** How the kernel runs; rows are walked as RMSNorm's are. */
export type LayerNormPlan = RmsNormPlan;

export interface LayerNormArguments {
  /** [rows, columns] */
  readonly x: BufferSlice;
  /** [columns] */
  readonly weight: BufferSlice;
  /** [columns] */
  readonly bias: BufferSlice;
  /** [rows, columns]; another buffer than x. */
  readonly out: BufferSlice;
  readonly rows: number;
  readonly columns: number;
  /** Added to the variance, > 0. */
  readonly epsilon: number;
  /** For tests and measurements; default: `planRmsNorm`. */
  readonly plan?: LayerNormPlan;
}

function dispatchShape(plan: LayerNormPlan, columns: number) {
  const lanes = plan.vector ? 4 : 1;
  if (columns % lanes !== 0)
    throw new InputError(`layerNorm: ${columns} columns are no multiple of 4, as vectors need`);
  const rowPerInvocation = plan.variant === 'row';
  return {
    width: columns / lanes,
    workgroups: (rows: number) => (rowPerInvocation ? Math.ceil(rows / plan.workgroupSize) : rows),
    constants: { VECTOR: plan.vector, ROW_PER_INVOCATION: rowPerInvocation, WORKGROUP_SIZE: plan.workgroupSize },
  };
}

/**
 * out = (x − mean) / sqrt(variance + epsilon) ⊙ weight + bias over each row, with the biased variance, as torch has it
 * (Ba, Kiros & Hinton, 2016).
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function layerNorm(device: Device, args: LayerNormArguments): void {
  const { x, weight, bias, out, rows, columns, epsilon, plan = planRmsNorm(columns, device.capabilities) } = args;
  requireSizes('layerNorm', { rows, columns });
  requireElements('layerNorm', 'x', x, rows * columns);
  requireElements('layerNorm', 'weight', weight, columns);
  requireElements('layerNorm', 'bias', bias, columns);
  requireElements('layerNorm', 'out', out, rows * columns);
  const shape = dispatchShape(plan, columns);
  for (const { first, count } of rowRanges('layerNorm', device, rows, [columns])) {
    const rowsOf = (slice: BufferSlice) => elements(slice, first * columns, count * columns);
    device.recorder.dispatch(plan.vector ? forward.vector : forward.scalar, {
      bindings: {
        x: rowsOf(x),
        weight: elements(weight, 0, columns),
        bias: elements(bias, 0, columns),
        out: rowsOf(out),
      },
      parameters: { rows: count, width: shape.width, columns, epsilon },
      constants: shape.constants,
      workgroups: shape.workgroups(count),
    });
  }
}

export interface LayerNormBackwardArguments {
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
  /** Gradient with respect to the bias, [columns]; not computed when absent. */
  readonly gradBias?: BufferSlice;
  /** Adds to gradBias instead of replacing it. */
  readonly accumulateBias?: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly epsilon: number;
  readonly plan?: LayerNormPlan;
}

/**
 * Gradients of {@link layerNorm}. Nothing but x is needed from the forward pass. The gradients of weight and bias are
 * summed in stages of fixed order, so they are repeatable.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function layerNormBackward(device: Device, args: LayerNormBackwardArguments): void {
  const { x, weight, gradOut, gradX, gradWeight, gradBias, rows, columns, epsilon } = args;
  const plan = args.plan ?? planRmsNorm(columns, device.capabilities);
  requireSizes('layerNormBackward', { rows, columns });
  requireElements('layerNormBackward', 'x', x, rows * columns);
  requireElements('layerNormBackward', 'gradOut', gradOut, rows * columns);
  requireElements('layerNormBackward', 'gradX', gradX, rows * columns);
  requireElements('layerNormBackward', 'weight', weight, columns);
  if (gradWeight) requireElements('layerNormBackward', 'gradWeight', gradWeight, columns);
  const shape = dispatchShape(plan, columns);
  if (gradBias)
    columnSum(device, { x: gradOut, out: gradBias, rows, columns, accumulate: args.accumulateBias ?? false });
  let accumulate = args.accumulateWeight ?? false;
  for (const { first, count } of rowRanges('layerNormBackward', device, rows, [columns])) {
    const rowsOf = (slice: BufferSlice) => elements(slice, first * columns, count * columns);
    const moments = gradWeight ? device.memory.allocate(8 * count) : undefined;
    device.recorder.dispatch(plan.vector ? backward.vector : backward.scalar, {
      bindings: {
        x: rowsOf(x),
        weight: elements(weight, 0, columns),
        gradOut: rowsOf(gradOut),
        gradX: rowsOf(gradX),
        moments,
      },
      parameters: { rows: count, width: shape.width, columns, epsilon },
      constants: { ...shape.constants, KEEP_MOMENTS: moments !== undefined },
      workgroups: shape.workgroups(count),
    });
    if (gradWeight === undefined || moments === undefined) continue;
    // About as many chunks as rows in each, so that neither stage has a long serial sum.
    const chunkRows = Math.max(8, Math.ceil(Math.sqrt(count)));
    const chunks = Math.ceil(count / chunkRows);
    const partial = device.memory.allocate(4 * chunks * columns);
    device.recorder.dispatch(plan.vector ? weightPartial.vector : weightPartial.scalar, {
      bindings: { x: rowsOf(x), gradOut: rowsOf(gradOut), moments, partial },
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
    device.memory.releaseEarly(moments);
  }
}

/** Elementwise kernels: activations and their backward, sums and products, fills, scaled rows. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { type ElementPlan, planElements, planRows } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import { activationConstants, activationNumbers } from './activations';
import addScaledSource from './add-scaled.wgsl';
import binarySource from './binary.wgsl';
import fillSource from './fill.wgsl';
import scaleRowsSource from './scale-rows.wgsl';
import unarySource from './unary.wgsl';
import unaryBackwardSource from './unary-backward.wgsl';

const elementConstants = { VECTOR: false, ITEMS: 1, WORKGROUP_SIZE: 64 } as const;
const binaryConstants = { ADD: 0, SUBTRACT: 1, MULTIPLY: 2 } as const;
const binaryNumbers = {
  add: binaryConstants.ADD,
  subtract: binaryConstants.SUBTRACT,
  multiply: binaryConstants.MULTIPLY,
} as const;

export type UnaryOperation = 'relu' | 'sigmoid' | 'tanh' | 'silu' | 'copy';
export type BinaryOperation = keyof typeof binaryNumbers;

export const unaryKernel = defineKernel({
  name: 'unary',
  source: unarySource,
  includes,
  bindings: { x: { access: 'read', type: 'Value' }, out: { access: 'read_write', type: 'Value' } },
  parameters: { values: 'u32', scale: 'f32' },
  constants: { ...elementConstants, ...activationConstants, ACTIVATION: 0 },
});

export const unaryBackwardKernel = defineKernel({
  name: 'unary-backward',
  source: unaryBackwardSource,
  includes,
  bindings: {
    x: { access: 'read', type: 'Value' },
    gradOut: { access: 'read', type: 'Value' },
    gradX: { access: 'read_write', type: 'Value' },
  },
  parameters: { values: 'u32', scale: 'f32' },
  constants: { ...elementConstants, ...activationConstants, ACTIVATION: 0, ACCUMULATE: false },
});

export const binaryKernel = defineKernel({
  name: 'binary',
  source: binarySource,
  includes,
  bindings: {
    a: { access: 'read', type: 'Value' },
    b: { access: 'read', type: 'Value' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: { values: 'u32' },
  constants: { ...elementConstants, ...binaryConstants, OPERATION: 0 },
});

export const addScaledKernel = defineKernel({
  name: 'add-scaled',
  source: addScaledSource,
  includes,
  bindings: { x: { access: 'read', type: 'Value' }, out: { access: 'read_write', type: 'Value' } },
  parameters: { values: 'u32', alpha: 'f32' },
  constants: elementConstants,
});

export const fillKernel = defineKernel({
  name: 'fill',
  source: fillSource,
  includes,
  bindings: { out: { access: 'read_write', type: 'Value' } },
  parameters: { values: 'u32', value: 'f32' },
  constants: elementConstants,
});

export const scaleRowsKernel = defineKernel({
  name: 'scale-rows',
  source: scaleRowsSource,
  includes,
  bindings: {
    x: { access: 'read', type: 'Value' },
    scale: { access: 'read', type: 'f32' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: { rows: 'u32', valuesPerRow: 'u32', spansPerRow: 'u32' },
  constants: { VECTOR: false, SPAN: 1, ACCUMULATE: false, WORKGROUP_SIZE: 64 },
});

/** Checks slices of `count` elements and calls `record` for each part that fits one binding. */
function forEachPart<Names extends string>(
  device: Device,
  kernel: string,
  count: number,
  slices: Readonly<Record<Names, BufferSlice>>,
  record: (
    parts: Record<Names, BufferSlice>,
    plan: ElementPlan,
    constants: { VECTOR: boolean; ITEMS: number; WORKGROUP_SIZE: number },
  ) => void,
): void {
  if (count === 0) return;
  requireSizes(kernel, { count });
  const entries = Object.entries(slices) as [Names, BufferSlice][];
  for (const [name, slice] of entries) requireElements(kernel, name, slice, count);
  for (const range of rowRanges(kernel, device, count, [1])) {
    const plan = planElements(range.count, device.capabilities.software);
    const parts = Object.fromEntries(
      entries.map(([name, slice]) => [name, elements(slice, range.first, range.count)]),
    ) as Record<Names, BufferSlice>;
    record(parts, plan, { VECTOR: plan.vector, ITEMS: plan.items, WORKGROUP_SIZE: plan.workgroupSize });
  }
}

/**
 * out = scale · f(x), all f32 [count]. `scale` defaults to 1.
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function unary(
  device: Device,
  args: {
    readonly operation: UnaryOperation;
    readonly x: BufferSlice;
    readonly out: BufferSlice;
    readonly count: number;
    readonly scale?: number;
  },
): void {
  const { operation, x, out, count, scale = 1 } = args;
  forEachPart(device, `unary ${operation}`, count, { x, out }, (bindings, plan, constants) =>
    device.recorder.dispatch(unaryKernel, {
      bindings,
      parameters: { values: plan.values, scale },
      constants: { ...constants, ACTIVATION: activationNumbers[operation] },
      workgroups: plan.workgroups,
    }),
  );
}

/**
 * gradX (+)= scale · f'(x) · gradOut, all f32 [count]. `scale` defaults to 1. ReLU's derivative at 0 is 0.
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function unaryBackward(
  device: Device,
  args: {
    readonly operation: UnaryOperation;
    /** The input of the forward operation. */
    readonly x: BufferSlice;
    readonly gradOut: BufferSlice;
    readonly gradX: BufferSlice;
    readonly count: number;
    readonly scale?: number;
    readonly accumulate?: boolean;
  },
): void {
  const { operation, x, gradOut, gradX, count, scale = 1, accumulate = false } = args;
  forEachPart(device, `unaryBackward ${operation}`, count, { x, gradOut, gradX }, (bindings, plan, constants) =>
    device.recorder.dispatch(unaryBackwardKernel, {
      bindings,
      parameters: { values: plan.values, scale },
      constants: { ...constants, ACTIVATION: activationNumbers[operation], ACCUMULATE: accumulate },
      workgroups: plan.workgroups,
    }),
  );
}

/**
 * out = a ∘ b, all f32 [count]; a and b may be the same slice, `out` must be another buffer.
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function binary(
  device: Device,
  args: {
    readonly operation: BinaryOperation;
    readonly a: BufferSlice;
    readonly b: BufferSlice;
    readonly out: BufferSlice;
    readonly count: number;
  },
): void {
  const { operation, a, b, out, count } = args;
  forEachPart(device, `binary ${operation}`, count, { a, b, out }, (bindings, plan, constants) =>
    device.recorder.dispatch(binaryKernel, {
      bindings,
      parameters: { values: plan.values },
      constants: { ...constants, OPERATION: binaryNumbers[operation] },
      workgroups: plan.workgroups,
    }),
  );
}

/**
 * out += alpha · x in place, both f32 [count].
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function addScaled(
  device: Device,
  args: { readonly x: BufferSlice; readonly out: BufferSlice; readonly count: number; readonly alpha: number },
): void {
  const { x, out, count, alpha } = args;
  forEachPart(device, 'addScaled', count, { x, out }, (bindings, plan, constants) =>
    device.recorder.dispatch(addScaledKernel, {
      bindings,
      parameters: { values: plan.values, alpha },
      constants,
      workgroups: plan.workgroups,
    }),
  );
}

/**
 * out = value, f32 [count].
 *
 * @throws InputError when the slice is smaller than `count`.
 */
export function fill(
  device: Device,
  args: { readonly out: BufferSlice; readonly count: number; readonly value: number },
): void {
  const { out, count, value } = args;
  forEachPart(device, 'fill', count, { out }, (bindings, plan, constants) =>
    device.recorder.dispatch(fillKernel, {
      bindings,
      parameters: { values: plan.values, value },
      constants,
      workgroups: plan.workgroups,
    }),
  );
}

/**
 * out[r, :] (+)= scale[r] · x[r, :]; x and out f32 [rows, columns], scale f32 [rows].
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function scaleRows(
  device: Device,
  args: {
    readonly x: BufferSlice;
    readonly scale: BufferSlice;
    readonly out: BufferSlice;
    readonly rows: number;
    readonly columns: number;
    readonly accumulate?: boolean;
  },
): void {
  const { x, scale, out, rows, columns, accumulate = false } = args;
  if (rows === 0) return;
  requireSizes('scaleRows', { rows, columns });
  requireElements('scaleRows', 'x', x, rows * columns);
  requireElements('scaleRows', 'scale', scale, rows);
  requireElements('scaleRows', 'out', out, rows * columns);
  for (const { first, count } of rowRanges('scaleRows', device, rows, [columns, 1])) {
    const plan = planRows(count, columns, device.capabilities.software);
    device.recorder.dispatch(scaleRowsKernel, {
      bindings: {
        x: elements(x, first * columns, count * columns),
        scale: elements(scale, first, count),
        out: elements(out, first * columns, count * columns),
      },
      parameters: { rows: count, valuesPerRow: plan.valuesPerRow, spansPerRow: plan.spansPerRow },
      constants: {
        VECTOR: plan.vector,
        SPAN: plan.span,
        ACCUMULATE: accumulate,
        WORKGROUP_SIZE: plan.workgroupSize,
      },
      workgroups: plan.workgroups,
    });
  }
}

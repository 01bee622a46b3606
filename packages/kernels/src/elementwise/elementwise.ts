/** Elementwise kernels: activations and their backward, sums and products, fills, scaled rows. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { elementParts } from '../element-parts';
import { includes } from '../include';
import { elementConstants, planRows, rowConstants, spreadRows } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import { activationConstants, activationNumbers } from './activations';
import addScaledSource from './add-scaled.wgsl';
import binarySource from './binary.wgsl';
import fillSource from './fill.wgsl';
import scaleRowsSource from './scale-rows.wgsl';
import unarySource from './unary.wgsl';
import unaryBackwardSource from './unary-backward.wgsl';

const binaryConstants = { ADD: 0, SUBTRACT: 1, MULTIPLY: 2 } as const;
const binaryNumbers = {
  add: binaryConstants.ADD,
  subtract: binaryConstants.SUBTRACT,
  multiply: binaryConstants.MULTIPLY,
} as const;

/** Activations by name; `copy` is the identity. */
export type UnaryOperation = 'relu' | 'sigmoid' | 'tanh' | 'silu' | 'copy';
/** What is done with two elements: a + b, a − b or a · b. */
export type BinaryOperation = keyof typeof binaryNumbers;

const unaryKernel = defineKernel({
  name: 'unary',
  source: unarySource,
  includes,
  bindings: { x: { access: 'read', type: 'Value' }, out: { access: 'read_write', type: 'Value' } },
  parameters: { values: 'u32', scale: 'f32' },
  constants: { ...elementConstants, ...activationConstants, ACTIVATION: 0 },
});

const unaryBackwardKernel = defineKernel({
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

const binaryKernel = defineKernel({
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

const addScaledKernel = defineKernel({
  name: 'add-scaled',
  source: addScaledSource,
  includes,
  bindings: { x: { access: 'read', type: 'Value' }, out: { access: 'read_write', type: 'Value' } },
  parameters: { values: 'u32', alpha: 'f32' },
  constants: elementConstants,
});

const fillKernel = defineKernel({
  name: 'fill',
  source: fillSource,
  includes,
  bindings: { out: { access: 'read_write', type: 'Value' } },
  parameters: { values: 'u32', value: 'f32' },
  constants: elementConstants,
});

const scaleRowsKernel = defineKernel({
  name: 'scale-rows',
  source: scaleRowsSource,
  includes,
  bindings: {
    x: { access: 'read', type: 'Value' },
    scale: { access: 'read', type: 'f32' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: { rows: 'u32', valuesPerRow: 'u32', spansPerRow: 'u32' },
  constants: { ...rowConstants, ACCUMULATE: false },
});

/** Arguments of {@link unary}. */
export interface UnaryArguments {
  /** Which activation f is. */
  readonly operation: UnaryOperation;
  /** f32 [count] */
  readonly x: BufferSlice;
  /** f32 [count]; another buffer than x. */
  readonly out: BufferSlice;
  /** Elements; 0 does nothing. */
  readonly count: number;
  /** Factor of the result. Default 1. */
  readonly scale?: number;
}

/**
 * out = scale · f(x), element by element.
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function unary(device: Device, args: UnaryArguments): void {
  const { operation, x, out, count, scale = 1 } = args;
  if (count === 0) return;
  for (const { values, constants, ...part } of elementParts(`unary ${operation}`, device, count, { x, out })) {
    device.recorder.dispatch(unaryKernel, {
      ...part,
      parameters: { values, scale },
      constants: { ...constants, ACTIVATION: activationNumbers[operation] },
    });
  }
}

/** Arguments of {@link unaryBackward}. */
export interface UnaryBackwardArguments {
  /** Which activation f is. */
  readonly operation: UnaryOperation;
  /** The input of the forward operation, f32 [count]. */
  readonly x: BufferSlice;
  /** f32 [count] */
  readonly gradOut: BufferSlice;
  /** f32 [count]; another buffer than x and gradOut. */
  readonly gradX: BufferSlice;
  /** Elements; 0 does nothing. */
  readonly count: number;
  /** Factor that the forward operation had. Default 1. */
  readonly scale?: number;
  /** Adds to gradX instead of replacing it. */
  readonly accumulate?: boolean;
}

/**
 * gradX (+)= scale · f'(x) · gradOut, element by element. ReLU's derivative at 0 is 0.
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function unaryBackward(device: Device, args: UnaryBackwardArguments): void {
  const { operation, x, gradOut, gradX, count, scale = 1, accumulate = false } = args;
  if (count === 0) return;
  const slices = { x, gradOut, gradX };
  for (const { values, constants, ...part } of elementParts(`unaryBackward ${operation}`, device, count, slices)) {
    device.recorder.dispatch(unaryBackwardKernel, {
      ...part,
      parameters: { values, scale },
      constants: { ...constants, ACTIVATION: activationNumbers[operation], ACCUMULATE: accumulate },
    });
  }
}

/** Arguments of {@link binary}. */
export interface BinaryArguments {
  /** What ∘ is. */
  readonly operation: BinaryOperation;
  /** f32 [count] */
  readonly a: BufferSlice;
  /** f32 [count]; may be the same slice as a. */
  readonly b: BufferSlice;
  /** f32 [count]; another buffer than a and b. */
  readonly out: BufferSlice;
  /** Elements; 0 does nothing. */
  readonly count: number;
}

/**
 * out = a ∘ b, element by element.
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function binary(device: Device, args: BinaryArguments): void {
  const { operation, a, b, out, count } = args;
  if (count === 0) return;
  for (const { values, constants, ...part } of elementParts(`binary ${operation}`, device, count, { a, b, out })) {
    device.recorder.dispatch(binaryKernel, {
      ...part,
      parameters: { values },
      constants: { ...constants, OPERATION: binaryNumbers[operation] },
    });
  }
}

/** Arguments of {@link addScaled}. */
export interface AddScaledArguments {
  /** f32 [count] */
  readonly x: BufferSlice;
  /** f32 [count], updated in place; another buffer than x. */
  readonly out: BufferSlice;
  /** Elements; 0 does nothing. */
  readonly count: number;
  /** Factor of x. */
  readonly alpha: number;
}

/**
 * out += alpha · x in place.
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function addScaled(device: Device, args: AddScaledArguments): void {
  const { x, out, count, alpha } = args;
  if (count === 0) return;
  for (const { values, ...part } of elementParts('addScaled', device, count, { x, out })) {
    device.recorder.dispatch(addScaledKernel, { ...part, parameters: { values, alpha } });
  }
}

/** Arguments of {@link fill}. */
export interface FillArguments {
  /** f32 [count] */
  readonly out: BufferSlice;
  /** Elements; 0 does nothing. */
  readonly count: number;
  /** What every element becomes. */
  readonly value: number;
}

/**
 * out = value in every element.
 *
 * @throws InputError when the slice is smaller than `count`.
 */
export function fill(device: Device, args: FillArguments): void {
  const { out, count, value } = args;
  if (count === 0) return;
  for (const { values, ...part } of elementParts('fill', device, count, { out })) {
    device.recorder.dispatch(fillKernel, { ...part, parameters: { values, value } });
  }
}

/** Arguments of {@link scaleRows}. */
export interface ScaleRowsArguments {
  /** f32 [rows, columns] */
  readonly x: BufferSlice;
  /** f32 [rows], the factor of each row. */
  readonly scale: BufferSlice;
  /** f32 [rows, columns]; another buffer than x and scale. */
  readonly out: BufferSlice;
  /** Rows of x and out; 0 does nothing. */
  readonly rows: number;
  /** Columns of x and out, at least 1. */
  readonly columns: number;
  /** Adds to out instead of replacing it. */
  readonly accumulate?: boolean;
}

/**
 * out[r, :] (+)= scale[r] · x[r, :].
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function scaleRows(device: Device, args: ScaleRowsArguments): void {
  const { x, scale, out, rows, columns, accumulate = false } = args;
  if (rows === 0) return;
  requireSizes('scaleRows', { rows, columns });
  requireElements('scaleRows', 'x', x, rows * columns);
  requireElements('scaleRows', 'scale', scale, rows);
  requireElements('scaleRows', 'out', out, rows * columns);
  for (const { first, count } of rowRanges('scaleRows', device, rows, [columns, 1])) {
    const plan = planRows({ rows: count, columns }, device.capabilities);
    const { constants, workgroups } = spreadRows(plan);
    device.recorder.dispatch(scaleRowsKernel, {
      bindings: {
        x: elements(x, first * columns, count * columns),
        scale: elements(scale, first, count),
        out: elements(out, first * columns, count * columns),
      },
      parameters: { rows: count, valuesPerRow: plan.valuesPerRow, spansPerRow: plan.spansPerRow },
      constants: { ...constants, ACCUMULATE: accumulate },
      workgroups,
    });
  }
}

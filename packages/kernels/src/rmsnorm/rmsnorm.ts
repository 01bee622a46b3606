/** RMSNorm over the rows of a matrix, forward and backward. */
import { type BufferSlice, type Device, defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import {
  type NormArguments,
  type NormBackwardArguments,
  normBackward,
  normConstants,
  normParameters,
  normParts,
} from '../norm';
import { requireElements } from '../slices';
import source from './rmsnorm.wgsl';
import backwardSource from './rmsnorm-backward.wgsl';

const forward = defineKernel({
  name: 'rmsnorm',
  source,
  includes,
  constants: { ...normConstants, ADD: false },
  bindings: {
    x: { access: 'read', type: 'Value' },
    y: { access: 'read', type: 'Value', when: 'ADD' },
    weight: { access: 'read', type: 'Value' },
    sum: { access: 'read_write', type: 'Value', when: 'ADD' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: normParameters,
});

const backward = defineKernel({
  name: 'rmsnorm-backward',
  source: backwardSource,
  includes,
  constants: { ...normConstants, KEEP_INVERSE: false, ADD: false },
  bindings: {
    x: { access: 'read', type: 'Value' },
    weight: { access: 'read', type: 'Value' },
    gradOut: { access: 'read', type: 'Value' },
    gradSum: { access: 'read', type: 'Value', when: 'ADD' },
    gradX: { access: 'read_write', type: 'Value' },
    inverse: { access: 'read_write', type: 'f32', when: 'KEEP_INVERSE' },
  },
  parameters: normParameters,
});

/**
 * out = x / sqrt(mean(x²) + epsilon) ⊙ weight over each row (Zhang & Sennrich, 2019).
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function rmsNorm(device: Device, args: NormArguments): void {
  const { x, weight, out } = args;
  for (const { rowsOf, row, launch } of normParts('rmsNorm', device, args, { x, out }, { weight })) {
    device.recorder.dispatch(forward, {
      bindings: { x: rowsOf(x), y: undefined, weight: row(weight), sum: undefined, out: rowsOf(out) },
      ...launch,
    });
  }
}

/** Arguments of {@link addRmsNorm}. */
export interface AddRmsNormArguments extends NormArguments {
  /** f32 [rows, columns]; may be the same slice as x. */
  readonly y: BufferSlice;
  /** f32 [rows, columns], written: x + y; another buffer than the others. */
  readonly sum: BufferSlice;
}

/**
 * sum = x + y, and {@link rmsNorm} of the sum, in one pass over the rows.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function addRmsNorm(device: Device, args: AddRmsNormArguments): void {
  const { x, y, weight, sum, out } = args;
  for (const { rowsOf, row, launch } of normParts('addRmsNorm', device, args, { x, y, sum, out }, { weight })) {
    device.recorder.dispatch(forward, {
      bindings: { x: rowsOf(x), y: rowsOf(y), weight: row(weight), sum: rowsOf(sum), out: rowsOf(out) },
      ...launch,
      constants: { ...launch.constants, ADD: true },
    });
  }
}

/** Arguments of {@link rmsNormBackward}. */
export interface RmsNormBackwardArguments extends NormBackwardArguments {
  /**
   * What is added to gradX, f32 [rows, columns]: the gradient with respect to the sum of {@link addRmsNorm}. The result is
   * then the gradient of both terms.
   */
  readonly gradSum?: BufferSlice | undefined;
}

/**
 * Gradients of {@link rmsNorm}. Nothing but x is needed from the forward pass. The weight's gradient is summed in two
 * stages of fixed order, so it is repeatable.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function rmsNormBackward(device: Device, args: RmsNormBackwardArguments): void {
  const { x, weight, gradOut, gradX, gradSum, rows, columns } = args;
  if (gradSum) requireElements('rmsNormBackward', 'gradSum', gradSum, rows * columns);
  normBackward('rmsNormBackward', device, args, false, ({ rowsOf, row, launch }, inverse) => {
    device.recorder.dispatch(backward, {
      bindings: {
        x: rowsOf(x),
        weight: row(weight),
        gradOut: rowsOf(gradOut),
        gradSum: gradSum && rowsOf(gradSum),
        gradX: rowsOf(gradX),
        inverse,
      },
      ...launch,
      constants: { ...launch.constants, KEEP_INVERSE: inverse !== undefined, ADD: gradSum !== undefined },
    });
  });
}

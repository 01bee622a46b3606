/** LayerNorm over the rows of a matrix, forward and backward. */
import { type BufferSlice, type Device, defineKernel } from '@crossgate/gpu';
import { columnSum } from '../column-sum/column-sum';
import { includes as shared } from '../include';
import {
  type NormArguments,
  type NormBackwardArguments,
  normBackward,
  normConstants,
  normParameters,
  normParts,
} from '../norm';
import source from './layernorm.wgsl';
import backwardSource from './layernorm-backward.wgsl';
import moments from './layernorm-moments.wgsl';

const includes = { ...shared, 'layernorm-moments': moments };

const forward = defineKernel({
  name: 'layernorm',
  source,
  includes,
  constants: normConstants,
  bindings: {
    x: { access: 'read', type: 'Value' },
    weight: { access: 'read', type: 'Value' },
    bias: { access: 'read', type: 'Value' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: normParameters,
});

const backward = defineKernel({
  name: 'layernorm-backward',
  source: backwardSource,
  includes,
  constants: { ...normConstants, KEEP_MOMENTS: false },
  bindings: {
    x: { access: 'read', type: 'Value' },
    weight: { access: 'read', type: 'Value' },
    gradOut: { access: 'read', type: 'Value' },
    gradX: { access: 'read_write', type: 'Value' },
    moments: { access: 'read_write', type: 'vec2<f32>', when: 'KEEP_MOMENTS' },
  },
  parameters: normParameters,
});

/** Arguments of {@link layerNorm}. */
export interface LayerNormArguments extends NormArguments {
  /** f32 [columns] */
  readonly bias: BufferSlice;
}

/**
 * out = (x − mean) / sqrt(variance + epsilon) ⊙ weight + bias over each row, with the biased variance, as torch has it
 * (Ba, Kiros & Hinton, 2016).
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function layerNorm(device: Device, args: LayerNormArguments): void {
  const { x, weight, bias, out } = args;
  for (const { rowsOf, row, launch } of normParts('layerNorm', device, args, { x, out }, { weight, bias })) {
    device.recorder.dispatch(forward, {
      bindings: { x: rowsOf(x), weight: row(weight), bias: row(bias), out: rowsOf(out) },
      ...launch,
    });
  }
}

/** Arguments of {@link layerNormBackward}. */
export interface LayerNormBackwardArguments extends NormBackwardArguments {
  /** Gradient with respect to the bias, f32 [columns]; not computed when absent. */
  readonly gradBias?: BufferSlice;
  /** Adds to gradBias instead of replacing it. */
  readonly accumulateBias?: boolean;
}

/**
 * Gradients of {@link layerNorm}. Nothing but x is needed from the forward pass. The gradients of weight and bias are
 * summed in stages of fixed order, so they are repeatable.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function layerNormBackward(device: Device, args: LayerNormBackwardArguments): void {
  const { x, weight, gradOut, gradX, gradBias, rows, columns, accumulateBias = false } = args;
  normBackward('layerNormBackward', device, args, true, ({ rowsOf, row, launch }, moments) => {
    device.recorder.dispatch(backward, {
      bindings: { x: rowsOf(x), weight: row(weight), gradOut: rowsOf(gradOut), gradX: rowsOf(gradX), moments },
      ...launch,
      constants: { ...launch.constants, KEEP_MOMENTS: moments !== undefined },
    });
  });
  if (gradBias) columnSum(device, { x: gradOut, out: gradBias, rows, columns, accumulate: accumulateBias });
}

/** RMSNorm over the rows of a matrix, forward and backward. */
import { type Device, defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import {
  type NormArguments,
  type NormBackwardArguments,
  normBackward,
  normConstants,
  normParameters,
  normParts,
} from '../norm';
import source from './rmsnorm.wgsl';
import backwardSource from './rmsnorm-backward.wgsl';

const forward = defineKernel({
  name: 'rmsnorm',
  source,
  includes,
  constants: normConstants,
  bindings: {
    x: { access: 'read', type: 'Value' },
    weight: { access: 'read', type: 'Value' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: normParameters,
});

const backward = defineKernel({
  name: 'rmsnorm-backward',
  source: backwardSource,
  includes,
  constants: { ...normConstants, KEEP_INVERSE: false },
  bindings: {
    x: { access: 'read', type: 'Value' },
    weight: { access: 'read', type: 'Value' },
    gradOut: { access: 'read', type: 'Value' },
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
      bindings: { x: rowsOf(x), weight: row(weight), out: rowsOf(out) },
      ...launch,
    });
  }
}

/**
 * Gradients of {@link rmsNorm}. Nothing but x is needed from the forward pass. The weight's gradient is summed in two
 * stages of fixed order, so it is repeatable.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function rmsNormBackward(device: Device, args: NormBackwardArguments): void {
  const { x, weight, gradOut, gradX } = args;
  normBackward('rmsNormBackward', device, args, false, ({ rowsOf, row, launch }, inverse) => {
    device.recorder.dispatch(backward, {
      bindings: { x: rowsOf(x), weight: row(weight), gradOut: rowsOf(gradOut), gradX: rowsOf(gradX), inverse },
      ...launch,
      constants: { ...launch.constants, KEEP_INVERSE: inverse !== undefined },
    });
  });
}

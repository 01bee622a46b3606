/** Dynamic loss scaling on the device: whether a step is done, and what the scale becomes, without asking the host. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { elements, requireElements } from '../slices';
import source from './loss-scale.wgsl';

/** Values of the state: scale, finite steps since it changed, skipped steps, those in a row, updates done. */
export const lossScaleStateSize = 5;
/** Values that tell `adam` what to do: factor of the gradient, 1 / (1 − β1^t), 1 / √(1 − β2^t). */
export const updateControlSize = 3;

const lossScaleKernel = defineKernel({
  name: 'loss-scale',
  source,
  bindings: {
    sumOfSquares: { access: 'read', type: 'f32' },
    state: { access: 'read_write', type: 'f32' },
    control: { access: 'read_write', type: 'f32' },
  },
  parameters: {
    maxNorm: 'f32',
    rate1: 'f32',
    rate2: 'f32',
    growthInterval: 'f32',
    minScale: 'f32',
    maxScale: 'f32',
  },
});

/** Arguments of {@link updateLossScale}. */
export interface LossScaleArguments {
  /** f32 [1]: sum of the squares of all gradients, which carry the scale. */
  readonly sumOfSquares: BufferSlice;
  /** f32 [{@link lossScaleStateSize}], updated in place. */
  readonly state: BufferSlice;
  /** f32 [{@link updateControlSize}]; the first is 0 where the step must be skipped. */
  readonly control: BufferSlice;
  /** Decay of Adam's first moment, in [0, 1). */
  readonly beta1: number;
  /** Decay of Adam's second moment, in [0, 1). */
  readonly beta2: number;
  /** Greatest norm of the gradients without the scale; null does not clip. */
  readonly maxNorm: number | null;
  /** Finite steps after which the scale doubles. */
  readonly growthInterval: number;
  /** Least scale, > 0. */
  readonly minScale: number;
  /** Greatest scale. */
  readonly maxScale: number;
}

/**
 * Decides about one step and updates the state: gradients that are not finite skip the step and halve the scale; after
 * `growthInterval` finite steps it doubles (dynamic loss scaling, Micikevicius et al., 2018).
 *
 * @throws InputError when a slice is too small or a beta is outside [0, 1).
 */
export function updateLossScale(device: Device, args: LossScaleArguments): void {
  const { sumOfSquares, state, control, beta1, beta2, maxNorm, growthInterval, minScale, maxScale } = args;
  if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
    throw new InputError(`updateLossScale: beta1 ${beta1} and beta2 ${beta2} must be in [0, 1)`);
  }
  requireElements('updateLossScale', 'sumOfSquares', sumOfSquares, 1);
  requireElements('updateLossScale', 'state', state, lossScaleStateSize);
  requireElements('updateLossScale', 'control', control, updateControlSize);
  // β^t = e^(−rate·t). Beyond 100 it is 0 in f32 from the first step on.
  const rate = (beta: number) => Math.min(100, -Math.log(beta));
  device.recorder.dispatch(lossScaleKernel, {
    bindings: {
      sumOfSquares: elements(sumOfSquares, 0, 1),
      state: elements(state, 0, lossScaleStateSize),
      control: elements(control, 0, updateControlSize),
    },
    parameters: {
      maxNorm: maxNorm ?? 0,
      rate1: rate(beta1),
      rate2: rate(beta2),
      growthInterval,
      minScale,
      maxScale,
    },
    workgroups: 1,
  });
}

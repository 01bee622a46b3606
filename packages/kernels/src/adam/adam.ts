/** Adam and AdamW: values and both moments are updated in place by one dispatch. */
import type { BufferSlice, Device, StepValue } from '@crossgate/gpu';
import { computed, defineKernel, InputError, numberOf } from '@crossgate/gpu';
import { elementParts } from '../element-parts';
import { includes } from '../include';
import { updateControlSize } from '../loss-scale/loss-scale';
import { elementConstants } from '../plan';
import { elements, requireElements, requireSizes } from '../slices';
import source from './adam.wgsl';

const adamKernel = defineKernel({
  name: 'adam',
  source,
  includes,
  bindings: {
    value: { access: 'read_write', type: 'Value' },
    gradient: { access: 'read', type: 'Value' },
    firstMoment: { access: 'read_write', type: 'Value' },
    secondMoment: { access: 'read_write', type: 'Value' },
    gradientScale: { access: 'read', type: 'f32', when: 'SCALED' },
    control: { access: 'read', type: 'f32', when: 'CONTROLLED' },
  },
  parameters: {
    values: 'u32',
    beta1: 'f32',
    oneMinusBeta1: 'f32',
    beta2: 'f32',
    oneMinusBeta2: 'f32',
    stepSize: 'f32',
    inverseRootCorrection: 'f32',
    epsilon: 'f32',
    coupledDecay: 'f32',
    keep: 'f32',
  },
  constants: { ...elementConstants, SCALED: false, CONTROLLED: false },
});

/** Arguments of {@link adam}. */
export interface AdamArguments {
  /** f32 [count], updated in place. */
  readonly value: BufferSlice;
  /** f32 [count] */
  readonly gradient: BufferSlice;
  /** f32 [count], updated in place; zero before the first step. */
  readonly firstMoment: BufferSlice;
  /** f32 [count], updated in place; zero before the first step. */
  readonly secondMoment: BufferSlice;
  /** Elements of each slice; 0 does nothing. */
  readonly count: number;
  /** Number of this update, from 1. Left out where `control` is given, which comes from it. */
  readonly step?: number | StepValue;
  /** Factor of the update, ≥ 0. */
  readonly learningRate: number | StepValue;
  /** Decay of the first moment, in [0, 1). */
  readonly beta1: number;
  /** Decay of the second moment, in [0, 1). */
  readonly beta2: number;
  /** Added to the root of the second moment, > 0. */
  readonly epsilon: number;
  /** Factor of the decay, ≥ 0; 0 for none. */
  readonly weightDecay: number;
  /**
   * False: torch.optim.Adam, the decay joins the gradient. True: AdamW, the value shrinks by lr · weightDecay first.
   */
  readonly decoupled: boolean;
  /** f32 [1], factor of the gradient, e.g. from `clipFactor`; applied before the decay. */
  readonly gradientScale?: BufferSlice | undefined;
  /** f32 [3] of `updateLossScale`: factor of the gradient, or 0 for no update at all, and both bias corrections. */
  readonly control?: BufferSlice | undefined;
}

/**
 * One optimizer step as torch computes it (Kingma & Ba, 2015; decoupled: Loshchilov & Hutter, 2019); the bias
 * corrections are taken on the host in float64, or come with `control`.
 *
 * @throws InputError when a slice is smaller than `count`, a beta is outside [0, 1) or `step` is not a positive
 * integer.
 */
export function adam(device: Device, args: AdamArguments): void {
  const { value, gradient, firstMoment, secondMoment, count, gradientScale, control } = args;
  const step = control ? Number.POSITIVE_INFINITY : (args.step ?? 0);
  const { learningRate, beta1, beta2, epsilon, weightDecay, decoupled } = args;
  if (count === 0) return;
  if (!control) requireSizes('adam', { step: numberOf(step) });
  if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
    throw new InputError(`adam: beta1 ${beta1} and beta2 ${beta2} must be in [0, 1)`);
  }
  if (gradientScale) requireElements('adam', 'gradientScale', gradientScale, 1);
  if (control) requireElements('adam', 'control', control, updateControlSize);
  const slices = { value, gradient, firstMoment, secondMoment };
  for (const { bindings, values, constants, workgroups } of elementParts('adam', device, count, slices)) {
    device.recorder.dispatch(adamKernel, {
      bindings: {
        ...bindings,
        gradientScale: gradientScale && elements(gradientScale, 0, 1),
        control: control && elements(control, 0, updateControlSize),
      },
      parameters: {
        values,
        beta1,
        oneMinusBeta1: 1 - beta1,
        beta2,
        oneMinusBeta2: 1 - beta2,
        // At an endless step both corrections are 1: those of `control` take their place.
        stepSize: computed([learningRate, step], (rate, t) => rate / (1 - beta1 ** t)),
        inverseRootCorrection: computed([step], (t) => 1 / Math.sqrt(1 - beta2 ** t)),
        epsilon,
        coupledDecay: decoupled ? 0 : weightDecay,
        keep: computed([learningRate], (rate) => (decoupled ? 1 - rate * weightDecay : 1)),
      },
      constants: { ...constants, SCALED: gradientScale !== undefined, CONTROLLED: control !== undefined },
      workgroups,
    });
  }
}

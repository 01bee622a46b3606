/** Dropout by a counter-based generator: no stored mask, and the backward is the same call on the gradient. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { elementConstants, planValues, spreadValues } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './dropout.wgsl';
import { type DropoutMask, maskIncludes, maskParameters, maskValues, requireMask } from './mask';

export type { DropoutMask } from './mask';

const dropoutKernel = defineKernel({
  name: 'dropout',
  source,
  includes: { ...includes, ...maskIncludes },
  bindings: { x: { access: 'read', type: 'Value' }, out: { access: 'read_write', type: 'Value' } },
  parameters: { values: 'u32', count: 'u32', scale: 'f32', ...maskParameters },
  constants: { ...elementConstants, ACCUMULATE: false },
});

/** Arguments of {@link dropout}. */
export interface DropoutArguments extends DropoutMask {
  /** f32 [count] */
  readonly x: BufferSlice;
  /** f32 [count]; another buffer than x. */
  readonly out: BufferSlice;
  /** Elements; 0 does nothing. */
  readonly count: number;
  /** Adds to out instead of replacing it. Default false. */
  readonly accumulate?: boolean;
}

/**
 * out[i] (+)= x[i] / (1 − probability) where the mask keeps element i, else 0.
 *
 * @throws InputError when a slice is smaller than `count`, the probability is outside [0, 1), or `first` is no multiple
 * of 4.
 */
export function dropout(device: Device, args: DropoutArguments): void {
  const { x, out, count, probability, accumulate = false } = args;
  if (count === 0) return;
  requireSizes('dropout', { count });
  requireMask('dropout', args);
  requireElements('dropout', 'x', x, count);
  requireElements('dropout', 'out', out, count);
  for (const range of rowRanges('dropout', device, count, [1])) {
    const values = Math.ceil(range.count / 4); // one Philox block each
    const { constants, workgroups } = spreadValues(planValues({ values }, device.capabilities), range.count % 4 === 0);
    device.recorder.dispatch(dropoutKernel, {
      bindings: { x: elements(x, range.first, range.count), out: elements(out, range.first, range.count) },
      // Parts start at multiples of 64 elements.
      parameters: { values, count: range.count, scale: 1 / (1 - probability), ...maskValues(args, range.first) },
      constants: { ...constants, ACCUMULATE: accumulate },
      workgroups,
    });
  }
}

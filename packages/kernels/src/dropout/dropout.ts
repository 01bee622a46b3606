/** Dropout by a counter-based generator: no stored mask, and the backward is the same call on the gradient. */
import type { BufferSlice, Device, StepValue } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import { elementConstants, planValues, spreadValues } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './dropout.wgsl';
import philox from './philox.wgsl';

const dropoutKernel = defineKernel({
  name: 'dropout',
  source,
  includes: { ...includes, philox },
  bindings: { x: { access: 'read', type: 'Value' }, out: { access: 'read_write', type: 'Value' } },
  parameters: {
    values: 'u32',
    count: 'u32',
    firstBlock: 'u32',
    threshold: 'u32',
    scale: 'f32',
    seed: 'u32',
    stream: 'u32',
    counter: 'u32',
  },
  constants: { ...elementConstants, ACCUMULATE: false },
});

/** Arguments of {@link dropout}. */
export interface DropoutArguments {
  /** f32 [count] */
  readonly x: BufferSlice;
  /** f32 [count]; another buffer than x. */
  readonly out: BufferSlice;
  /** Elements; 0 does nothing. */
  readonly count: number;
  /** Share of elements that become zero, in [0, 1). */
  readonly probability: number;
  /** u32, one per run. */
  readonly seed: number;
  /** u32, one per place in the model. */
  readonly stream: number;
  /** u32, one per step. */
  readonly counter: number | StepValue;
  /**
   * Number of x's first element in the tensor that the mask is of, a multiple of 4: for a part of it. Default 0.
   */
  readonly first?: number;
  /** Adds to out instead of replacing it. Default false. */
  readonly accumulate?: boolean;
}

/**
 * out[i] (+)= x[i] / (1 − probability) where element i is kept, else 0. The same seed, stream and counter give the same
 * mask: word i % 4 of `philox4x32([i / 4, counter, stream, 0], [seed, 0x43524f53])`, kept when its uniform number is at
 * least the probability.
 *
 * @throws InputError when a slice is smaller than `count`, the probability is outside [0, 1), or `first` is no multiple
 * of 4.
 */
export function dropout(device: Device, args: DropoutArguments): void {
  const { x, out, count, probability, seed, stream, counter, first = 0, accumulate = false } = args;
  if (count === 0) return;
  requireSizes('dropout', { count });
  if (!(probability >= 0 && probability < 1)) {
    throw new InputError(`dropout: probability ${probability} must be in [0, 1)`);
  }
  if (!Number.isInteger(first / 4) || first < 0) {
    throw new InputError(`dropout: first ${first} must be a multiple of 4`);
  }
  requireElements('dropout', 'x', x, count);
  requireElements('dropout', 'out', out, count);
  for (const range of rowRanges('dropout', device, count, [1])) {
    const values = Math.ceil(range.count / 4); // one Philox block each
    const { constants, workgroups } = spreadValues(planValues({ values }, device.capabilities), range.count % 4 === 0);
    device.recorder.dispatch(dropoutKernel, {
      bindings: { x: elements(x, range.first, range.count), out: elements(out, range.first, range.count) },
      parameters: {
        values,
        count: range.count,
        // Parts start at multiples of 64 elements.
        firstBlock: (first + range.first) / 4,
        threshold: Math.ceil(probability * 2 ** 24),
        scale: 1 / (1 - probability),
        seed,
        stream,
        counter,
      },
      constants: { ...constants, ACCUMULATE: accumulate },
      workgroups,
    });
  }
}

// Dropout whose mask is a function of (seed, stream, counter): nothing is stored, and a second pass has the same mask.
import type { StepValue } from '@crossgate/gpu';
import { dropout as launch } from '@crossgate/kernels';
import { record } from '../tape';
import { empty, expectTensor, type Tensor } from '../tensor';

/** Identifies a mask: two calls with the same state and size drop the same elements. */
export interface DropoutState {
  /** Chance that an element is dropped, in [0, 1). */
  readonly probability: number;
  /** Seed of the run. An unsigned 32-bit integer. */
  readonly seed: number;
  /** Distinguishes the places in a model, e.g. layer and projection. An unsigned 32-bit integer. */
  readonly stream: number;
  /** Distinguishes optimizer steps and the batches accumulated in one. An unsigned 32-bit integer. */
  readonly counter: number | StepValue;
  /**
   * Number of the first element in the tensor that the mask is of, a multiple of 4: for a part of that tensor, such as
   * one rank's. Default 0.
   */
  readonly first?: number;
}

/**
 * Sets random elements to zero: x · mask / (1 − probability) (Srivastava et al. 2014). The division keeps the expected
 * value of every element.
 *
 * @param x f32 of any shape.
 * @param state undefined, or with probability 0: returns `x` itself.
 * @throws InputError for another dtype or a probability out of range.
 */
export function dropout(x: Tensor, state: DropoutState | undefined): Tensor {
  expectTensor('dropout', 'x', x, 'f32');
  if (!state || state.probability === 0) return x;
  const { device } = x;
  const out = empty(device, x.shape);
  launch(device, { x: x.slice, out: out.slice, count: x.size, ...state });
  record('dropout', [x], [out], [], ([gradient], into) => {
    const gradX = empty(device, x.shape);
    launch(device, { x: gradient!.slice, out: gradX.slice, count: x.size, ...state });
    into.give(x, gradX);
  });
  return out;
}

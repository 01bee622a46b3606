// Dropout whose mask is a function of (seed, stream, counter): nothing is stored and a repeated pass sees the same mask.
import { dropout as launch } from '@crossgate/kernels';
import { record } from '../tape';
import { empty, expectTensor, type Tensor } from '../tensor';

/** Identifies one mask. Two calls with the same state drop the same elements. */
export interface DropoutState {
  /** Chance that an element is dropped, in [0, 1). */
  readonly probability: number;
  /** Seed of the run. */
  readonly seed: number;
  /** Distinguishes the places of a model, e.g. layer and projection. */
  readonly stream: number;
  /** Distinguishes optimizer steps (and micro-batches). */
  readonly counter: number;
}

/** out = x · mask / (1 − probability). */
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

/** The mask of dropout: what names it, and what kernels that draw it are told. */
import { InputError, type StepValue } from '@crossgate/gpu';
import maskSource from './dropout-mask.wgsl';
import philox from './philox.wgsl';

/**
 * Names a mask: the same values give the same mask. Element i is word i % 4 of
 * `philox4x32([i / 4, counter, stream, 0], [seed, 0x43524f53])`, kept when its uniform number is at least the probability.
 */
export interface DropoutMask {
  /** Share of elements that become zero, in [0, 1). */
  readonly probability: number;
  /** u32, one per run. */
  readonly seed: number;
  /** u32, one per place in the model. */
  readonly stream: number;
  /** u32, one per step. */
  readonly counter: number | StepValue;
  /**
   * Number of the first element in the tensor that the mask is of, a multiple of 4: for a part of it. Default 0.
   */
  readonly first?: number;
}

/** What kernels include that draw a mask. */
export const maskIncludes = { philox, 'dropout-mask': maskSource };

/** Their parameters. */
export const maskParameters = {
  firstBlock: 'u32',
  threshold: 'u32',
  seed: 'u32',
  stream: 'u32',
  counter: 'u32',
} as const;

/**
 * Values of these parameters.
 *
 * @param offset number of the first bound element in the slice that the mask is given for, a multiple of 4.
 */
export function maskValues(
  { probability, seed, stream, counter, first = 0 }: DropoutMask,
  offset: number,
): Readonly<Record<keyof typeof maskParameters, number | StepValue>> {
  return { firstBlock: (first + offset) / 4, threshold: Math.ceil(probability * 2 ** 24), seed, stream, counter };
}

/** Checks a mask. @throws InputError when the probability is outside [0, 1), or `first` is no multiple of 4. */
export function requireMask(kernel: string, { probability, first = 0 }: DropoutMask): void {
  if (!(probability >= 0 && probability < 1)) {
    throw new InputError(`${kernel}: probability ${probability} must be in [0, 1)`);
  }
  if (!Number.isInteger(first / 4) || first < 0) {
    throw new InputError(`${kernel}: first ${first} must be a multiple of 4`);
  }
}

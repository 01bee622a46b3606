/**
 * The product of two matrices seven times, each step with one idea more: to read, and to measure what an idea is worth on a
 * GPU. What runs in models is `matmul`.
 */
import type { BufferSlice, Capabilities, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { elements, requireElements } from '../slices';
import { type LadderStep, matrixShape, rungOf } from './rungs';

export { LADDER_STEPS, type LadderStep } from './rungs';

/**
 * Whether an adapter can run a step: the last two need f16 and matrix units that take f16 and sum in f32, with subgroups of
 * one size.
 */
export function canClimb(
  step: LadderStep,
  capabilities: Pick<Capabilities, 'matrixConfigurations' | 'f16' | 'subgroups' | 'subgroupSize'>,
): boolean {
  if (step !== 'matrix' && step !== 'prefetch') return true;
  const { f16, subgroups, subgroupSize } = capabilities;
  return f16 && subgroups && subgroupSize[0] === subgroupSize[1] && matrixShape(capabilities) !== undefined;
}

/** Arguments of {@link matmulLadder}. */
export interface MatmulLadderArguments {
  /** Which step computes the product. */
  readonly step: LadderStep;
  /** f32 [m, k] */
  readonly a: BufferSlice;
  /** f32 [k, n] */
  readonly b: BufferSlice;
  /** f32 [m, n], written; another buffer than a and b. */
  readonly out: BufferSlice;
  /** Rows of a and out, at least 1. */
  readonly m: number;
  /** Columns of b and out, at least 1; from the step `vec4` to `register-tiles` a multiple of 4. */
  readonly n: number;
  /** Columns of a and rows of b, at least 1. */
  readonly k: number;
}

/**
 * out = a · b by one step of the ladder. Each array must fit one binding. `matrix` and `prefetch` round a and b to f16.
 *
 * @throws InputError for slices that are too small, for n that is no multiple of 4 where the step needs it, and for a step
 * that the adapter cannot run; see {@link canClimb}.
 */
export function matmulLadder(device: Device, args: MatmulLadderArguments): void {
  const { step, a, b, out, m, n, k } = args;
  requireElements('matmulLadder', 'a', a, m * k);
  requireElements('matmulLadder', 'b', b, k * n);
  requireElements('matmulLadder', 'out', out, m * n);
  if (!canClimb(step, device.capabilities)) {
    throw new InputError(
      `matmulLadder: ${device.capabilities.name} has no matrix units for ${step}: f16 in, f32 out, subgroups of one size`,
    );
  }
  if ((step === 'vec4' || step === 'register-tiles') && n % 4 !== 0) {
    throw new InputError(`matmulLadder: ${step} needs columns by the four, got ${n}`);
  }
  const { kernel, constants, tile } = rungOf(step, device.capabilities);
  const workgroups = step === 'naive' ? Math.ceil((m * n) / tile[1]) : Math.ceil(m / tile[0]) * Math.ceil(n / tile[1]);
  device.recorder.dispatch(kernel, {
    bindings: { a: elements(a, 0, m * k), b: elements(b, 0, k * n), out: elements(out, 0, m * n) },
    parameters: { m, n, k },
    constants,
    workgroups,
  });
}
